"""A picture asked for in a dialog, or dropped on a canvas: as a file, or as pixels from another program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QMimeData, QObject, Signal
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.file_dialogs import open_file

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.ui.pictures.canvas import Canvas

ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
FILTERS = (f"Images ({' '.join(f'*{ending}' for ending in ENDINGS)})", "All files (*)")


class PictureDrop(QObject):
    hovered = Signal(bool)

    def __init__(self, canvas: Canvas, take: Callable[[Any], None]) -> None:
        super().__init__(canvas)
        self._canvas, self._take = canvas, take
        canvas.setAcceptDrops(True)
        canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.DragLeave:
            self.hovered.emit(False)
        if kind not in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop):
            return False
        if not isinstance(event, QDropEvent) or event.source() is self._canvas:
            return False
        given = dropped_picture(event.mimeData())
        if given is None:
            return False
        event.acceptProposedAction()
        self.hovered.emit(kind != QEvent.Type.Drop)
        if kind == QEvent.Type.Drop:
            self._take(given if isinstance(given, Path) else to_array(given))
        return True


def dropped_picture(data: QMimeData) -> Path | QImage | None:
    """The one file that is being dropped, or the pixels where there is none."""
    urls = data.urls()
    if len(urls) == 1 and urls[0].isLocalFile():
        path = Path(urls[0].toLocalFile())
        return path if path.is_file() else None
    image = data.imageData() if data.hasImage() else None
    return image if isinstance(image, QImage) and not image.isNull() else None


def to_array(image: QImage) -> np.ndarray:
    """(H, W, 3) uint8, over white where it is transparent."""
    import numpy as np

    shown = image.convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(shown.constBits(), np.uint8).reshape(shown.height(), shown.bytesPerLine())
    pixels = rows[:, : 4 * shown.width()].reshape(shown.height(), shown.width(), 4).astype(np.uint16)
    alpha = pixels[..., 3:]
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def ask_picture(parent: QWidget) -> Path | None:
    return open_file(parent, tr("Start from an image"), FILTERS)
