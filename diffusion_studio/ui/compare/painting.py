"""How a comparison is painted: a cell in each of its states, and the labels of columns and rows."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter

from diffusion_studio.language import tr
from diffusion_studio.settings.axes import Axis, value_label
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.compare.layout import EDGE, GAP, LABEL, Layout
from diffusion_studio.ui.look.texts import one_line
from diffusion_studio.ui.look.theme import SPACE_S, TYPE_SMALL, tokens
from diffusion_studio.ui.pictures.cells import paint_image, paint_outline, paint_ring
from diffusion_studio.ui.pictures.picture import Picture

WAITING, FORMING, DONE, FAILED = range(4)
WIDEST = 150  # of the labels beside the rows
BAR, BADGE = 4, 20
CENTRE, RIGHT = Qt.AlignmentFlag.AlignCenter, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(slots=True)
class Cell:
    """One pair of values, and what has become of it."""

    settings: GenerationSettings
    title: str  # “Sampler DPM++ 2M · Steps 10”
    applied: str  # “DPM++ 2M, 10 steps”
    state: int = WAITING
    picture: Picture | None = None
    progress: float = 0.0
    reason: str = ""

    @property
    def words(self) -> str:
        state = {WAITING: tr("Waiting"), FORMING: tr("Generating"), DONE: "", FAILED: self.reason}[self.state]
        return "\n".join(filter(None, (self.title, state)))


def paint_cell(
    painter: QPainter,
    cell: Cell,
    area: QRectF,
    *,
    crisp: bool,
    label: str | None,
    selected: bool,
    hovered: bool,
    letter: str,
) -> None:
    """`label`: what is over it, where it has one of its own; `letter`: which of two selected ones it is."""
    t = tokens()
    if cell.picture is not None:
        paint_image(painter, area, cell.picture.image(), crisp=crisp)
    else:
        painter.fillRect(area, QColor(t.ground_raised))
    if cell.state == FAILED:
        _paint_reason(painter, area, cell.reason)
    if cell.state == FORMING:
        bar = QRectF(area.left(), area.bottom() - BAR, area.width(), BAR)
        painter.fillRect(bar, QColor(t.ground))
        bar.setWidth(area.width() * min(max(cell.progress, 0.0), 1.0))
        painter.fillRect(bar, QColor(t.accent))
    if label is not None:
        over = QRectF(area.left(), area.top() - LABEL, area.width(), LABEL)
        write(painter, over, label, CENTRE, t.ground_text)
    if selected:
        paint_ring(painter, area, radius=0)
    elif hovered:
        paint_outline(painter, area, radius=0)
    if letter:
        badge = QRectF(area.left(), area.top(), BADGE, BADGE)
        painter.fillRect(badge, QColor(t.accent))
        write(painter, badge, letter, CENTRE, t.accent_text)


def _paint_reason(painter: QPainter, area: QRectF, reason: str) -> None:
    inner = area.adjusted(SPACE_S, SPACE_S, -SPACE_S, -SPACE_S)
    painter.save()
    painter.setClipRect(inner)
    painter.setFont(_font(painter))
    painter.setPen(QColor(tokens().ground_muted))
    painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap, reason)
    painter.restore()


def paint_headers(
    painter: QPainter, laid: Layout, columns: Axis, rows: Axis, covered: tuple[bool, bool]
) -> None:
    """Labels of columns and rows, over what scrolls under them; `covered`: whether it does, sideways and vertically."""
    t, (width, height), (right, bottom) = tokens(), laid.cell, laid.header
    if covered[1]:
        painter.fillRect(QRectF(0, 0, laid.room[0], bottom), QColor(t.ground))
    if covered[0]:
        painter.fillRect(QRectF(0, 0, right, laid.room[1]), QColor(t.ground))
        painter.save()
        painter.setClipRect(QRectF(right, 0, laid.room[0], laid.room[1]))
    for column, value in enumerate(columns.values):
        place = QRectF(laid.rect((column, 0))[0], bottom - LABEL, width, LABEL)
        write(painter, place, value_label(columns.setting, value), CENTRE, t.ground_text)
    if covered[0]:
        painter.restore()
    first = max(right - WIDEST - SPACE_S, 4)
    for row, value in enumerate(rows.values):
        top = laid.rect((0, row))[1]
        if top + height / 2 > bottom:
            place = QRectF(first, top, right - SPACE_S - first, height)
            write(painter, place, value_label(rows.setting, value), RIGHT, t.ground_text)
    wide = min(laid.columns * (width + GAP) - GAP, laid.room[0] - right - EDGE)
    write(painter, QRectF(right + 2, bottom - 2 * LABEL, wide, LABEL), columns.label, CENTRE, t.ground_muted)
    corner = QRectF(first, bottom - LABEL, right - SPACE_S - first, LABEL)
    write(painter, corner, rows.label, RIGHT, t.ground_muted)


def write(painter: QPainter, area: QRectF, text: str, align: Qt.AlignmentFlag, colour: str) -> None:
    """One small line that ends in an ellipsis where there is no room."""
    painter.setFont(_font(painter))
    painter.setPen(QColor(colour))
    shown = painter.fontMetrics().elidedText(one_line(text), Qt.TextElideMode.ElideRight, int(area.width()))
    painter.drawText(area, align, shown)


def _font(painter: QPainter) -> QFont:
    font = QFont(painter.font())
    font.setPixelSize(TYPE_SMALL)
    return font
