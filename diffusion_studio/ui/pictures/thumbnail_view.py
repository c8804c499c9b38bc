"""A grid of thumbnails to select from: of the latest images, of the images of a training folder."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from diffusion_studio.ui.look.theme import RADIUS, SPACE_S, tokens
from diffusion_studio.ui.pictures.cells import paint_fitted, paint_outline, paint_ring

SIDE, WIDE = (
    64,
    96,
)  # 32-pixel images at twice their size; on a wide screen where there are many at three times
CELL = SIDE + SPACE_S


def thumbnail_view(parent: QWidget, name: str, explanation: str, side: int = SIDE) -> QListView:
    """A scrolling grid of thumbnails, of which one can be selected; `side`: of each, in pixels."""
    view = QListView(parent)
    view.setAccessibleName(name)
    view.setToolTip(explanation)
    view.setViewMode(QListView.ViewMode.IconMode)
    view.setMovement(QListView.Movement.Static)
    view.setResizeMode(QListView.ResizeMode.Adjust)
    view.setUniformItemSizes(True)
    view.setGridSize(QSize(side + SPACE_S, side + SPACE_S))
    delegate = ThumbnailDelegate(view)
    delegate.side = side
    view.setItemDelegate(delegate)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    return view


class ThumbnailDelegate(QStyledItemDelegate):
    """A thumbnail in the middle of its cell."""

    side = SIDE  # pixels

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(self.side + SPACE_S, self.side + SPACE_S)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        rect: QRect = option.rect
        state = option.state
        t, pixmap = tokens(), index.data(Qt.ItemDataRole.DecorationRole)
        place = QRect(0, 0, self.side, self.side)
        place.moveCenter(rect.center())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if isinstance(pixmap, QPixmap) and not pixmap.isNull():
            paint_fitted(painter, place, pixmap)
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(t.hover))
            painter.drawRoundedRect(place, RADIUS, RADIUS)
        if state & QStyle.StateFlag.State_Selected:
            paint_ring(painter, place, on_ground=False)
        elif state & QStyle.StateFlag.State_MouseOver:
            paint_outline(painter, place)
        painter.restore()
