"""The panel of installed models: search, order, a list or a grid, and the tile that brings another one in."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.settings.options import Option
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import PANEL_WIDTH, SCROLL_WIDTH, SPACE_L, SPACE_M, SPACE_S
from diffusion_studio.ui.models.damaged import DamagedModels
from diffusion_studio.ui.models.drop import ImportTile
from diffusion_studio.ui.models.jobs import ModelRow
from diffusion_studio.ui.models.rows import ROW, SORTS, ModelRows, ModelTiles, as_rows
from diffusion_studio.ui.widgets.fields import ChoiceField, name_field

LONGEST_LIST = 3  # models; more are shown as a grid, with search and order
TILE = 144  # least width of a tile
WIDE = (1600, 2200)  # of the window, from which the panel has room for one more column of tiles
SORT = Option(tr("Sort by"), tr("the order of the models"), choices=SORTS)


class ModelBrowser(QFrame):
    """Shows the models and remembers which one is selected, also while a search hides it."""

    selected = Signal()  # another model, or the same one described otherwise
    opened = Signal()  # the selected model was double-clicked, or Return was pressed
    import_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.rows = ModelRows(self)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search models"))
        self.search.setAccessibleName(tr("Search models"))
        self.search.setToolTip(tr("Title, class, licence or size"))
        self.search.setClearButtonEnabled(True)
        self.sort = ChoiceField(SORT)
        name_field(self.sort, SORT)
        self.view = _Models(self)
        self.view.setModel(self.rows)
        self.damaged = DamagedModels(self)
        self.tile = ImportTile()
        self._name = ""  # of the selected model
        self._nothing = plain_label(tr("No results"), "quiet")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._places = QStackedWidget()
        self._lay_out()
        self.search.textChanged.connect(self._search)
        self.sort.changed.connect(self._sort)
        self.view.selectionModel().currentChanged.connect(self._follow)
        self.view.activated.connect(lambda _: self.opened.emit())
        self.tile.clicked.connect(self.import_wanted)

    def controls(self) -> list[QWidget]:
        return [self.search, self.sort, self.view, *self.damaged.controls, self.tile]

    @property
    def selected_row(self) -> ModelRow | None:
        return next((row for row in self.rows.installed if row.card.name == self._name), None)

    def show_rows(self, rows: Sequence[ModelRow], wanted: str = "") -> None:
        """Show these models and select `wanted`; else keep the selection, or what took the place of a deleted one."""
        place = self.view.currentIndex().row()
        name = wanted or self._name
        if wanted and not any(row.card.name == wanted for row in self.rows.rows):
            self.search.clear()  # what just came must not be hidden
        self.rows.show_rows(rows)
        if rows and not any(row.card.name == name for row in rows):
            default = next((row for row in rows if row.default), rows[0])
            shown = self.rows.rows
            name = (default if place < 0 or not shown else shown[min(place, len(shown) - 1)]).card.name
        self._name = name if rows else ""
        several = len(rows) > LONGEST_LIST
        for part in (self.search, self.sort):
            part.setVisible(several)
        self.view.show_as_grid(several)
        self._show_selected()
        self.selected.emit()

    def select(self, name: str) -> None:
        self._name = name
        self._show_selected()
        self.selected.emit()

    def _show_selected(self) -> None:
        """Mark the selected model in the view, where the search lets it be seen."""
        place = self.rows.row_of(self._name)
        blocked = self.view.selectionModel().blockSignals(True)
        self.view.setCurrentIndex(self.rows.index(-1 if place is None else place))
        self.view.selectionModel().blockSignals(blocked)
        self.view.viewport().update()
        self._places.setCurrentIndex(0 if self.rows.rows or not self.rows.installed else 1)

    def _follow(self) -> None:
        row = self.view.currentIndex().data(ROW)
        if row is not None and row.card.name != self._name:
            self._name = row.card.name
            self.selected.emit()

    def _search(self, text: str) -> None:
        self.rows.search(text)
        self._show_selected()

    def sort_by(self, order: str) -> None:
        """One of `SORTS`."""
        self.sort.show_value(order)
        self._sort()

    def _sort(self) -> None:
        self.rows.sort_by(self.sort.value())
        self._show_selected()

    def fit(self, window_width: int) -> None:
        """Take the room there is: more columns of tiles in a wide window."""
        more = sum(window_width >= width for width in WIDE) if self.view.grid else 0
        self.setFixedWidth(PANEL_WIDTH + more * (TILE + SPACE_S))

    def _lay_out(self) -> None:
        self.setFixedWidth(PANEL_WIDTH)
        heading = plain_label(tr("Models"), "heading")
        heading.setContentsMargins(SPACE_S, 0, 0, 0)
        heading.setBuddy(self.view)
        tools = QHBoxLayout()
        tools.setSpacing(SPACE_S)
        tools.addWidget(self.search, 3)
        tools.addWidget(self.sort, 2)
        self._places.addWidget(self.view)
        self._places.addWidget(self._nothing)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_M, SPACE_L, SPACE_M, SPACE_M)
        column.setSpacing(SPACE_M)
        column.addWidget(heading)
        column.addLayout(tools)
        column.addWidget(self._places, 1)
        column.addWidget(self.damaged)
        column.addWidget(self.tile)


class _Models(QListView):
    """A list of rows, or a grid of tiles as wide as the columns let them be."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("models")
        self.setAccessibleName(tr("Models"))
        self.setToolTip(tr("The models on this computer; select one to see its card"))
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setMouseTracking(True)
        self.grid = False
        self._rows, self._tiles = as_rows(self), ModelTiles(self)
        self.setItemDelegate(self._rows)

    def show_as_grid(self, grid: bool) -> None:
        self._tiles.forget()
        if grid != self.grid:
            self.grid = grid
            mode = QListView.ViewMode
            self.setViewMode(mode.IconMode if grid else mode.ListMode)
            self.setMovement(QListView.Movement.Static)
            self.setResizeMode(QListView.ResizeMode.Adjust)
            self.setWordWrap(False)
            self.setItemDelegate(self._tiles if grid else self._rows)
            self.setGridSize(QSize())
        self._fit()

    def _fit(self) -> None:
        if not self.grid:
            return
        room = self.width() - SCROLL_WIDTH - 2
        self._tiles.side = room // max(room // TILE, 1) - 1
        self.setGridSize(self._tiles.size)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._tiles.forget()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit()
        super().resizeEvent(event)
