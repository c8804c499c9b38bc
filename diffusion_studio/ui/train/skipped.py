"""The files that cannot be used for training, each with the reason, in a list that scrolls by itself."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.ui.look.texts import first_upper, one_line, tooltip
from diffusion_studio.ui.look.theme import SPACE_S, SPACE_XS, TYPE, TYPE_SMALL, tokens

REASON = Qt.ItemDataRole.UserRole + 1
HEIGHT, MOST_SHOWN = 42, 5  # pixels of a file, and files before the list scrolls
MOST_ROWS = 500


class SkippedList(QListWidget):
    """`skipped`: (name, reason)."""

    def __init__(self, skipped: Sequence[Sequence[str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("refused")
        self.setAccessibleName(tr("Skipped"))
        self.setToolTip(tr("Files that cannot be used, each with the reason"))
        self.setItemDelegate(_SkippedDelegate(self))
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        for name, reason in skipped[:MOST_ROWS]:
            item = QListWidgetItem(one_line(name))
            item.setData(REASON, one_line(reason))
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{name}: {reason}")
            item.setToolTip(tooltip(f"{name}: {reason}"))
            self.addItem(item)
        self.setFixedHeight(min(self.count(), MOST_SHOWN) * HEIGHT + SPACE_XS + 2 * self.frameWidth())

    def names(self) -> list[str]:
        return [self.item(row).text() for row in range(self.count())]

    def reasons(self) -> list[str]:
        return [self.item(row).data(REASON) for row in range(self.count())]


class _SkippedDelegate(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(120, HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        t, rect = tokens(), QRect(option.rect)
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, QColor(t.hover))
        area = rect.adjusted(SPACE_S, SPACE_XS, -SPACE_S, -SPACE_XS)
        half = area.height() // 2
        font = QFont(option.font)
        for top, size, colour, mode, text in (
            (0, TYPE, t.text, Qt.TextElideMode.ElideMiddle, index.data()),
            (half, TYPE_SMALL, t.muted, Qt.TextElideMode.ElideRight, first_upper(index.data(REASON))),
        ):
            font.setPixelSize(size)
            painter.setFont(font)
            painter.setPen(QColor(colour))
            shown = painter.fontMetrics().elidedText(text, mode, area.width())
            line = QRect(area.left(), area.top() + top, area.width(), half)
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, shown)
        painter.restore()
