"""The bar that floats over the grid while images are selected, and the area it floats in."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QToolButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.gallery.actions import GalleryActions
from diffusion_studio.ui.gallery.albums import AlbumMenu
from diffusion_studio.ui.gallery.grid import GalleryGrid
from diffusion_studio.ui.gallery.scrubber import DateScrubber
from diffusion_studio.ui.look.buttons import ground_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_XS


class SelectionBar(QFrame):
    clear_wanted = Signal()
    tag_wanted = Signal()

    def __init__(self, actions: GalleryActions, albums: AlbumMenu, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("onGround")
        self.setAccessibleName(tr("Selection"))
        self.words = plain_label("")
        self.tag = ground_button(tr("Tag"), tr("Add or remove tags"))
        self.tag.clicked.connect(self.tag_wanted)
        self.clear = ground_button("✕", tr("Select nothing (Esc)"))
        self.clear.setAccessibleName(tr("Select nothing"))
        self.clear.clicked.connect(self.clear_wanted)
        self.compare = _of_action(actions.compare)
        self.buttons = [
            _of_action(actions.star),
            self.tag,
            _of_menu(albums, tr("Add to an album or remove from it")),
            self.compare,
            _of_menu(actions.export_menu, tr("Export as files, a ZIP or one sheet")),
            _of_action(actions.delete),
            self.clear,
        ]
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_XS, SPACE_XS, SPACE_XS, SPACE_XS)
        row.setSpacing(2)
        row.addWidget(self.words)
        for button in self.buttons:
            row.addWidget(button)
        self.hide()

    def show_count(self, count: int) -> None:
        self.words.setText(tr("{count:,} selected", count=count))
        self.compare.setVisible(count == 2)
        self.setVisible(count > 0)


class GridArea(QWidget):
    """The grid, the dates beside it, and the bar over it."""

    def __init__(self, grid: GalleryGrid, scrubber: DateScrubber, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = grid
        self._bar: SelectionBar | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(grid, 1)
        row.addWidget(scrubber)
        scrubber.hide()

    def float_bar(self, bar: SelectionBar) -> None:
        self._bar = bar
        self.place()

    def place(self) -> None:
        """Put the bar in the middle of the upper edge, beside the heading: messages of the window come at the lower one."""
        bar = self._bar
        if bar is None:
            return
        bar.adjustSize()
        bar.move(max((self._grid.width() - bar.width()) // 2, 0), SPACE_XS)
        bar.raise_()
        self._grid.cover_head(0 if bar.isHidden() else bar.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.place()


def _of_action(action: QAction) -> QToolButton:
    button = ground_button(action.text(), action.statusTip())
    button.setDefaultAction(action)
    button.setAccessibleName(action.text())
    action.changed.connect(lambda: button.setAccessibleName(action.text()))
    return button


def _of_menu(menu: QMenu, explanation: str) -> QToolButton:
    button = ground_button(menu.title(), explanation)
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return button
