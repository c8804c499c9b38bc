"""An image opened from a dialog, or dropped on a canvas: as a file, or as pixels from another program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.file_dialogs import open_file
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.widgets.drop import FileDrop, dropped_path

if TYPE_CHECKING:
    import numpy as np

ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
FILTERS = (
    tr("Images ({endings})", endings=" ".join(f"*{ending}" for ending in ENDINGS)),
    tr("All files (*)"),
)


class PictureDrop(FileDrop):
    """An image dropped on a canvas is passed to `take`: its path, or its pixels as (H, W, 3 or 4) uint8."""

    def __init__(self, canvas: Canvas, take: Callable[[Path | np.ndarray], None]) -> None:
        super().__init__(canvas, dropped_picture)
        self.dropped.connect(lambda given: take(given if isinstance(given, Path) else to_array(given)))


def dropped_picture(data: QMimeData) -> Path | QImage | None:
    """The one file that is being dropped, or the pixels where there is none."""
    if len(data.urls()) == 1 and data.urls()[0].isLocalFile():
        path = dropped_path(data)
        return path if path is not None and path.is_file() else None
    image = data.imageData() if data.hasImage() else None
    return image if isinstance(image, QImage) and not image.isNull() else None


def to_array(image: QImage) -> np.ndarray:
    """(H, W, 3) uint8, or 4 where something shows through."""
    import numpy as np

    shown = image.convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(shown.constBits(), np.uint8).reshape(shown.height(), shown.bytesPerLine())
    pixels = rows[:, : 4 * shown.width()].reshape(shown.height(), shown.width(), 4)
    return pixels.copy() if pixels[..., 3].min() < 255 else pixels[..., :3].copy()


def ask_picture(parent: QWidget) -> Path | None:
    return open_file(parent, tr("Start from an image"), FILTERS)
