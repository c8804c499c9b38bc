"""The bar that floats over the grid while images are selected, and the area it floats in."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.gallery.actions import GalleryActions
from diffusion_studio.ui.gallery.albums import AlbumMenu
from diffusion_studio.ui.gallery.grid import GalleryGrid
from diffusion_studio.ui.gallery.scrubber import DateScrubber
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_XL, SPACE_XS
from diffusion_studio.ui.pictures.ground_button import GroundButton

ROOMY = 760  # pixels of the grid from which on the buttons say their names


class SelectionBar(QFrame):
    clear_wanted = Signal()
    tag_wanted = Signal()

    def __init__(self, actions: GalleryActions, albums: AlbumMenu, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("onGround")
        self.setAccessibleName(tr("Selection"))
        self.words = plain_label("")
        star, delete, compare = (
            _of_action(*pair)
            for pair in (("star", actions.star), ("trash", actions.delete), ("compare", actions.compare))
        )
        self.tag = GroundButton("tag", tr("Tag"), tr("add or remove tags"))
        self.tag.clicked.connect(self.tag_wanted)
        album = GroundButton("album", albums.title(), tr("add to an album, or remove from it"))
        album.open_menu(albums)
        export = GroundButton("export", actions.export_menu.title(), tr("as files, a ZIP or one sheet"))
        export.open_menu(actions.export_menu)
        self.clear = GroundButton("close", tr("Select nothing"), tr("close this bar (Esc)"))
        self.clear.clicked.connect(self.clear_wanted)
        self.compare = compare
        self.buttons = [star, self.tag, album, compare, export, delete, self.clear]
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_XS, SPACE_XS, SPACE_XS, SPACE_XS)
        row.setSpacing(2)
        row.addWidget(self.words)
        for button in self.buttons:
            row.addWidget(button)
        self.hide()

    def show_names(self, shown: bool) -> None:
        """Beside the icons, or the icons alone."""
        for button in self.buttons:
            button.show_name(shown and button is not self.clear)

    def show_count(self, count: int) -> None:
        self.words.setText(tr("{count:,} selected", count=count))
        self.compare.setVisible(count == 2)
        self.setVisible(count > 0)


class GridArea(QWidget):
    """The grid, the dates beside it, and the bar over it."""

    def __init__(self, grid: GalleryGrid, scrubber: DateScrubber, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("gridArea")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
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
        """Put the bar at the upper edge, beside the heading: messages of the window come at the lower one."""
        bar = self._bar
        if bar is None:
            return
        bar.show_names(self._grid.width() >= ROOMY)
        bar.adjustSize()
        end = max(self._grid.width() - bar.width() - SPACE_XL, 0)
        bar.move(SPACE_XL if self.layoutDirection() == Qt.LayoutDirection.RightToLeft else end, SPACE_XS)
        bar.raise_()
        self._grid.cover_head(QRect() if bar.isHidden() else bar.geometry())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.place()


def _of_action(icon_name: str, action: QAction) -> GroundButton:
    button = GroundButton(icon_name, action.text(), action.statusTip())
    button.setToolTip(action.toolTip())
    button.follow(action)
    return button
