"""The trash: what was deleted, to be restored or deleted permanently."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.storage.places import restore, trash_can
from diffusion_studio.storage.trash import KEPT, TrashEntry
from diffusion_studio.ui.base.background import Event
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.dialogs import ask_question
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable, shorten, tooltip
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.pictures.thumbnails import Thumbnail, read_thumbnail

ENTRY = Qt.ItemDataRole.UserRole + 1
SIDE = 48  # pixels of a thumbnail
SIZE = (680, 520)
KINDS = {"picture": tr("Image"), "model": tr("Model"), "run": tr("Training run"), "": tr("Other")}


class TrashDialog(QDialog):
    """Everything it does runs off the window's thread, and ends with the list read again."""

    def __init__(self, context: AppContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self._listing: int | None = None  # the job that reads the trash
        self._gone = False
        self.setWindowTitle(tr("Trash"))
        self.resize(*SIZE)
        self.list = QListWidget(self)
        self.list.setObjectName("trashList")
        self.list.setAccessibleName(tr("Deleted"))
        self.list.setToolTip(tr("What was deleted, the latest first"))
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setIconSize(QSize(SIDE, SIDE))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setUniformItemSizes(True)
        self.note = plain_label("", "small")
        self.note.setWordWrap(True)
        self.back = push_button(tr("Restore"), tr("Move what is selected back to its place"))
        self.back.setProperty("primary", True)
        self.remove = push_button(tr("Delete permanently…"), tr("Delete what is selected permanently"))
        self.empty = push_button(tr("Empty trash…"), tr("Delete everything in the trash permanently"))
        self.close_button = push_button(tr("Close"), tr("Close the trash"))
        self._pages = QStackedWidget(self)
        self._lay_out()
        self._connect()
        self._follow()
        self.refresh()

    def refresh(self) -> None:
        """Read the trash again."""
        self._listing = self._run(_list(), self._on_event)

    @property
    def chosen(self) -> list[TrashEntry]:
        return [item.data(ENTRY) for item in self.list.selectedItems()]

    # --- what the buttons do ---

    def _restore(self) -> None:
        if self.chosen:
            self._run(_bring_back(self.chosen), self._on_restored)

    def _remove(self) -> None:
        chosen = self.chosen
        question = (
            tr("Delete “{name}” permanently?", name=shorten(readable(chosen[0].name), 60))
            if len(chosen) == 1
            else plural("Delete {count} item permanently?", "Delete {count} items permanently?", len(chosen))
        )
        if chosen and may_remove(self, question):
            self._run(_remove(chosen), self._on_removed)

    def _empty(self) -> None:
        every = [self.list.item(row).data(ENTRY) for row in range(self.list.count())]
        question = plural(
            "Delete {count} item in the trash permanently?",
            "Delete all {count} items in the trash permanently?",
            len(every),
        )
        if every and may_remove(self, question):
            self._run(_remove(every), self._on_removed)

    def _on_restored(self, result: tuple[list[Path], str]) -> None:
        places, fault = result
        if places:
            self._context.restored.emit()
            self._context.models_changed.emit()
            self._context.show_status(
                tr("Restored {path}", path=readable(places[0]))
                if len(places) == 1
                else plural("Restored {count} item", "Restored {count} items", len(places))
            )
        self._say(fault)

    def _on_removed(self, fault: str) -> None:
        self._say(fault)

    def _say(self, fault: str) -> None:
        self.refresh()
        if fault:
            self._context.show_fault(fault)
            self.note.setText(fault)

    # --- the list ---

    def _on_event(self, event: Thumbnail | Sequence[TrashEntry]) -> None:
        if isinstance(event, Thumbnail):
            self._show_thumbnail(event)
        else:
            self._show(event)

    def _show(self, entries: Sequence[TrashEntry]) -> None:
        kept = {entry.path for entry in self.chosen}
        self.list.clear()
        for entry in entries:
            item = QListWidgetItem(_words(entry))
            item.setData(ENTRY, entry)
            item.setToolTip(tooltip(readable(entry.original or entry.path)))
            item.setIcon(_untinted(_blank()))
            self.list.addItem(item)
            item.setSelected(entry.path in kept)
        self._pages.setCurrentIndex(0 if entries else 1)
        self._follow()

    def _show_thumbnail(self, thumbnail: Thumbnail) -> None:
        for row in range(self.list.count()):
            item = self.list.item(row)
            if item.data(ENTRY).path == thumbnail.path and not thumbnail.image.isNull():
                item.setIcon(_untinted(QPixmap.fromImage(thumbnail.image)))

    def _follow(self) -> None:
        for button in (self.back, self.remove):
            button.setEnabled(bool(self.list.selectedItems()))
        self.empty.setEnabled(self.list.count() > 0)

    def _run(self, job: Iterator[Event], then: Callable[[Event], None]) -> int:
        """Do it off the window's thread, before the thumbnails that are still to come; what comes after the dialog is closed
        is ignored."""

        def show(event: Event) -> None:
            if not self._gone:
                then(event)

        if self._listing is not None:
            self._context.background.cancel(self._listing)
        return self._context.run(job, show)

    def done(self, result: int) -> None:
        self._gone = True
        if self._listing is not None:
            self._context.background.cancel(self._listing)
        super().done(result)

    def _connect(self) -> None:
        self.list.itemSelectionChanged.connect(self._follow)
        self.list.itemActivated.connect(lambda _: self._restore())
        self.back.clicked.connect(self._restore)
        self.remove.clicked.connect(self._remove)
        self.empty.clicked.connect(self._empty)
        self.close_button.clicked.connect(self.reject)

    def _lay_out(self) -> None:
        self.note.setText(
            tr(
                "Items are deleted permanently after {days} days, when the application starts.",
                days=KEPT.days,
            )
        )
        nothing = plain_label(tr("The trash is empty."), "quiet")
        nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pages.addWidget(self.list)
        self._pages.addWidget(nothing)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE_S)
        for part in (self.empty, self.remove):
            buttons.addWidget(part)
        buttons.addStretch(1)
        for part in (self.back, self.close_button):
            buttons.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XL, SPACE_L, SPACE_XL, SPACE_L)
        column.setSpacing(SPACE_M)
        column.addWidget(plain_label(tr("Trash"), "title"))
        column.addWidget(self._pages, 1)
        column.addWidget(self.note)
        column.addLayout(buttons)


def may_remove(parent: QWidget, question: str) -> bool:
    return ask_question(
        parent, question, tr("This cannot be undone."), accept=tr("Delete permanently"), danger=True
    )


def _words(entry: TrashEntry) -> str:
    when = (
        tr("deleted {time}", time=f"{entry.deleted:%Y-%m-%d %H:%M}")
        if entry.deleted is not None
        else tr("deleted at an unknown time")
    )
    place = ""
    if entry.original is not None:
        place = tr(" · from {folder}", folder=shorten(readable(entry.original.parent), 60))
    return f"{shorten(readable(entry.name), 60)}\n{KINDS.get(entry.kind, KINDS[''])} · {when}{place}"


def _untinted(pixmap: QPixmap) -> QIcon:
    """The same where its row is selected: an image in the colour of the selection is another image."""
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon


def _blank() -> QPixmap:
    """In place of a thumbnail, so that all rows begin alike."""
    pixmap = QPixmap(SIDE, SIDE)
    pixmap.fill(Qt.GlobalColor.transparent)
    return pixmap


def _list() -> Generator[Thumbnail | Sequence[TrashEntry], None, None]:
    """A job: what is there, then its thumbnails."""
    entries = trash_can().entries()
    yield entries
    for entry in entries:
        image = _thumbnail(entry.path)
        if not image.isNull():
            yield Thumbnail(entry.path, image)


def _thumbnail(path: Path) -> QImage:
    """Of a picture, a model's sheet or a run's latest samples."""
    if path.is_dir():
        sheets = [path / "samples.png", *sorted((path / "samples").glob("*.png"))[-1:]]
        path = next((sheet for sheet in sheets if sheet.is_file()), path)
    return read_thumbnail(path, 2 * SIDE)


def _bring_back(entries: Sequence[TrashEntry]) -> Generator[tuple[list[Path], str], None, None]:
    places, fault = [], ""
    for entry in entries:
        try:
            places.append(restore(entry.path))
        except (OSError, UserError) as error:
            fault = fault or tr("{name} cannot be restored: {error}", name=readable(entry.name), error=error)
    yield places, fault


def _remove(entries: Sequence[TrashEntry]) -> Generator[str, None, None]:
    fault = ""
    for entry in entries:
        try:
            trash_can().delete(entry.path)
        except (OSError, UserError) as error:
            fault = fault or str(error)
    yield fault
