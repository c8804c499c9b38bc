"""What can be done with the pictures chosen in the gallery, from its menus, its keys and its pane of details."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, QObject
from PySide6.QtGui import QAction, QGuiApplication, QImage
from PySide6.QtWidgets import QMenu

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.file_dialogs import EXPORTS, Kinds, save_file
from diffusion_studio.ui.base.page import action, fill_menu
from diffusion_studio.ui.base.requests import BranchFrom, UseSettings
from diffusion_studio.ui.base.trashing import Moved, removal, to_trash
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.texts import file_url, readable
from diffusion_studio.ui.pictures import commands
from diffusion_studio.ui.pictures.saved import open_picture, read_settings

if TYPE_CHECKING:
    from diffusion_studio.ui.gallery.page import GalleryPage


FEW = 50  # pictures that are marked at once, before a thread would have taken up the work


class GalleryActions(QObject):
    def __init__(self, context: AppContext, page: GalleryPage) -> None:
        super().__init__(page)
        self._context, self._page = context, page
        self._menu = QMenu(page)
        make = self._action
        self.show_full = make(
            tr("Full screen"), "F11", self._view_chosen, tr("Look at it alone, and at its neighbours")
        )
        self.slideshow = make("Slideshow", "F5", self._slideshow, tr("Show the pictures one after the other"))
        self.compare = make(
            tr("Compare two"), "Ctrl+K", self._compare, tr("Side by side, with a slider, or their difference")
        )
        self.starred = make(
            "Star", "S", lambda: self.star(not self._all_starred()), tr("Mark or unmark as a favourite")
        )
        self.copy = make("Copy", "Ctrl+C", self._copy, tr("Copy the pictures"))
        self.all = make(
            tr("Select all"), "Ctrl+A", lambda: page.grid.choose_all(), tr("Choose every picture shown")
        )
        self.find = make("Search", "Ctrl+F", self._find, tr("Search by any setting"))
        self.reveal = make(
            tr("Reveal in folder"), "Ctrl+R", self._reveal, tr("Show the file in the file manager")
        )
        self.files = make(
            tr("Export as files…"), "Ctrl+E", self._as_files, tr("Copy the pictures to a folder")
        )
        self.zip = make(tr("Export as zip…"), "", self._as_zip, tr("Write the pictures as one zip"))
        self.sheet = make(
            tr("Export as sheet…"), "", self._as_sheet, tr("Write the pictures as one large picture")
        )
        self.delete = make(
            "Delete", "Del", self._delete, tr("Move the pictures to the trash; Undo brings them back")
        )
        self._chosen: list[Entry] = []
        self.follow([])

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return {
            "File": [self.files, self.zip, self.sheet, None, self.reveal],
            "Edit": [self.copy, self.all, self.find, None, self.starred, self.delete],
            "View": [self.show_full, self.slideshow, self.compare],
        }

    def menu(self) -> QMenu:
        """The menu under the right mouse button."""
        fill_menu(
            self._menu,
            [
                *(
                    self.show_full,
                    self.slideshow,
                    self.compare,
                    None,
                    self.starred,
                    self.copy,
                    self.reveal,
                    None,
                ),
                *(self.files, self.zip, self.sheet, None, self.delete),
            ],
        )
        return self._menu

    def follow(self, chosen: Sequence[Entry]) -> None:
        """Enable what these can have done to them."""
        self._chosen = list(chosen)
        for entry in (self.starred, self.copy, self.reveal, self.files, self.zip, self.sheet, self.delete):
            entry.setEnabled(bool(chosen))
        self.compare.setEnabled(len(chosen) == 2)
        self.starred.setText(tr("Unstar") if chosen and self._all_starred() else tr("Star"))

    # --- draw again ---

    def use(self, how: str) -> None:
        """One of the uses of the details: take settings to the Generate page."""
        if self._chosen:
            entry = self._page.details.entry or self._chosen[-1]
            self._context.run(read_settings(entry.path), lambda given: self._give(given, how))

    def _give(self, given: Mapping[str, Any], how: str) -> None:
        from diffusion_studio.ui.pictures.saved import LEFT_OUT, MISSING, SENTENCES

        values = {name: value for name, value in given.items() if name not in SENTENCES and value is not None}
        if how == "seed":
            values = {"seed": values.get("seed")}
        elif how == "settings":
            values["seed"] = None
        elif given.get(MISSING):
            self._context.show_fault(given[MISSING])
        if how == "branch" and not given.get(MISSING):
            self._context.go_to("generate", BranchFrom(values))
        else:
            self._context.go_to("generate", UseSettings(values))
        if given.get(LEFT_OUT) and how != "seed":
            self._context.show_status(given[LEFT_OUT])

    # --- mark ---

    def star(self, starred: bool) -> None:
        paths, marks = [entry.path for entry in self._chosen if entry.star != starred], self._page.marks
        what = tr("{value} of {images}", value="star" if starred else "unstar", images=_images(paths))
        self._change(what, lambda: marks.star(paths, starred), lambda: marks.star(paths, not starred), paths)

    def tag(self, names: frozenset[str]) -> None:
        """Give all that are chosen the tags that were added to those they share, and take away what was removed."""
        before, marks = self._page.details.shared_tags, self._page.marks
        gone = {name: [e.path for e in self._chosen if name in e.tags] for name in before - names}
        new = {name: [e.path for e in self._chosen if name not in e.tags] for name in names - before}

        def put(*, back: bool) -> None:
            for name, paths in gone.items():
                marks.tag(paths, [name], remove=not back)
            for name, paths in new.items():
                marks.tag(paths, [name], remove=back)

        self._change(
            f"tags of {_images(self._chosen)}",
            lambda: put(back=False),
            lambda: put(back=True),
            self._paths() if gone or new else [],
        )

    def _change(
        self, text: str, do: Callable[[], None], undo: Callable[[], None], paths: Sequence[Path]
    ) -> None:
        """Mark these pictures, in a way that Undo takes back."""
        if not paths:
            return
        undone = Change(text, lambda: self._try(undo, paths), lambda: self._try(do, paths))
        self._try(do, paths, lambda: self._context.undo.push(undone))

    def _all_starred(self) -> bool:
        return all(entry.star for entry in self._chosen)

    def _try(
        self, do: Callable[[], None], paths: Sequence[Path], then: Callable[[], Any] = lambda: None
    ) -> None:
        def done(_: Any = None) -> None:
            self._page.mark(paths)
            then()

        if len(paths) > FEW:
            self._context.run(_do(do), done)
            return
        try:
            do()
        except UserError as error:
            self._context.show_fault(str(error))
            self._page.mark(paths)
        else:
            done()

    # --- look ---

    def view(self, path: Path) -> None:
        """Alone on the screen, among those the grid shows."""
        self._open_viewer(path, playing=False)

    def _view_chosen(self) -> None:
        shown = self._page.grid.entries
        current = self._chosen[-1].path if self._chosen else shown[0].path if shown else None
        if current is not None:
            self.view(current)

    def _slideshow(self) -> None:
        entries = self._chosen if len(self._chosen) > 1 else self._page.grid.entries
        if entries:
            self._open_viewer(entries[0].path, playing=True, among=[entry.path for entry in entries])

    def _open_viewer(self, path: Path, *, playing: bool, among: list[Path] | None = None) -> None:
        from diffusion_studio.ui.pictures.viewer import PictureViewer

        paths = among or [entry.path for entry in self._page.grid.entries]
        viewer = PictureViewer(self._context, paths, paths.index(path), self._page.window())
        viewer.showFullScreen()
        if playing:
            viewer.play()

    def _compare(self) -> None:
        if len(self._chosen) == 2:
            self._context.run(_open_both(self._paths()), self._show_pair)

    def _show_pair(self, pair: Any) -> None:
        from diffusion_studio.ui.pictures.pair_dialog import PairDialog

        left, right = pair
        PairDialog(left, right, self._page.window()).open()

    def _find(self) -> None:
        self._page.search.setFocus()
        self._page.search.selectAll()

    def _reveal(self) -> None:
        if self._chosen:
            commands.reveal(self._chosen[-1].path)

    # --- give away ---

    def _copy(self) -> None:
        paths = self._paths()
        pixmap = self._page.thumbs.get(paths[0]) if len(paths) == 1 else None
        if pixmap is not None and pixmap.width() == self._chosen[0].width:
            _put_on_clipboard(paths, pixmap.toImage())  # small enough to be the picture
            return
        _put_on_clipboard(paths)
        if len(paths) == 1:
            self._context.run(
                open_picture(paths[0]), lambda picture: _put_on_clipboard(paths, picture.image())
            )

    def _as_files(self) -> None:
        folder = commands.ask_folder(self._page)
        if folder is not None:
            self._give_away("as_files", folder)

    def _as_zip(self) -> None:
        self._ask_file("as_zip", tr("Export as zip"), "images.zip", {"Zip (*.zip)": (".zip",)})

    def _as_sheet(self) -> None:
        self._ask_file("as_sheet", tr("Export as sheet"), "sheet.png", commands.FORMATS)

    def _ask_file(self, way: str, title: str, name: str, kinds: Kinds) -> None:
        target = save_file(self._page, title, name, kinds, place=EXPORTS)
        if target is not None:
            self._give_away(way, target)

    def _give_away(self, way: str, target: Path) -> None:
        from diffusion_studio.gallery import export

        job = getattr(export, way)(self._paths(), target)
        self._context.run(job, self._tell_given)

    def _tell_given(self, event: Any) -> None:
        words = (
            tr("{done} of {total}", done=event.done, total=event.total)
            if event.done < event.total
            else f"{event.total}"
        )
        self._context.show_status(tr("Exported {words} to {path}", words=words, path=readable(event.path)))

    def _delete(self) -> None:
        if self._chosen:
            self._context.run(to_trash(self._paths()), self._on_trashed)

    def _on_trashed(self, moved: Moved) -> None:
        gone = [original for original, _ in moved.pairs]
        self._page.forget(gone)
        if not gone:
            self._context.show_fault(moved.fault)
            return
        what = "image" if len(gone) == 1 else tr("{count} images", count=len(gone))
        change = removal(self._context, f"delete of {what}", moved.pairs, self._on_moved)
        if moved.fault:
            self._context.undo.push(change)
            self._context.show_fault(
                tr(
                    "{upper}{what} moved to trash. {fault}",
                    upper=what[:1].upper(),
                    what=what[1:],
                    fault=moved.fault,
                ),
                action="Undo",
                do=lambda: self._context.undo.take_back(change),
            )
        else:
            self._context.done(
                tr("{value} moved to trash.", value="Image" if len(gone) == 1 else what), change
            )

    def _on_moved(self) -> None:
        self._page.refresh()
        if self._page.isVisible():
            self._page.grid.setFocus()

    # --- small things ---

    def _paths(self) -> list[Path]:
        return [entry.path for entry in self._chosen]

    def _action(self, text: str, shortcut: str, do: Callable[[], Any], tip: str) -> QAction:
        made = action(self._page, text, shortcut, tip=tip)
        made.triggered.connect(lambda _=False: do())
        return made


def _put_on_clipboard(paths: Sequence[Path], image: QImage | None = None) -> None:
    """The files, and for programs that take no files the one picture."""
    data = QMimeData()
    data.setUrls([file_url(path) for path in paths])
    if image is not None:
        data.setImageData(image)
    QGuiApplication.clipboard().setMimeData(data)


def _images(given: Sequence[Any]) -> str:
    return tr("1 image") if len(given) == 1 else tr("{count} images", count=len(given))


def _do(do: Callable[[], None]) -> Generator[None, None, None]:
    do()
    yield


def _open_both(paths: Sequence[Path]) -> Generator[Any, None, None]:
    yield tuple(next(open_picture(path)) for path in paths)
