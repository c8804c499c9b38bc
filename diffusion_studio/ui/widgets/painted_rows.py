"""Rows of a list that are painted rather than built of widgets: a picture, a title over a line of detail, a badge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from diffusion_studio.ui.look.texts import one_line
from diffusion_studio.ui.look.theme import RADIUS, SPACE_M, SPACE_S, TYPE, TYPE_SMALL, tokens

Index = QModelIndex | QPersistentModelIndex
LINE = 18  # height of a line of text


@dataclass(frozen=True, slots=True)
class PaintedRow:
    """What one row shows. Texts may be foreign: they are painted as they are, on one line each."""

    title: str
    detail: str = ""
    badge: str = ""  # a word at the right end of the title
    strong_badge: bool = False  # in the accent colour
    usable: bool = True  # else the title is muted
    elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight
    picture: QPixmap = field(default_factory=QPixmap)


class PaintedRows(QStyledItemDelegate):
    """Paints each row as `row_of(index)` describes it. `side`: of the picture in pixels; 0: there are none.

    `height`: of a row; None: what its picture and two lines of text need.
    """

    def __init__(
        self,
        view: QWidget,
        row_of: Callable[[Index], PaintedRow | None],
        *,
        side: int = 0,
        height: int | None = None,
    ) -> None:
        super().__init__(view)
        self._row_of, self._side, self._height = row_of, side, height or row_height(side)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, self._height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row = self._row_of(index)
        if row is None:
            return
        area: QRect = option.rect.adjusted(1, 1, -1, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_state(painter, QRectF(area), option.state)
        paint_row(painter, area.adjusted(SPACE_S, 0, -SPACE_S, 0), row, option.font, self._side)
        painter.restore()


def row_height(side: int) -> int:
    return max(side, 2 * LINE) + 2 * SPACE_S


def paint_state(painter: QPainter, area: QRectF, state: QStyle.StateFlag) -> None:
    """The ground of a row or tile that is under the pointer, selected, or has the focus."""
    t = tokens()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
        painter.setBrush(QColor(t.hover))
    if state & QStyle.StateFlag.State_Selected:
        painter.setPen(QPen(QColor(t.accent), 2))
        painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), RADIUS, RADIUS)
        return
    painter.drawRoundedRect(area, RADIUS, RADIUS)
    if state & QStyle.StateFlag.State_HasFocus:
        painter.setPen(QPen(QColor(t.accent), 1))
        painter.drawRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)


def paint_row(painter: QPainter, area: QRect, row: PaintedRow, given: QFont, side: int) -> None:
    """A picture of `side` pixels, the title with its badge, and the detail under it."""
    t, font = tokens(), QFont(given)
    if side:
        painter.drawPixmap(QRect(area.left(), area.center().y() - side // 2 + 1, side, side), row.picture)
        area = area.adjusted(side + SPACE_M, 0, 0, 0)
    middle = area.center().y() + 1
    room = area.width()
    if row.badge:
        font.setPixelSize(TYPE_SMALL)
        painter.setFont(font)
        painter.setPen(QColor(t.accent if row.strong_badge else t.muted))
        width = painter.fontMetrics().horizontalAdvance(row.badge)
        place = QRect(area.right() - width, middle - LINE, width + 1, LINE)
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, row.badge)
        room -= width + SPACE_S
    top = middle - (LINE if row.detail else LINE // 2)
    for text, y, size, weight, shade, width in (
        (row.title, top, TYPE, QFont.Weight.DemiBold, t.text if row.usable else t.muted, room),
        (row.detail, middle + 1, TYPE_SMALL, QFont.Weight.Normal, t.muted, area.width()),
    ):
        font.setPixelSize(size)
        font.setWeight(weight)
        painter.setFont(font)
        painter.setPen(QColor(shade))
        shown = painter.fontMetrics().elidedText(one_line(text), row.elide, width)
        painter.drawText(QRect(area.left(), y, width, LINE), Qt.AlignmentFlag.AlignVCenter, shown)
