"""The forward process on one of the training images: how the selected schedule adds noise, from t = 0 to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QSlider, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import Picture, to_image
from diffusion_studio.ui.widgets.schedule_curve import CURVE_HEIGHT, ForwardCurve, noised

STAGE = 64  # pixels of a stage in the strip
POSITIONS = 1000  # of the slider
LOW = 420  # pixels of height below which there is no room for the explanation
SEED = 0


class NoiseCanvas(Canvas):
    """There are no buttons over it."""

    margin, room_for_bar = SPACE_M, 0


class NoiseView(QWidget):
    """The image at a timestep, large; below it the stages from clean to noise, the schedule's curve, and the slider of t."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.canvas = NoiseCanvas(self)
        self.canvas.setAccessibleName(tr("Noisy image"))
        self.stages = Stages(self)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # as the stages and the curve over it
        self.slider.setRange(0, POSITIONS)
        self.slider.setPageStep(POSITIONS // 10)
        self.slider.setValue(POSITIONS // 5)
        self.slider.setAccessibleName(tr("Timestep"))
        self.slider.setToolTip(tr("How much noise is added: from the clean image to pure noise."))
        self.words = plain_label("")
        self.explanation = plain_label(
            tr(
                "The network learns to remove noise at all of these stages. The schedule sets how quickly noise is added."
            ),
            "small",
        )
        self._clean: np.ndarray | None = None  # (H, W, 3) in [-1, 1]
        self._noise = np.zeros(0)
        self._process: Any = None
        self._left = np.ones(2)
        self._asked: tuple[str, int] = ("", 0)
        self.canvas.setMinimumSize(160, 72)
        self._lay_out()
        self.slider.valueChanged.connect(self._draw)
        self.stages.chosen.connect(lambda share: self.slider.setValue(round(share * POSITIONS)))
        self.canvas.show_message(tr("No image yet"), tr("Choose a folder to preview noising on its images."))

    def show_picture(self, pixels: np.ndarray) -> None:
        """(H, W, 3) uint8, as the network sees it."""
        from diffusion_studio.pictures.channels import on_white

        pixels = on_white(pixels)
        self._clean = pixels.astype(np.float64) / 127.5 - 1
        self._noise = np.random.default_rng(SEED).standard_normal(pixels.shape)
        self._draw_all()

    def show_schedule(self, name: str, timesteps: int) -> None:
        if (name, timesteps) == self._asked:
            return
        from diffusion_studio.diffusion.processes import PROCESSES

        self._asked = (name, timesteps)
        self._process = PROCESSES[name](timesteps)
        self._left = self._process.picture_share
        self._draw_all()

    @property
    def timestep(self) -> int:
        return round(self.slider.value() / POSITIONS * (len(self._left) - 1))

    def noised(self, timestep: int) -> np.ndarray:
        """The picture at a timestep, (H, W, 3) uint8."""
        assert self._clean is not None
        if self._process is None:  # no schedule is selected yet: the image as it is
            return ((self._clean + 1) * 127.5).round().astype(np.uint8)
        return noised(self._process, self._clean, self._noise, float(self._left[timestep]))

    def _draw_all(self) -> None:
        self.stages.show_stages(self._left, self.noised if self._clean is not None else None)
        self._draw()

    def _draw(self) -> None:
        timestep = self.timestep
        picture = float(self._left[timestep])
        timesteps = self._process.timesteps if self._process is not None else np.arange(2)
        self.stages.mark(self.slider.value() / POSITIONS)
        words = tr(
            "{noise:.0%} noise (step {t:.0f} of {last:.0f})",
            noise=1 - picture,
            t=timesteps[timestep],
            last=timesteps[-1],
        )
        self.words.setText(words)
        self.slider.setAccessibleDescription(words)
        if self._clean is not None:
            self.canvas.show_pictures([Picture({"denoised": self.noised(timestep)})])

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where there is little room, the image is worth more than the explanation."""
        super().resizeEvent(event)
        self.explanation.setVisible(self.height() >= LOW)

    def _lay_out(self) -> None:
        below = QVBoxLayout()
        below.setContentsMargins(SPACE_L, SPACE_M, SPACE_L, SPACE_M)
        below.setSpacing(SPACE_S)
        self.words.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.explanation.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.explanation.setWordWrap(True)
        for part in (self.words, self.stages, self.slider, self.explanation):
            below.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.canvas, 1)
        column.addLayout(below)


class Stages(ForwardCurve):
    """The stages in a row, and below them the curves of image and noise over the same axis of t. A click goes there."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMaximumHeight(self.sizeHint().height())
        self._images: list[QImage] = []
        self._noised: Callable[[int], np.ndarray] | None = None

    def sizeHint(self) -> QSize:
        return QSize(480, CURVE_HEIGHT + SPACE_S + STAGE)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, CURVE_HEIGHT + SPACE_S)  # without room for the images

    def show_stages(self, left: np.ndarray, noised: Callable[[int], np.ndarray] | None) -> None:
        """`noised` gives the picture at a timestep, (H, W, 3) uint8; None: there is no picture."""
        self._noised = noised
        self.show_schedule(left)
        self._make_images()

    def _make_images(self) -> None:
        """As many stages as there is room for."""
        count = max((self.width() + SPACE_S) // (STAGE + SPACE_S), 2)
        last = len(self._left) - 1
        noised = self._noised
        self._images = (
            [to_image(noised(round(k / (count - 1) * last))) for k in range(count)] if noised else []
        )
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_images()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_images(painter)
        self._paint_curves(painter)
        painter.end()

    def _paint_images(self, painter: QPainter) -> None:
        room = self.height() - CURVE_HEIGHT - SPACE_S
        if not self._images or room <= 0:
            return
        side = min(room, STAGE)
        step = (self.width() - side) / (len(self._images) - 1)
        enlarged = self._images[0].width() <= side * self.devicePixelRatioF()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not enlarged)
        for index, image in enumerate(self._images):
            painter.drawImage(QRectF(index * step, (room - side) / 2, side, side), image)
