"""Samples for the dialog, each job cancelled by the next, and the model made with what was chosen, which Undo takes back."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.events import SheetProgress, Status
from diffusion_studio.jobs import smoothing as jobs
from diffusion_studio.jobs.smoothing import Smoothed
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.training_events import SmoothingSheet
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.look.texts import shorten
from diffusion_studio.ui.pictures.picture import to_image
from diffusion_studio.ui.train.records import RunRow
from diffusion_studio.ui.train.smoothing.dialog import SmoothingDialog


class Smoothing(QObject):
    began = Signal(str)  # the model is being made, in words
    applied = Signal(str, str)  # name of the model, title
    failed = Signal()

    def __init__(self, context: AppContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._context, self._parent = context, parent
        self.worker = Worker("smoothing", self)
        self.dialog: SmoothingDialog | None = None
        self._row: RunRow | None = None
        self._sheet: int | None = None  # the job that makes samples
        self._making: int | None = None  # the job that makes the model
        self.worker.reported.connect(self._on_event)
        self.worker.job_failed.connect(self._on_failed)
        self.worker.job_ended.connect(self._on_ended)

    def open(self, row: RunRow) -> None:
        """Ask for the smoothing of a run, unless a model is being made."""
        if self._making is not None:
            return
        self._row = row
        self.dialog = SmoothingDialog(row.title, row.size, _saved(row), self._parent)
        self.dialog.sheet_wanted.connect(self._want_sheet)
        self.dialog.applied.connect(self._apply)
        self.dialog.finished.connect(self._close)
        self.dialog.open()

    def _want_sheet(self, length: float) -> None:
        if self._row is not None:
            self._cancel_sheet()
            self._sheet = self.worker.submit(jobs.preview(self._row.name, length))

    def _cancel_sheet(self) -> None:
        if self._sheet is not None:
            self.worker.cancel(self._sheet)
            self._sheet = None

    def _close(self) -> None:
        self._cancel_sheet()
        if self.dialog is not None:
            self.dialog.deleteLater()
            self.dialog = None

    def _apply(self, length: float) -> None:
        if self._row is not None:
            self.began.emit(tr("Saving “{title}” as a model…", title=self._row.title))
            self._making = self.worker.submit(jobs.smooth(self._row.name, length))

    def _on_event(self, job: int, event: SheetProgress | SmoothingSheet | Status | Smoothed) -> None:
        if job == self._making:
            if isinstance(event, Smoothed):
                self._done(event)
            elif isinstance(event, Status):
                self.began.emit(event.text)
        elif job == self._sheet and self.dialog is not None:
            if isinstance(event, SmoothingSheet):
                self.dialog.show_sheet(to_image(event.pixels), event.sides, event.length)
            elif isinstance(event, SheetProgress):
                self.dialog.show_progress(event.done / event.total)

    def _on_ended(self, job: int) -> None:
        if job == self._making:
            self._making = None

    @property
    def working(self) -> bool:
        """Whether a model is being made; samples for the dialog do not count."""
        return self._making is not None

    def _done(self, event: Smoothed) -> None:
        row = self._row
        if row is None:
            return
        self.applied.emit(event.name, row.title)
        exchanged = Exchange(self._context, row.name, event.place, event.before)
        self._context.done(
            tr("“{title}” is smoothed", title=shorten(row.title, 40)),
            Change(tr("smoothing"), exchanged.swap, exchanged.swap),
        )

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        if job == self._making:
            self._context.show_fault(sentence, details)
            self.failed.emit()
        elif job == self._sheet and self.dialog is not None:
            self.dialog.show_fault(sentence)


class Exchange:
    """The model of a run, and the other one in the trash, which Undo and Redo put in its place."""

    def __init__(self, context: AppContext, run: str, place: Path, other: Path | None) -> None:
        self._context, self._run, self._place, self._other = context, run, place, other

    def swap(self) -> None:
        self._context.run(self._swapping(), lambda _: self._context.models_changed.emit())

    def _swapping(self) -> Generator[None, None, None]:
        """A job; it knows which of the two is where when it runs."""
        for now in jobs.exchange(self._run, self._place, self._other):
            self._other = now
            yield None


def _saved(row: RunRow) -> float | None:
    """The length that the run's model was made with; None where that was not chosen, or there is no model."""
    try:
        length = cards.find(row.published).trained.get("ema_length") if row.published else None
    except UserError:
        return None
    return float(length) if isinstance(length, int | float) else None
