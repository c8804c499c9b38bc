"""The files that cannot be used for training, each with the reason, in a list that scrolls by itself."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.texts import first_upper, one_line, tooltip
from diffusion_studio.ui.look.theme import SPACE_XS
from diffusion_studio.ui.widgets.painted_rows import Index, PaintedRow, PaintedRows

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
        self.setItemDelegate(PaintedRows(self, _row_at, height=HEIGHT))
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


def _row_at(index: Index) -> PaintedRow:
    """The name over the reason."""
    reason = first_upper(str(index.data(REASON)))
    return PaintedRow(str(index.data()), reason, elide=Qt.TextElideMode.ElideMiddle)
