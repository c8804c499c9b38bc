"""A comparison in place of the canvas: its columns and rows, the grid as it fills, and what can be done with it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import fields
from pathlib import Path

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QStackedWidget, QVBoxLayout, QWidget

from diffusion_studio import events
from diffusion_studio.errors import UserError, not_saved
from diffusion_studio.events import CompareEvent
from diffusion_studio.jobs.compare import Comparison, compare
from diffusion_studio.language import plural, tr
from diffusion_studio.models import cards
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.units import duration
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.page import fill_menu
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.compare.head import CompareHead
from diffusion_studio.ui.compare.layout import Place
from diffusion_studio.ui.compare.painting import DONE
from diffusion_studio.ui.compare.sheet import CompareSheet
from diffusion_studio.ui.look.buttons import ground_button
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_XS
from diffusion_studio.ui.pictures import commands
from diffusion_studio.ui.pictures.pair import PairView
from diffusion_studio.ui.pictures.picture import Picture

LOADED = tuple(f.name for f in fields(GenerationSettings) if f.name != "count")  # into the panel, from a cell


FOOT = 50  # height of the row of buttons


class CompareView(QWidget):
    progressed = Signal(float, str)  # share done, words
    ended = Signal(str)  # in words
    settings_wanted = Signal(object)  # names and values of GenerationSettings
    shown_alone = Signal(object)  # Picture, to be shown on the canvas
    closed = Signal()

    def __init__(self, context: AppContext, worker: Worker, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context, self._worker = context, worker
        self._job: int | None = None
        self._comparison: Comparison | None = None
        self._begun_cells = 0
        self.head = CompareHead()
        self.sheet = CompareSheet()
        self.pair: PairView | None = None
        self.stack = QStackedWidget()
        self.save_sheet = ground_button(
            tr("Save grid…"), tr("Save the grid as one image, with all settings embedded")
        )
        self.save_cells = ground_button(
            tr("Save images…"), tr("Save every image by itself, with its settings")
        )
        self.two = ground_button(
            tr("Compare two"),
            tr("Show the two selected images side by side; Ctrl+click selects a second one"),
        )
        self.fit = ground_button(tr("Fit"), tr("Fit the whole grid into view (F)"))
        self._lay_out()
        self._connect()
        self._follow_selection()
        self.sheet.show_message(
            tr("Your comparison grid will appear here"),
            tr("Choose what columns and rows vary, then press Compare."),
        )

    @property
    def running(self) -> bool:
        return self._job is not None

    @property
    def foot(self) -> QWidget:
        """The row of buttons at its bottom, of the grid or of two images."""
        shown = self.stack.currentWidget()
        return self.pair.foot if self.pair is not None and shown is self.pair else self._foot

    @property
    def controls(self) -> list[QWidget]:
        return [*self.head.controls, self.sheet, self.two, self.save_sheet, self.save_cells, self.fit]

    # --- the comparison ---

    def start(self, settings: GenerationSettings) -> None:
        """Generate the grid, unless one is being generated. Raises `UserError` for axes that are not possible."""
        if self.running:
            return
        axes = self.head.axes()
        if any(axis is not None and axis.setting == "sampler" for axis in axes):
            settings = _by_hand(settings)
        comparison = Comparison(settings, *axes)
        self._comparison, self._begun_cells = comparison, 0
        self._show_sheet()
        own = {place: cell.settings for place, cell in comparison.cells.items()}
        self.sheet.begin(comparison.x, comparison.y, own, _side(comparison.settings.model))
        self._job = self._worker.submit(compare(comparison, save=False))
        self.progressed.emit(0.0, tr("Getting ready…"))
        self._follow_selection()

    def stop(self) -> None:
        """Stop generating; what is done stays."""
        if self._job is not None:
            job, self._job = self._job, None
            self._worker.cancel(job)
            self.sheet.show_stopped()
            self._end(tr("Stopped: {done}", done=self._done_words()))

    def _on_event(self, job: int, event: CompareEvent) -> None:
        if job != self._job:
            return
        match event:
            case events.CellPreview():
                picture = Picture({"denoised": event.denoised[0], "noisy": event.noisy[0]})
                place = event.column, event.row
                until = self._comparison.cells[place].settings.until if self._comparison else 0
                share = event.index / max(
                    until or event.total, 1
                )  # of its own way: it may stop before the end
                self.sheet.show_forming(place, picture, share)
                self._report(share)
            case events.CellDone():
                picture = Picture({"denoised": event.picture}, settings=event.settings)
                self.sheet.show_done((event.column, event.row), picture)
                self._follow_selection()
                self._report(0.0)
            case events.CellFailed():
                self.sheet.show_failed((event.column, event.row), event.reason)
                self._report(0.0)
            case events.Status(text=text):
                self.progressed.emit(self._share(0.0), text)
            case events.Warned(text=text):
                self._context.show_status(text)
            case events.CompareStarted() | events.CellStarted():
                pass
            case events.Saved() | events.NotSaved() | events.SheetSaved():
                pass  # saved by hand
            case events.Finished(seconds=seconds):
                self._last_words = tr(
                    "{done} in {time}",
                    done=self._done_words(),
                    time=duration(seconds),
                )
            case _:
                events.assert_never(event)

    def _on_finished(self, job: int) -> None:
        if job == self._job:
            self._job = None
            self._end(getattr(self, "_last_words", self._done_words()))

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        if job == self._job:  # the owner of the worker says why
            self._job = None
            self.sheet.show_stopped()
            self._end("")

    def _end(self, words: str) -> None:
        self._follow_selection()
        self.ended.emit(words)

    def _share(self, of_cell: float) -> float:
        count = max(len(self.sheet.cells), 1)
        over = sum(cell.state >= DONE for cell in self.sheet.cells.values())
        return (over + of_cell) / count

    def _report(self, of_cell: float) -> None:
        over = sum(cell.state >= DONE for cell in self.sheet.cells.values())
        count = len(self.sheet.cells)
        self.progressed.emit(
            self._share(of_cell), tr("Image {number} of {count}", number=min(over + 1, count), count=count)
        )

    def _done_words(self) -> str:
        done = self._comparison.done if self._comparison else 0
        return plural("{done} of {count} image", "{done} of {count} images", len(self.sheet.cells), done=done)

    # --- what can be done with it ---

    def _apply(self, column: int, row: int) -> None:
        """Apply the settings of a cell to the panel."""
        cell = self.sheet.cells[column, row]
        values = {name: getattr(cell.settings, name) for name in LOADED}
        if cell.settings.model.startswith("run:"):
            del values["model"]
        self.settings_wanted.emit(values)
        self._context.show_status(tr("Applied: {values}", values=cell.applied))

    def show_pair(self) -> None:
        """Show the two selected images side by side."""
        pictures = self._selected_pictures()
        if len(pictures) != 2:
            return
        left, right = pictures
        names = [self.sheet.cells[place].title for place in self.sheet.selected]
        if self.pair is None:
            self.pair = PairView(left, right, names=names, closable=True)
            self.pair.closed.connect(self._show_sheet)
            self.stack.addWidget(self.pair)
        self.pair.show_pictures(left, right, names)
        self.stack.setCurrentWidget(self.pair)
        self._foot.hide()
        self.pair.setFocus()

    def leave(self) -> bool:
        """Go one back: from two images to the grid; whether there was anything to leave."""
        if self.pair is not None and self.stack.currentWidget() is self.pair:
            self._show_sheet()
            return True
        return False

    def _show_sheet(self) -> None:
        self.stack.setCurrentWidget(self.sheet)
        self._foot.show()
        self.sheet.setFocus()

    def _selected_pictures(self) -> list[Picture]:
        cells = [self.sheet.cells[place] for place in self.sheet.selected if place in self.sheet.cells]
        return [cell.picture for cell in cells if cell.picture is not None and cell.state == DONE]

    def _save_sheet(self) -> None:
        comparison = self._comparison
        if comparison is None or not comparison.done:
            return
        own = comparison.settings
        name = f"{own.model}-{own.seed}-compare.png"
        commands.save_as(self._context, self, comparison.sheet(), name, own, comparison.facts())

    def _save_cells(self) -> None:
        comparison = self._comparison
        folder = commands.ask_folder(self) if comparison is not None and comparison.done else None
        if comparison is not None and folder is not None:
            self._context.run(
                _save_in(comparison, folder),
                lambda path: self._context.show_status(tr("Saved to {path}", path=readable(path))),
            )

    def _show_menu(self, column: int, row: int, position: QPoint) -> None:
        cell = self.sheet.cells[column, row]
        menu = QMenu(self)
        use = make_action(menu, tr("Apply these settings"))
        use.triggered.connect(lambda: self._apply(column, row))
        show = make_action(menu, tr("Show on canvas"))
        show.triggered.connect(lambda: self._show_alone((column, row)))
        copy = make_action(menu, tr("Copy"))
        copy.triggered.connect(lambda: self._copy((column, row)))
        two = make_action(menu, tr("Compare the two selected"))
        two.triggered.connect(self.show_pair)
        for entry in (show, copy):
            entry.setEnabled(cell.state == DONE)
        two.setEnabled(len(self._selected_pictures()) == 2)
        fill_menu(menu, [use, show, copy, None, two])
        menu.exec(position)
        menu.deleteLater()

    def _show_alone(self, place: Place) -> None:
        picture = self.sheet.cells[place].picture
        if picture is not None:
            self.shown_alone.emit(picture)

    def _copy(self, place: Place) -> None:
        picture = self.sheet.cells[place].picture
        if picture is not None:
            commands.copy_picture(picture.pixels)
            self._context.show_status(tr("Image copied"))

    # --- following ---

    def _follow_selection(self) -> None:
        done = self._comparison is not None and self._comparison.done > 0
        for button in (self.save_sheet, self.save_cells):
            button.setVisible(done)
        self.fit.setVisible(bool(self.sheet.cells))
        self.two.setVisible(len(self._selected_pictures()) == 2)
        self._group.setVisible(bool(self.sheet.cells))

    def _connect(self) -> None:
        worker = self._worker
        worker.reported.connect(self._on_event)
        worker.job_finished.connect(self._on_finished)
        worker.job_failed.connect(self._on_failed)
        self.head.closed.connect(self.closed)
        self.sheet.applied.connect(self._apply)
        self.sheet.selection_changed.connect(self._follow_selection)
        self.sheet.menu_wanted.connect(self._show_menu)
        self.two.clicked.connect(self.show_pair)
        self.save_sheet.clicked.connect(self._save_sheet)
        self.save_cells.clicked.connect(self._save_cells)
        self.fit.clicked.connect(self.sheet.fit)

    def _lay_out(self) -> None:
        self._foot = QFrame()
        self._foot.setObjectName("compareFoot")
        group = self._group = QFrame()
        group.setObjectName("onGround")
        inner = QHBoxLayout(group)
        inner.setContentsMargins(SPACE_XS - 1, SPACE_XS - 1, SPACE_XS - 1, SPACE_XS - 1)
        inner.setSpacing(2)
        for button in (self.two, self.save_sheet, self.save_cells, self.fit):
            inner.addWidget(button)
        self._foot.setFixedHeight(FOOT)
        row = QHBoxLayout(self._foot)
        row.setContentsMargins(SPACE_M, 0, SPACE_M, SPACE_M)
        row.addStretch(1)
        row.addWidget(group)
        row.addStretch(1)
        self.stack.addWidget(self.sheet)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(self.stack, 1)
        column.addWidget(self._foot)


def _by_hand(settings: GenerationSettings) -> GenerationSettings:
    """Without what the model recommends together with its own sampler: several are compared."""
    try:
        return cards.find(settings.model).without_recipe(settings)
    except UserError:
        return settings


def _side(model: str) -> int:
    try:
        return cards.find(model).size
    except UserError:
        return 32


def _save_in(comparison: Comparison, folder: Path) -> Generator[Path, None, None]:
    """A job: save every image by itself; one that cannot be saved costs none of the others."""
    done = [place for place in comparison.places() if comparison.cells[place].picture is not None]
    reasons = []
    for place in done:
        try:
            comparison.save_cell(place, folder)
        except UserError as error:
            reasons.append(str(error))
    if len(reasons) < len(done):
        yield folder
    if reasons:
        raise UserError(not_saved(reasons, len(done)), "\n".join(reasons))
