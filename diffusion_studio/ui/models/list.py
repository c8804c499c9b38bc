"""The list of installed models: each with a picture it drew, its title, its size, and whether it is the default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QFont, QPainter, QPainterPath
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.texts import one_line
from diffusion_studio.ui.look.theme import RADIUS, SPACE_M, SPACE_S, TYPE, TYPE_SMALL, tokens
from diffusion_studio.ui.models.chooser import describe, first_sample
from diffusion_studio.ui.models.jobs import ModelRow

ROW = Qt.ItemDataRole.UserRole + 1
SIDE, SIGN = 48, 22
HEIGHT = SIDE + 2 * SPACE_S
Index = QModelIndex | QPersistentModelIndex


class ModelRows(QAbstractListModel):
    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[ModelRow, ...] = ()

    def show_rows(self, rows: Sequence[ModelRow]) -> None:
        self.beginResetModel()
        self.rows = tuple(rows)
        self.endResetModel()

    def row_of(self, name: str) -> int | None:
        """The place of the model of this name."""
        return next((k for k, row in enumerate(self.rows) if row.card.name == name), None)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.DisplayRole):
            return one_line(", ".join(filter(None, (row.card.title, describe(row.card), badge(row)))))
        return row if role == ROW else None


def badge(row: ModelRow) -> str:
    return "Default" if row.default else "Starter" if row.card.starter else ""


def make_list(rows: ModelRows, parent: QWidget) -> QListView:
    view = QListView(parent)
    view.setObjectName("models")
    view.setAccessibleName(tr("Models"))
    view.setToolTip(tr("The models on this computer; choose one to see what it is"))
    view.setModel(rows)
    view.setItemDelegate(_Delegate(view))
    view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setMouseTracking(True)
    return view


class _Delegate(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        t, row = tokens(), index.data(ROW)
        rect: QRect = option.rect
        state, area = option.state, rect.adjusted(0, 1, -1, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            painter.setBrush(QColor(t.hover))
            painter.drawRoundedRect(area, RADIUS, RADIUS)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(QColor(t.accent))
            painter.drawRoundedRect(QRectF(area.left(), area.top() + 12, 3, area.height() - 24), 1.5, 1.5)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QColor(t.accent))
            painter.drawRoundedRect(QRectF(area).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        inner = area.adjusted(SPACE_S + 4, 0, -SPACE_S, 0)
        place = QRect(inner.left(), inner.center().y() - SIDE // 2 + 1, SIDE, SIDE)
        self._paint_thumbnail(painter, place, row)
        self._paint_words(painter, inner.adjusted(SIDE + SPACE_M, 0, 0, 0), row, option.font)
        painter.restore()

    def _paint_thumbnail(self, painter: QPainter, place: QRect, row: ModelRow) -> None:
        outline = QPainterPath()
        outline.addRoundedRect(place, RADIUS, RADIUS)
        painter.save()
        painter.setClipPath(outline)
        painter.fillRect(place, QColor(tokens().border))
        if row.sheet.isNull():
            sign = QRect(0, 0, SIGN, SIGN)
            sign.moveCenter(place.center())
            icon("models", tokens().muted, size=SIGN).paint(painter, sign)
        else:
            source = first_sample(row.sheet, row.card.size)
            shrunk = source.width() > SIDE * painter.device().devicePixelRatio()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, shrunk)
            painter.drawImage(place, row.sheet, source)
        painter.restore()

    def _paint_words(self, painter: QPainter, area: QRect, row: ModelRow, given: QFont) -> None:
        t, word, font = tokens(), badge(row), QFont(given)
        font.setPixelSize(TYPE_SMALL - 1)
        painter.setFont(font)
        painter.setPen(QColor(t.accent if row.default else t.muted))
        width = painter.fontMetrics().horizontalAdvance(word)
        painter.drawText(
            area.adjusted(0, 12, 0, -34), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, word
        )
        for text, top, size, weight, shade, room in (
            (
                row.card.title,
                -19,
                TYPE,
                QFont.Weight.DemiBold,
                t.text,
                area.width() - width - (SPACE_S if word else 0),
            ),
            (describe(row.card), 1, TYPE_SMALL, QFont.Weight.Normal, t.muted, area.width()),
        ):
            font.setPixelSize(size)
            font.setWeight(weight)
            painter.setFont(font)
            painter.setPen(QColor(shade))
            line = QRect(area.left(), area.center().y() + top, room, 18)
            shown = painter.fontMetrics().elidedText(one_line(text), Qt.TextElideMode.ElideRight, room)
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, shown)
