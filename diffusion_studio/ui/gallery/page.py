"""The Gallery page: every image that was generated, found by any setting, looked at, marked, exported and reused."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from diffusion_studio.gallery.entries import SORTS, Entry
from diffusion_studio.gallery.search import quoted
from diffusion_studio.language import tr
from diffusion_studio.settings.options import check, option
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.requests import BranchFrom, ShowModel, UseSettings
from diffusion_studio.ui.gallery import exporting
from diffusion_studio.ui.gallery.actions import GalleryActions
from diffusion_studio.ui.gallery.albums import AlbumMenu, ask_album_name, ask_new_album
from diffusion_studio.ui.gallery.collection import Collection
from diffusion_studio.ui.gallery.details import MOSAIC, GalleryDetails
from diffusion_studio.ui.gallery.grid import COMFORTABLE, LARGEST, SMALLEST, USUAL, GalleryGrid
from diffusion_studio.ui.gallery.head import GalleryHead
from diffusion_studio.ui.gallery.listing import Arranged
from diffusion_studio.ui.gallery.marking import Marking
from diffusion_studio.ui.gallery.scrubber import DateScrubber
from diffusion_studio.ui.gallery.selection_bar import GridArea, SelectionBar
from diffusion_studio.ui.gallery.thumbs import GalleryThumbs
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.theme import comfortable
from diffusion_studio.ui.pictures import commands
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.saved import SettingsFound, open_picture, read_raw, read_settings
from diffusion_studio.ui.widgets.empty import empty_page

SECTION = "gallery"
GRID, NO_RESULTS, NO_IMAGES = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryView:
    """How the gallery was left."""

    cell: int = option(
        USUAL, min=SMALLEST, max=LARGEST, label=tr("Thumbnail size"), help=tr("of the gallery, in pixels")
    )
    sort: str = option("newest", choices=SORTS, label=tr("Order"), help=tr("of the gallery's images"))
    details: bool = option(True, label=tr("Details"), help=tr("whether they open for what is selected"))

    def __post_init__(self) -> None:
        check(self)


class GalleryPage(Page):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.collection = Collection(self)
        self.thumbs = GalleryThumbs(self)
        self.workers = (self.collection.lister, self.collection.arranger, self.thumbs.worker)
        self.grid = GalleryGrid(self.thumbs, self)
        self.scrubber = DateScrubber(self)
        self.details = GalleryDetails(self)
        self.head = GalleryHead(self)
        self.actions_ = GalleryActions(self)
        self.marking = Marking(context, self.collection.marks, self)
        self.albums = AlbumMenu(self)
        self.area = GridArea(self.grid, self.scrubber, self)
        self.bar = SelectionBar(self.actions_, self.albums, self.area)
        self.area.float_bar(self.bar)
        self._continue_at: int | None = None  # where images went from: what took their place is selected
        self.empty = QStackedWidget()
        self._recall()
        self._lay_out()
        self._connect()

    # --- what the window asks ---

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return self.actions_.menu_entries()

    def controls(self) -> list[QWidget]:
        return [*self.head.controls, self.grid, *self.bar.buttons, *self.details.controls]

    def shown_first(self) -> None:
        self.grid.setFocus()
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Some disks, those of other machines above all, do not say when something changes."""
        super().showEvent(event)
        if self.collection.listed:
            self.collection.refresh_soon()

    def close_down(self) -> None:
        self.collection.close_down()
        self.head.close_down()
        view = GalleryView(
            cell=self.grid.cell, sort=self.head.order, details=self.actions_.details.isChecked()
        )
        self._context.settings_file.store(SECTION, view)

    # --- the images ---

    @property
    def entries(self) -> Mapping[Path, Entry]:
        return self.collection.entries

    def refresh(self) -> None:
        """List the folder again, and read what is new in it."""
        self.collection.refresh()

    def selected(self) -> list[Entry]:
        return self.grid.selection.ordered()

    def _search(self) -> None:
        self.grid.verticalScrollBar().setValue(0)
        self.collection.show(self.head.text, self.head.order)

    def _show_arranged(self, arranged: Arranged) -> None:
        self.head.show_wrong(arranged.wrong)
        self.grid.show_arranged(arranged)
        if self._continue_at is not None and arranged.entries and not self.grid.selection.paths:
            self.grid.select(min(self._continue_at, len(arranged.entries) - 1))
        self._continue_at = None
        self.actions_.show_shown(arranged.entries)
        self._show_count(len(arranged.entries))
        self._show_selected()

    def _show_count(self, shown: int) -> None:
        every = len(self.entries)
        self.head.show_count(shown, every, self.collection.read)
        self.empty.setCurrentIndex(GRID if shown else NO_RESULTS if every else NO_IMAGES)

    def _show_selected(self) -> None:
        selected, main = self.selected(), self.grid.selection.main()
        self.actions_.show_selected(selected)
        self.albums.show_selected(selected)
        if main is not None and len(selected) == 1:
            self.details.show_entry(main, self.thumbs.get(main.path), self.collection.relatives(main))
        elif selected:
            self.details.show_several(selected, [self.thumbs.get(e.path) for e in selected[:MOSAIC]])
        if not selected and self._focus_is_in(self.bar, self.details):
            self.grid.setFocus()
        self.details.setVisible(bool(selected) and self.actions_.details.isChecked())
        self.bar.show_count(len(selected))
        self.area.place()

    def _focus_is_in(self, *parts: QWidget) -> bool:
        focus = self.focusWidget()
        return focus is not None and any(part.isAncestorOf(focus) for part in parts)

    def _show_values(self) -> None:
        albums = self.collection.marks.albums()
        self.head.chips.show_values(self.collection.facets, albums, self.collection.marks.all_tags())
        self.albums.show_albums(albums)

    def _show_dates(self) -> None:
        height = self.grid.viewport().height()
        self.scrubber.show_layout(self.grid.layout_, height, by_date=self.head.by_date)

    def _show_relative(self, path: Path) -> None:
        if path not in self.grid.selection.places:
            self.head.clear()
        place = self.grid.selection.places.get(path)
        if place is not None:
            self.grid.select(place)

    # --- what is done with them ---

    def _use(self, how: str) -> None:
        entry = self.details.entry
        if entry is not None:
            self._context.run(read_settings(entry.path), lambda read: self._reuse(read, how))

    def _reuse(self, read: SettingsFound, how: str) -> None:
        """`how`: one of the uses of the details."""
        values = dict(read.values)
        if how == "seed":
            values = {"seed": values.get("seed")}
        elif how == "settings":
            values["seed"] = None
        branch = how == "branch" and not read.missing
        self._context.go_to("generate", BranchFrom(values) if branch else UseSettings(values))
        if how != "seed":
            read.report(self._context)

    def _tag(self, names: frozenset[str]) -> None:
        self.marking.tag(self.selected(), self.details.shared_tags, names)

    def _edit_tags(self) -> None:
        self.actions_.details.setChecked(True)
        self.details.tags.setFocus()

    def _new_album(self) -> None:
        name = ask_new_album(self, self.collection.marks.albums().keys())
        if name is not None:
            self.marking.collect(self.selected(), name)

    def _rename_album(self, album: str) -> None:
        name = ask_album_name(self, album, self.collection.marks.albums().keys())
        if name is not None:
            self.marking.rename_album(list(self.entries.values()), album, name)
            self.head.filter("album", f"album:{quoted(name)}")

    def _delete_album(self, album: str) -> None:
        self.marking.delete_album(list(self.entries.values()), album)
        self.head.filter("album", "")

    def _view(self, paths: Sequence[Path], index: int, play: bool) -> None:
        from diffusion_studio.ui.pictures.viewer import PictureViewer

        viewer = PictureViewer(self._context, paths, index, self.window())
        viewer.showFullScreen()
        if play:
            viewer.play()

    def _compare(self, paths: Sequence[Path]) -> None:
        from diffusion_studio.ui.pictures.pair_dialog import PairDialog

        self._context.run(open_pair(paths), lambda pair: PairDialog(pair[0], pair[1], self.window()).open())

    def _copy(self) -> None:
        selected = self.selected()
        if selected:
            exporting.copy(self._context, selected, self.thumbs.get(selected[0].path))

    def _reveal(self) -> None:
        main = self.grid.selection.main()
        if main is not None:
            commands.reveal(main.path)

    def _export(self, way: str) -> None:
        exporting.export(self._context, self, way, [entry.path for entry in self.selected()])

    def _delete(self) -> None:
        paths = [entry.path for entry in self.selected()]
        if paths:
            exporting.delete(self._context, paths, self._forget, self._restored)

    def _forget(self, paths: Sequence[Path]) -> None:
        gone = set(paths)
        places = (place for place, entry in enumerate(self.grid.entries) if entry.path in gone)
        self._continue_at = next(places, None)
        self.thumbs.forget(paths)
        self.collection.forget(paths)

    def _restored(self) -> None:
        self.refresh()
        if self.isVisible():
            self.grid.setFocus()

    # --- building ---

    def _recall(self) -> None:
        view = self._context.settings_file.load(SECTION, GalleryView)
        cell = COMFORTABLE if view.cell == USUAL and comfortable() else view.cell
        self.grid.show_cell(cell)
        self.head.cell.setValue(cell)
        self.head.show_order(view.sort)
        self.actions_.details.setChecked(view.details)

    def _connect(self) -> None:
        context, collection, actions, head = self._context, self.collection, self.actions_, self.head
        collection.arranged.connect(self._show_arranged)
        collection.repainted.connect(self.thumbs.forget)
        collection.facets_changed.connect(self._show_values)
        context.outputs_moved.connect(collection.start_over)
        context.restored.connect(collection.refresh_soon)
        context.saved.connect(lambda _: collection.refresh_soon())
        context.models_changed.connect(self._show_selected)
        head.trash.clicked.connect(context.trash_wanted)
        head.search_wanted.connect(self._search)
        head.order_changed.connect(self._search)
        head.chips.rename_wanted.connect(self._rename_album)
        head.chips.delete_wanted.connect(self._delete_album)
        head.cell.valueChanged.connect(self.grid.show_cell)
        self.grid.selection.changed.connect(self._show_selected)
        self.grid.opened.connect(actions.view)
        self.grid.menu_wanted.connect(lambda place: actions.menu(self.albums).popup(place))
        self.grid.laid_out.connect(self._show_dates)
        self.grid.verticalScrollBar().valueChanged.connect(self.scrubber.show_position)
        self.scrubber.scroll_wanted.connect(self.grid.verticalScrollBar().setValue)
        self.thumbs.came.connect(lambda path: self.details.show_pixmap(path, self.thumbs.get(path)))
        self.bar.clear_wanted.connect(self.grid.selection.clear)
        self.bar.tag_wanted.connect(self._edit_tags)
        self.marking.marked.connect(collection.mark)
        self.albums.collect_wanted.connect(
            lambda album, remove: self.marking.collect(self.selected(), album, remove=remove)
        )
        self.albums.new_wanted.connect(self._new_album)
        self._connect_details()
        self._connect_actions()

    def _connect_details(self) -> None:
        details = self.details
        details.use_wanted.connect(self._use)
        details.star_wanted.connect(lambda on: self.marking.star(self.selected(), on))
        details.tags_wanted.connect(self._tag)
        details.raw_wanted.connect(lambda path: self._context.run(read_raw(path), details.show_raw))
        details.relative_wanted.connect(self._show_relative)
        details.model_wanted.connect(lambda name: self._context.go_to("models", ShowModel(name)))
        details.album_wanted.connect(lambda album: self.head.filter("album", f"album:{quoted(album)}"))

    def _connect_actions(self) -> None:
        actions = self.actions_
        actions.view_wanted.connect(self._view)
        actions.compare_wanted.connect(self._compare)
        actions.star_wanted.connect(lambda on: self.marking.star(self.selected(), on))
        actions.copy_wanted.connect(self._copy)
        actions.reveal_wanted.connect(self._reveal)
        actions.export_wanted.connect(self._export)
        actions.delete_wanted.connect(self._delete)
        actions.select_all_wanted.connect(self.grid.selection.select_all)
        actions.search_wanted.connect(self.head.search.begin)
        actions.details.toggled.connect(lambda _: self._show_selected())

    def _lay_out(self) -> None:
        show_all = push_button(tr("Show all"), tr("Show every image again"))
        show_all.clicked.connect(self.head.search.clear)
        generate = push_button(tr("Generate"), tr("Go to the Generate page"))
        generate.setProperty("primary", True)
        generate.clicked.connect(lambda: self._context.go_to("generate"))
        self.empty.addWidget(self.area)
        self.empty.addWidget(empty_page(tr("No results"), tr("No image matches this search."), show_all))
        self.empty.addWidget(
            empty_page(
                tr("Your images will appear here"),
                tr("Each is saved with its settings, so that you can find it and generate it again."),
                generate,
            )
        )
        below = QHBoxLayout()
        below.setSpacing(0)
        below.addWidget(self.empty, 1)
        below.addWidget(self.details)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.head)
        whole.addLayout(below, 1)
        self.details.hide()


def open_pair(paths: Sequence[Path]) -> Generator[tuple[Picture, ...], None, None]:
    """A job: two pictures, as one event."""
    yield tuple(next(open_picture(path)) for path in paths)
