"""A small screen that plays a film in a loop, or shows one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QHideEvent, QImage, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_studio.jobs.film import Film
from diffusion_studio.ui.look.theme import SPACE_M, tokens
from diffusion_studio.ui.pictures.cells import paint_image
from diffusion_studio.ui.pictures.picture import to_image
from diffusion_studio.ui.pictures.viewport import SMALL

if TYPE_CHECKING:
    import numpy as np


class FilmPreview(QWidget):
    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(420, 420)
        self._film: Film | None = None
        self._image = QImage()
        self._words = ""
        self.place = 0  # in the film's images
        self._timer = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._play_on)

    def sizeHint(self) -> QSize:
        return QSize(460, 440)

    def play(self, film: Film | None) -> None:
        """From its beginning; None: nothing."""
        self._film, self.place = film, 0
        self._timer.stop()
        if film is None:
            self._image = QImage()
            self.update()
        elif self.isVisible():
            self._show_place()

    def show_picture(self, pixels: np.ndarray) -> None:
        self._timer.stop()
        self._film, self._image = None, to_image(pixels)
        self.update()

    def show_words(self, words: str) -> None:
        """While there is nothing to play."""
        self._words = words
        self.update()

    def _show_place(self) -> None:
        if self._film is not None:
            self._image = to_image(self._film.draw(self.place))
            self.update()
            self._timer.start(round(1000 * self._film.ticks[self.place] / self._film.rate))

    def _play_on(self) -> None:
        if self._film is not None:
            self.place = (self.place + 1) % len(self._film.ticks)
            self._show_place()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show_place()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens().ground))
        if self._image.isNull():
            painter.setPen(QColor(tokens().ground_muted))
            room = self.rect().adjusted(SPACE_M, SPACE_M, -SPACE_M, -SPACE_M)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._words)
        else:
            paint_image(painter, self._target(), self._image, crisp=self._crisp)
        painter.end()

    @property
    def _crisp(self) -> bool:
        return max(self._image.width(), self._image.height()) <= 4 * SMALL

    def _target(self) -> QRectF:
        ratio, image = self.devicePixelRatioF(), self._image
        room = min(
            (self.width() - 2 * SPACE_M) * ratio / image.width(),
            (self.height() - 2 * SPACE_M) * ratio / image.height(),
        )
        scale = float(int(room)) if self._crisp and room >= 1 else room
        width, height = image.width() * scale / ratio, image.height() * scale / ratio
        return QRectF(round((self.width() - width) / 2), round((self.height() - height) / 2), width, height)
