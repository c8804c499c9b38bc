"""The run that the Run step shows, trained or not: how far it is, and what can be done with what it has reached."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from diffusion_studio.language import tr
from diffusion_studio.training_events import Loss, TrainingStarted
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.train.publishing import Publishing
from diffusion_studio.ui.train.records import RunRecord, RunRow, read_run
from diffusion_studio.ui.train.run_view import RunView
from diffusion_studio.ui.train.session import TrainingSession
from diffusion_studio.ui.train.smoothing.smoothing import Smoothing
from diffusion_studio.ui.train.words import about


class ShownRun(QObject):
    """`row` is the run as its file had it last; None until that was read."""

    resume_wanted = Signal(object)  # RunRow

    def __init__(
        self,
        context: AppContext,
        view: RunView,
        session: TrainingSession,
        publishing: Publishing,
        smoothing: Smoothing,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._context, self._view = context, view
        self._session, self._publishing, self._smoothing = session, publishing, smoothing
        self.title, self._size = "", 0
        self.row: RunRow | None = None
        session.waiting.connect(self._on_waiting)
        session.adapted.connect(view.samples.show_adapted)
        session.progressed.connect(self._on_progress)
        session.sampled.connect(view.samples.add)
        session.compared.connect(view.add_ratio)
        session.warned.connect(view.warn)
        session.published.connect(lambda event: publishing.report(event.name, self.title))
        session.changed.connect(self._on_state)
        session.held.connect(self._show_paused)
        publishing.began.connect(view.outcome.show_busy)
        publishing.published.connect(self._on_published)
        publishing.failed.connect(self._on_publish_failed)
        smoothing.began.connect(view.outcome.show_busy)
        smoothing.applied.connect(publishing.report)
        smoothing.failed.connect(self._on_publish_failed)

    # --- while it is trained ---

    def begin(self, title: str, row: RunRow | None, size: int) -> None:
        """A training is about to start: a new run, or `row` resumed."""
        self.title, self.row, self._size = title, row, size
        self._view.outcome.hide()
        self._view.begin(title, None, size)
        self._view.line.setText(tr("Getting ready…"))

    def start(self, event: TrainingStarted, sample_every: float) -> None:
        """Its folder is known; the first samples come after `sample_every` seconds."""
        self._view.begin(self.title, event.run, self._size)
        self._view.samples.expect_first(sample_every)
        self._context.run(read_run(event.run), self._on_run_read)

    def _on_run_read(self, record: RunRecord) -> None:
        self.row = record.row
        self._show_record(record)

    def _on_waiting(self, words: str) -> None:
        if self._session.state == "running":
            self._view.line.setText(words)

    def _on_progress(self, event: Loss) -> None:
        self._view.add(event)
        if self.row is not None:
            self.row = replace(self.row, step=event.step)
        if self._session.state == "running":
            words = tr("{share:.0%} · {time} left", share=event.fraction, time=about(event.time_left))
            self._view.line.setText(words)

    def _on_state(self) -> None:
        state = self._session.state
        self._view.show_state(state)
        if state == "running":
            self._view.outcome.hide()
        elif state != "idle":
            stopping = state == "stopping"
            words = tr("Finishing the step and saving…") if stopping else tr("Finishing the step…")
            self._view.line.setText(words)

    def _show_paused(self) -> None:
        self._view.samples.expect_first(0)  # a time runs on only while it trains
        self._view.line.setText(tr("Paused; everything stays loaded"))
        self._view.outcome.show_paused(self.row.step if self.row is not None else 0, self._use_checkpoint)

    def _use_checkpoint(self) -> None:
        if self._session.run is not None:
            self._publishing.publish(self._session.run.name, self.title, then_generate=True)

    # --- while it is not ---

    def show_row(self, row: RunRow) -> None:
        """Show another run, unless one is trained."""
        if not self._session.running:
            self._context.run(read_run(row.path), self.show_record)

    def show_record(self, record: RunRecord) -> None:
        """Show what was read of a run."""
        self._view.begin(record.row.title, record.row.path, record.row.size)
        self._show_record(record)
        self._view.outcome.hide()
        self.show_outcome(record.row)

    def show_outcome(self, row: RunRow, fault: str = "") -> None:
        """What a run that is not being trained has reached, and what can be done next; `fault`: why it ended."""
        if self._session.running:
            return
        self.row = row
        self._view.samples.expect_none()
        self._view.outcome.show_run(
            row,
            fault,
            resume=lambda: self.resume_wanted.emit(row),
            save=lambda: self._publishing.publish(row.name, row.title),
            use=lambda: self._publishing.use(row.published),
            smooth=lambda: self._smoothing.open(row),
        )

    def _show_record(self, record: RunRecord) -> None:
        self._view.samples.name_weights(student=record.row.settings.distil is not None)
        self._view.add_before(record.log)

    def _on_published(self, name: str, title: str) -> None:
        if self._session.state == "paused":
            self._show_paused()
        elif self.row is not None:
            saved = self.row = replace(self.row, published=name)
            self._view.outcome.show_finished(
                saved,
                lambda: self.resume_wanted.emit(saved),
                lambda: self._publishing.use(name),
                lambda: self._smoothing.open(saved),
            )

    def _on_publish_failed(self) -> None:
        if self._session.state == "paused":
            self._show_paused()
        elif self.row is not None:
            self.show_outcome(self.row)
