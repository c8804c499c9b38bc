"""A sheet of sprites with the lines it would be cut along."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from diffusion_studio.errors import UserError
from diffusion_studio.ui.look.theme import tokens
from diffusion_studio.ui.pictures.cells import paint_image
from diffusion_studio.ui.pictures.picture import to_image

LARGEST_WHOLE = 8  # times that a small sheet is enlarged at most
NARROWEST = 4  # pixels between two lines; nearer ones would hide the sheet


@dataclass(frozen=True, slots=True, eq=False)
class SheetImage:
    """The pixels of the first sheet of a folder; null where it cannot be read."""

    image: QImage


def load_sheet(path: Path) -> Generator[SheetImage, None, None]:
    """A job: read a sheet."""
    from diffusion_studio.pictures.pixel_art.sprite_sheet import read_sheet

    try:
        yield SheetImage(to_image(read_sheet(path)))
    except UserError:
        yield SheetImage(QImage())


def with_grid(sheet: QImage, columns: int, rows: int, room: QSize, ratio: float = 1.0) -> QImage:
    """The sheet as large as fits into `room` (logical pixels), whole times where it is enlarged, with lines over it."""
    most = QSize(round(room.width() * ratio), round(room.height() * ratio))
    times = min(most.width() // sheet.width(), most.height() // sheet.height(), LARGEST_WHOLE)
    size = sheet.size() * times if times else sheet.size().scaled(most, Qt.AspectRatioMode.KeepAspectRatio)
    image = QImage(size.expandedTo(QSize(1, 1)), QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    paint_image(painter, QRectF(image.rect()), sheet, crisp=bool(times), scale=ratio)
    width, height = image.width() / columns, image.height() / rows
    if min(width, height) >= NARROWEST * ratio:
        lines = [
            *((x * width, 0.0, x * width, float(image.height())) for x in range(1, columns)),
            *((0.0, y * height, float(image.width()), y * height) for y in range(1, rows)),
        ]
        for colour, thickness in ((tokens().ground, 3.0), (tokens().ring, 1.0)):
            painter.setPen(QPen(QColor(colour), thickness * ratio))
            for x0, y0, x1, y1 in lines:
                painter.drawLine(round(x0), round(y0), round(x1), round(y1))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image
