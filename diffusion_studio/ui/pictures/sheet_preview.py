"""A sheet of sprites with the lines it would be cut along."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def with_grid(sheet: QImage, grid: Mapping[str, Any], room: QSize, ratio: float = 1.0) -> QImage:
    """The sheet as large as fits into `room` (logical pixels), whole times where it is enlarged, with lines over it.

    `grid`: what a report says of a `SheetGrid`.
    """
    most = QSize(round(room.width() * ratio), round(room.height() * ratio))
    times = min(most.width() // sheet.width(), most.height() // sheet.height(), LARGEST_WHOLE)
    size = sheet.size() * times if times else sheet.size().scaled(most, Qt.AspectRatioMode.KeepAspectRatio)
    image = QImage(size.expandedTo(QSize(1, 1)), QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    paint_image(painter, QRectF(image.rect()), sheet, crisp=bool(times), scale=ratio)
    scale = image.width() / sheet.width()
    if min(grid["width"], grid["height"]) * scale >= NARROWEST * ratio:
        lines = [
            *((x * scale, 0.0, x * scale, float(image.height())) for x in _lines(grid, "width", "columns")),
            *((0.0, y * scale, float(image.width()), y * scale) for y in _lines(grid, "height", "rows")),
        ]
        for colour, thickness in ((tokens().ground, 3.0), (tokens().ring, 1.0)):
            painter.setPen(QPen(QColor(colour), thickness * ratio))
            for x0, y0, x1, y1 in lines:
                painter.drawLine(round(x0), round(y0), round(x1), round(y1))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image


def _lines(grid: Mapping[str, Any], side: str, count: str) -> list[float]:
    """Where cells meet along one axis, in the middle of what is between them; with a margin, where the outer ones end too."""
    margin, spacing = grid.get("margin", 0), grid.get("spacing", 0)
    step = grid[side] + spacing
    inner = [margin + place * step - spacing / 2 for place in range(1, grid[count])]
    return [float(margin), *inner, margin + grid[count] * step - spacing] if margin else inner
