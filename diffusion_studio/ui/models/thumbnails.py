"""A model in small: the first image of its samples, and a line of facts."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPixmap

from diffusion_studio.language import plural, tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.theme import RADIUS, tokens
from diffusion_studio.ui.pictures.cells import paint_part
from diffusion_studio.ui.widgets.painted_rows import PaintedRow

SIGN = 22  # pixels of the icon where a model has no samples


def row_of_card(card: ModelCard, picture: QPixmap, badge: str = "", *, strong: bool = False) -> PaintedRow:
    """A model as a row of a list."""
    return PaintedRow(card.title, describe(card), badge, strong_badge=strong, picture=picture)


def describe(card: ModelCard) -> str:
    """“32 × 32 px · 5 classes · 6.5 M”."""
    facts = [tr("{pixels} px", pixels=card.pixels(" × "))]
    if card.class_count:
        facts.append(plural("{count} class", "{count} classes", len(card.classes)))
    if card.parameters:
        facts.append(tr("{millions:.1f} M", millions=card.parameters / 1e6))
    return " · ".join(facts)


def thumbnail(sheet: QImage, sides: tuple[int, int], side: int, ratio: float) -> QPixmap:
    """The first image of a sheet of samples of this height and width, in a rounded square of `side` logical pixels.

    Small images are enlarged with crisp pixels. An icon takes the place of a sheet that is null.
    """
    result = QPixmap(round(side * ratio), round(side * ratio))
    result.setDevicePixelRatio(ratio)
    result.fill(Qt.GlobalColor.transparent)
    whole, outline = QRect(0, 0, side, side), QPainterPath()
    outline.addRoundedRect(whole, RADIUS, RADIUS)
    painter = QPainter(result)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setClipPath(outline)
    painter.fillRect(whole, QColor(tokens().border))
    if sheet.isNull():
        sign = QRect(0, 0, SIGN, SIGN)
        sign.moveCenter(whole.center())
        icon("models", tokens().muted, size=SIGN).paint(painter, sign)
    else:
        source = first_sample(sheet, sides)
        size = QSizeF(source.size()).scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio)
        place = QRectF(QPointF((side - size.width()) / 2, (side - size.height()) / 2), size)
        paint_part(painter, place, sheet, source)
    painter.end()
    return result


def first_sample(sheet: QImage, sides: tuple[int, int]) -> QRect:
    """Where the first image of a sheet of images of this height and width lies."""
    return QRect(0, 0, min(sides[1], sheet.width()), min(sides[0], sheet.height()))
