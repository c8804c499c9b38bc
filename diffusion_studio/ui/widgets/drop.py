"""Files and images dropped on a widget: one behaviour, and each widget says what it can use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QMimeData, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QDropEvent, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.look.theme import RADIUS_LARGE, SPACE_XL, TYPE_LARGE, tokens

LABEL = 40  # pixels the label of a veil is high


class FileDrop(QObject):
    """Takes what is dropped on `target` if `accept` can use it; everything else is left to the widgets behind it.

    `accept` returns what will be dropped, or None. With `own` unset, drags that began in this application are left alone.
    """

    hovered = Signal(bool)  # something usable is held over the target, or no longer
    dropped = Signal(object)  # what `accept` returned

    def __init__(self, target: QWidget, accept: Callable[[QMimeData], object], *, own: bool = True) -> None:
        super().__init__(target)
        self._target, self._accept, self._own = target, accept, own
        self.held: Any = None  # what is held over the target, as `accept` returned it
        target.setAcceptDrops(True)
        target.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.DragLeave:
            self.hovered.emit(False)
        if kind not in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop):
            return False
        if not isinstance(event, QDropEvent) or event.source() is self._target:
            return False
        if event.source() is not None and not self._own:
            return False
        given = self._accept(event.mimeData())
        if given is None:
            return False
        self.held = given
        event.acceptProposedAction()
        self.hovered.emit(kind != QEvent.Type.Drop)
        if kind == QEvent.Type.Drop:
            self.dropped.emit(given)
        return True


class DropPage(Page):
    """A page onto which a folder of training images can be dropped."""

    folder_dropped = Signal(object)  # Path
    folder_hovers = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        drop = FileDrop(self, lambda data: None if self.working else dropped_folder(data))
        drop.hovered.connect(self.folder_hovers)
        drop.dropped.connect(self.folder_dropped)

    def refuse_drop(self, paths: Sequence[Path]) -> str:
        if self.working:
            return tr("A training is running. Stop it before choosing another folder.")
        if len(paths) > 1:
            return tr(
                "{count} items were dropped. Put the images into one folder, and drop that folder here.",
                count=len(paths),
            )
        return super().refuse_drop(paths)


def dropped_path(data: QMimeData) -> Path | None:
    """The one file or folder of this computer that is being dropped."""
    urls = data.urls()
    return Path(urls[0].toLocalFile()) if len(urls) == 1 and urls[0].isLocalFile() else None


def dropped_folder(data: QMimeData) -> Path | None:
    path = dropped_path(data)
    return path if path is not None and path.is_dir() else None


class DropVeil(QWidget):
    """While something is held over an area: a line around it, and what dropping does at its foot. It covers nothing."""

    def __init__(self, area: QWidget, words: str) -> None:
        super().__init__(area)
        self._area, self._words = area, words
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName(words)
        self.hide()

    def cover(self, words: str = "") -> None:
        """`words`: what dropping does here, where it is something else than usual."""
        self._words = words or self._words
        self.setAccessibleName(self._words)
        self.setGeometry(self._area.rect())
        self.raise_()
        self.show()

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(t.ring), 3))
        frame = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        painter.drawRoundedRect(frame, RADIUS_LARGE, RADIUS_LARGE)
        font = QFont(self.font())
        font.setPixelSize(TYPE_LARGE)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        wide = painter.fontMetrics().horizontalAdvance(self._words) + 2 * SPACE_XL
        label = QRectF((self.width() - wide) / 2, self.height() - LABEL - SPACE_XL, wide, LABEL)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(t.accent))
        painter.drawRoundedRect(label, RADIUS_LARGE, RADIUS_LARGE)
        painter.setPen(QColor(t.accent_text))
        painter.drawText(label, Qt.AlignmentFlag.AlignCenter, self._words)
        painter.end()
