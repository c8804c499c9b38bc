"""The Gallery page: every picture that was made, found again by any setting, looked at, marked and given away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QFileSystemWatcher, Qt, QTimer
from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.gallery.entries import SORTS, Entry
from diffusion_studio.gallery.marks import Marks
from diffusion_studio.gallery.relatives import Relatives
from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.base.requests import ShowModel
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.gallery.actions import GalleryActions
from diffusion_studio.ui.gallery.details import GalleryDetails
from diffusion_studio.ui.gallery.grid import CELLS, GalleryGrid
from diffusion_studio.ui.gallery.listing import Arranged, Found, arrange, list_pictures
from diffusion_studio.ui.gallery.search import SearchLine
from diffusion_studio.ui.gallery.thumbs import GalleryThumbs
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import one_line
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S
from diffusion_studio.ui.pictures.saved import read_raw

SETTLE, TYPING = 400, 200  # milliseconds of quiet before the folder is listed again; before a search begins
NOTHING_CHOSEN = tr("Choose a picture to see how it was made.")
FEW = 2000  # pictures that are searched and sorted at once, sooner than a thread would take up the work


class GalleryPage(Page):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.marks = Marks()
        self.entries: Mapping[Path, Entry] = {}  # newest first; replaced as a whole, for threads read it
        self._relatives = Relatives()
        self.thumbs = GalleryThumbs(self)
        self.grid = GalleryGrid(self.thumbs, self)
        self.details = GalleryDetails(self)
        self.search = SearchLine(lambda: Marks().all_tags(), self)
        self.sort, self.cells = _choice("Order", SORTS), _choice("Size", {name: name for name in CELLS})
        self.cells.setCurrentIndex(1)
        self.trash = push_button("Trash", tr("See what was deleted, bring it back, or remove it for good"))
        self.count = plain_label("", "small")
        self.wrong = plain_label("", "small")
        self.lister = Worker("gallery", self)
        self.arranger = Worker("gallery search", self)
        self.workers = (self.lister, self.arranger, self.thumbs.worker)
        self.actions_ = GalleryActions(context, self)
        self._job: int | None = None
        self._arranging: int | None = None
        self._read = 0  # how many have been asked what they say
        self._unwatched = False  # a folder came that nobody watched while it was listed
        self._go_on: int | None = None  # where pictures went from: what took their place is chosen
        self._watcher = QFileSystemWatcher(self)
        self._settle = QTimer(self, singleShot=True, interval=SETTLE)
        self._typing = QTimer(self, singleShot=True, interval=TYPING)
        self.empty = QStackedWidget()
        self._lay_out()
        self._connect()

    # --- what the window asks ---

    def menu_entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return self.actions_.menu_entries()

    def controls(self) -> list[QWidget]:
        return [self.search, self.sort, self.cells, self.trash, self.grid, *self.details.controls]

    def shown_first(self) -> None:
        self.grid.setFocus()
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Some disks, those of other machines above all, do not tell when something changes."""
        super().showEvent(event)
        if self._job is not None:
            self._settle.start()

    def close_down(self) -> None:
        self._watcher.blockSignals(True)
        self._settle.stop()
        self._typing.stop()
        watched = [*self._watcher.directories(), *self._watcher.files()]
        if watched:
            self._watcher.removePaths(watched)

    # --- the pictures ---

    def refresh(self) -> None:
        """List the folder anew, and read what is new in it."""
        if self._job is not None:
            self.lister.cancel(self._job)
        self._job = self.lister.submit(list_pictures(self.entries))

    def chosen(self) -> list[Entry]:
        return self.grid.chosen_entries()

    def forget(self, paths: Sequence[Path]) -> None:
        """Pictures that are gone."""
        gone = set(paths)
        places = (place for place, entry in enumerate(self.grid.entries) if entry.path in gone)
        self._go_on = next(places, None)
        self.entries = {path: entry for path, entry in self.entries.items() if path not in gone}
        self.thumbs.forget(paths)
        self._show()

    def mark(self, paths: Sequence[Path]) -> None:
        """Show the stars and tags of these as they are now."""
        known = [self.entries[path] for path in paths if path in self.entries]
        changed = {entry.path: entry for entry in self.marks.mark(known)}
        self.entries = {**self.entries, **changed}
        self._show()

    def _on_event(self, job: int, event: Any) -> None:
        if job != self._job:
            return
        if isinstance(event, Found):
            self.entries, self._read = event.entries, event.read
            self._relatives = event.relatives or self._relatives
            self._watch(event.folders)
            self.thumbs.forget(event.changed)
            self._show()

    def _show(self) -> None:
        """Search and sort what there is, and show that."""
        if self._arranging is not None:
            self.arranger.cancel(self._arranging)
            self._arranging = None
        job = arrange(self.entries, self.search.text(), str(self.sort.currentData()))
        if len(self.entries) <= FEW:
            self._show_arranged(next(job))
        else:
            self._arranging = self.arranger.submit(job)

    def _show_from_top(self) -> None:
        self.grid.verticalScrollBar().setValue(0)
        self._show()

    def _on_arranged(self, job: int, arranged: Any) -> None:
        if job == self._arranging:
            self._arranging = None
            self._show_arranged(arranged)

    def _show_arranged(self, arranged: Arranged) -> None:
        self.wrong.setText(arranged.wrong)
        self.wrong.setVisible(bool(arranged.wrong))
        self.grid.show_arranged(arranged)
        if self._go_on is not None and arranged.entries and not self.grid.chosen:
            self.grid.choose(min(self._go_on, len(arranged.entries) - 1))
        self._go_on = None
        self._show_count(len(arranged.entries))
        self._show_details()

    def _show_count(self, shown: int) -> None:
        every = len(self.entries)
        words = tr("1 picture") if every == 1 else tr("{every:,} pictures", every=every)
        reading = f" · reading {self._read:,}" if 0 < self._read < every else ""
        self.count.setText((words if shown == every else f"{shown:,} of {words}") + reading)
        self.empty.setCurrentIndex(0 if shown else 1 if every else 2)

    def _show_details(self) -> None:
        chosen = self.chosen()
        self.details.setVisible(bool(self.entries))  # chosen or not, so that the grid stays as it is
        self.actions_.follow(chosen)
        if not chosen:
            self.details.show_nothing(NOTHING_CHOSEN)
            return
        entry = chosen[-1] if self.grid.current is None else self.grid.entries[self.grid.current]
        entry = entry if entry.path in self.grid.chosen else chosen[-1]
        self.details.show_entry(
            entry,
            self.thumbs.get(entry.path),
            self._relatives.of(entry, self.entries),
            frozenset.intersection(*(other.tags for other in chosen)),
        )
        if len(chosen) > 1:
            self.details.title.setText(tr("{count:,} pictures chosen", count=len(chosen)))

    def _move(self) -> None:
        """Pictures are kept elsewhere now."""
        self.entries = {}
        self.refresh()

    def _watch(self, folders: Sequence[Path]) -> None:
        new = {str(folder) for folder in folders} - set(self._watcher.directories())
        if new:
            refused = self._watcher.addPaths(sorted(new))
            self._unwatched |= len(refused) < len(new)

    def _on_listed(self, job: int) -> None:
        """What was saved between the listing of a folder and the moment it was watched is found now."""
        if job == self._job and self._unwatched:
            self._unwatched = False
            self._settle.start()

    def _show_relative(self, path: Path) -> None:
        place = next((i for i, entry in enumerate(self.grid.entries) if entry.path == path), None)
        if place is None:
            self.search.clear()
            self._show()
            place = next((i for i, entry in enumerate(self.grid.entries) if entry.path == path), None)
        if place is not None:
            self.grid.choose(place)

    # --- building ---

    def _connect(self) -> None:
        self.lister.reported.connect(self._on_event)
        self.lister.job_ended.connect(self._on_listed)
        self.arranger.reported.connect(self._on_arranged)
        self._context.outputs_moved.connect(self._move)
        self._context.restored.connect(self._settle.start)
        self.trash.clicked.connect(self._context.trash_wanted)
        self._watcher.directoryChanged.connect(lambda _: self._settle.start())
        self._settle.timeout.connect(self.refresh)
        self.search.textChanged.connect(lambda _: self._typing.start())
        self._typing.timeout.connect(self._show_from_top)
        self.sort.currentIndexChanged.connect(lambda _: self._show_from_top())
        self.cells.currentTextChanged.connect(self.grid.show_cell)
        self.grid.chosen_changed.connect(self._show_details)
        self.grid.opened.connect(self.actions_.view)
        self.grid.menu_wanted.connect(lambda place: self.actions_.menu().popup(place))
        self.thumbs.came.connect(self._on_thumb)
        self.details.use_wanted.connect(self.actions_.use)
        self.details.star_wanted.connect(self.actions_.star)
        self.details.tags_wanted.connect(self.actions_.tag)
        self.details.raw_wanted.connect(lambda path: self._context.run(read_raw(path), self.details.show_raw))
        self.details.relative_wanted.connect(self._show_relative)
        self.details.model_wanted.connect(lambda name: self._context.go_to("models", ShowModel(name)))
        self._context.saved.connect(lambda _: self._settle.start())
        self._context.models_changed.connect(self._show_details)

    def _on_thumb(self, path: Path) -> None:
        if self.details.entry is not None and path == self.details.entry.path:
            self.details.show_pixmap(self.thumbs.get(path))

    def _lay_out(self) -> None:
        self.wrong.hide()
        top = QFrame()
        top.setObjectName("galleryTop")
        bar = QHBoxLayout(top)
        bar.setContentsMargins(SPACE_L, SPACE_M, SPACE_L, SPACE_M)
        bar.setSpacing(SPACE_M)
        bar.addWidget(self.search, 1)
        for part in (self.count, self.sort, self.cells, self.trash):
            bar.addWidget(part)
        self.empty.addWidget(self.grid)
        show_all = QPushButton(tr("Show all"))
        show_all.clicked.connect(self.search.clear)
        self.empty.addWidget(
            _nothing(tr("Nothing like that"), tr("No picture matches this search."), show_all)
        )
        go = QPushButton(tr("Generate"))
        go.setProperty("primary", True)
        go.clicked.connect(lambda: self._context.go_to("generate"))
        self.empty.addWidget(
            _nothing(
                tr("Your pictures will be here"),
                tr(
                    "Every picture you make is kept with all its settings, so that it can be found and made again."
                ),
                go,
            )
        )
        middle = QVBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(top)
        wrong = QHBoxLayout()
        wrong.setContentsMargins(SPACE_L, 0, SPACE_L, 0)
        self.wrong.setContentsMargins(0, 0, 0, SPACE_M)
        wrong.addWidget(self.wrong)
        middle.addLayout(wrong)
        middle.addWidget(self.empty, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addLayout(middle, 1)
        row.addWidget(self.details)
        self.details.hide()


def _choice(name: str, choices: Mapping[str, str]) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(tr("{name} of the pictures", name=name))
    for value, words in choices.items():
        box.addItem(one_line(words), value)
    return box


def _nothing(title: str, words: str, button: QPushButton) -> QWidget:
    """What stands where nothing is."""
    page = QWidget()
    column = QVBoxLayout(page)
    column.addStretch(1)
    for part in (plain_label(title, "title"), plain_label(words, "quiet"), button):
        column.addWidget(part, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(SPACE_S)
    column.addStretch(2)
    return page
