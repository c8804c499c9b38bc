"""The installed models as a list to show: searched, sorted, and painted as rows or as tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from PySide6.QtGui import QColor, QFont, QPainter, QPixmap
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.texts import one_line, tooltip
from diffusion_studio.ui.look.theme import SPACE_S, TYPE, TYPE_SMALL, tokens
from diffusion_studio.ui.models.jobs import ModelRow
from diffusion_studio.ui.models.thumbnails import describe, row_of_card, thumbnail
from diffusion_studio.ui.widgets.painted_rows import LINE, PaintedRow, PaintedRows, paint_state

ROW = Qt.ItemDataRole.UserRole + 1
SIDE = 48  # of a row's picture
PAD = SPACE_S  # between a tile's edge and its picture
Index = QModelIndex | QPersistentModelIndex

SORTS = {
    "name": tr("Name"),
    "newest": tr("Newest first"),
    "size": tr("Image size"),
    "disk": tr("Size on disk"),
}
_KEYS: dict[str, Callable[[ModelRow], Any]] = {
    "name": lambda row: (row.card.starter, row.card.title.casefold()),
    "newest": lambda row: -row.changed,
    "size": lambda row: (-row.card.size, row.card.title.casefold()),
    "disk": lambda row: -row.disk,
}


class ModelRows(QAbstractListModel):
    """Those of the installed models that match the search, in the order that was chosen."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.installed: tuple[ModelRow, ...] = ()
        self.rows: tuple[ModelRow, ...] = ()
        self._search, self._sort = "", "name"

    def show_rows(self, rows: Sequence[ModelRow]) -> None:
        self.installed = tuple(rows)
        self._arrange()

    def search(self, text: str) -> None:
        self._search = text
        self._arrange()

    def sort_by(self, name: str) -> None:
        """One of `SORTS`."""
        self._sort = name
        self._arrange()

    def _arrange(self) -> None:
        words = self._search.casefold().split()
        found = [row for row in self.installed if all(word in searched(row) for word in words)]
        self.beginResetModel()
        self.rows = tuple(sorted(found, key=_KEYS[self._sort]))
        self.endResetModel()

    def row_of(self, name: str) -> int | None:
        """The place of the model of this name; None where it is not shown."""
        return next((k for k, row in enumerate(self.rows) if row.card.name == name), None)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        words = one_line(", ".join(filter(None, (row.card.title, describe(row.card), badge(row)))))
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.DisplayRole):
            return words
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(words)
        return row if role == ROW else None


def searched(row: ModelRow) -> str:
    """The text a search looks through, without regard to case."""
    card = row.card
    parts = (card.title, card.name, card.description, card.licence, row.origin, *card.classes)
    return " ".join((*parts, card.pixels("x"))).casefold()


def badge(row: ModelRow) -> str:
    return tr("Default") if row.default else tr("Starter") if row.card.starter else ""


def as_rows(view: QWidget) -> PaintedRows:
    """Paints models one under the other."""

    def row_of(index: Index) -> PaintedRow | None:
        row = index.data(ROW)
        if row is None:
            return None
        picture = thumbnail(row.sheet, row.card.sides, SIDE, view.devicePixelRatioF())
        return row_of_card(row.card, picture, badge(row), strong=row.default)

    return PaintedRows(view, row_of, side=SIDE)


class ModelTiles(QStyledItemDelegate):
    """Paints models as tiles: a large picture, the title and a line of facts under it."""

    def __init__(self, view: QWidget) -> None:
        super().__init__(view)
        self._view = view
        self.side = 128  # of a tile, its edges included
        self._pictures: dict[tuple[int, int, float], QPixmap] = {}

    def forget(self) -> None:
        """The pictures: of other models, or painted for another theme."""
        self._pictures.clear()

    @property
    def size(self) -> QSize:
        return QSize(self.side, self.side + 2 * LINE + PAD)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return self.size

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: ModelRow = index.data(ROW)
        t, area = tokens(), QRect(option.rect).adjusted(2, 2, -2, -2)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_state(painter, QRectF(area), option.state)
        inner = area.adjusted(PAD, PAD, -PAD, -PAD)
        painter.drawPixmap(inner.topLeft(), self._picture(row, inner.width()))
        font, top = QFont(option.font), inner.top() + inner.width() + SPACE_S // 2
        shade = t.accent if row.default else t.muted
        for text, size, weight, colour in (
            (row.card.title, TYPE, QFont.Weight.DemiBold, t.text),
            (
                " · ".join(filter(None, (badge(row), tr("{pixels} px", pixels=row.card.pixels(" × "))))),
                TYPE_SMALL,
                QFont.Weight.Normal,
                shade,
            ),
        ):
            font.setPixelSize(size)
            font.setWeight(weight)
            painter.setFont(font)
            painter.setPen(QColor(colour))
            shown = painter.fontMetrics().elidedText(
                one_line(text), Qt.TextElideMode.ElideRight, inner.width()
            )
            painter.drawText(
                QRect(inner.left(), top, inner.width(), LINE), Qt.AlignmentFlag.AlignVCenter, shown
            )
            top += LINE
        painter.restore()

    def _picture(self, row: ModelRow, side: int) -> QPixmap:
        ratio = self._view.devicePixelRatioF()
        key = row.sheet.cacheKey(), side, ratio
        if key not in self._pictures:
            self._pictures[key] = thumbnail(row.sheet, row.card.sides, side, ratio)
        return self._pictures[key]
