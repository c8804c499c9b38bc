"""A training as the window sees it: at most one at a time, which can be paused, stopped and resumed."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from diffusion_studio import events, training_events
from diffusion_studio.events import SAVE, Answer, EstimateEvent, TrainingEvent, Warned
from diffusion_studio.language import tr
from diffusion_studio.machine.sleep import keep_awake
from diffusion_studio.settings.distillation import DistilSettings
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training_events import CheckpointSaved
from diffusion_studio.ui.base.worker import Worker

Reported = TypeVar("Reported")


class TrainingSession(QObject):
    """Runs the training job on a worker of its own, and measures steps there. The job itself saves however it ends."""

    waiting = Signal(str)  # for what, in words
    adapted = Signal(object)  # AutoencoderAdapted
    started = Signal(object)  # TrainingStarted
    progressed = Signal(object)  # Loss
    sampled = Signal(object)  # Samples
    saved = Signal(int)  # step of a checkpoint
    compared = Signal(object)  # SnapshotSaved
    warned = Signal(str)
    published = Signal(object)  # Published
    estimated = Signal(object)  # Estimated
    measuring = Signal(str)  # what is being measured, in words
    estimate_ended = Signal(str)  # why it failed, in a sentence; "" where it did not
    changed = Signal()  # `state`
    held = Signal()  # a pause has begun, and its checkpoint is saved
    ended = Signal(str)  # "finished", "stopped", "interrupted" (the window closes) or "failed"
    failed = Signal(str, str)  # sentence, details
    differs = Signal(object)  # DataDiffers: resuming is refused, and the job fails next

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker = Worker("training", self)
        self.state = "idle"  # or "running", "paused", "stopping"
        self.run: Path | None = None  # the folder of the run, once it is known
        self._job: int | None = None
        self._estimate: int | None = None
        self.worker.reported.connect(self._on_event)
        self.worker.job_finished.connect(lambda job: self._on_end(job, "finished"))
        self.worker.job_cancelled.connect(lambda job: self._on_end(job, "stopped"))
        self.worker.job_failed.connect(self._on_failed)
        self.worker.job_held.connect(self._on_held)

    @property
    def running(self) -> bool:
        """Whether there is a training, paused ones included."""
        return self.state != "idle"

    def start(
        self,
        settings: TrainingSettings | DistilSettings,
        resume: str | None = None,
        *,
        changed_data: bool = False,
    ) -> None:
        """Begin a training or a distillation, or resume the run called `resume`, unless a training is running already."""
        if self.running:
            return
        from diffusion_studio.jobs import train as jobs

        self.cancel_estimate()
        self.run = None
        if isinstance(settings, DistilSettings):
            job = jobs.distil(settings)
        else:
            job = jobs.train(settings, resume=resume, changed_data=changed_data)
        self._job = self.worker.submit(awake(job, tr("Training {run}", run=resume or settings.name)))
        self._become("running")

    def pause(self) -> None:
        """Hold after the current step with everything loaded.

        The job is asked for a checkpoint first, so that the model can be used during the pause.
        """
        if self._job is not None and self.state == "running":
            self.worker.hold(self._job, ask=SAVE, until=(CheckpointSaved, Warned))
            self._become("paused")

    def resume(self) -> None:
        """End a pause."""
        if self._job is not None and self.state == "paused":
            self.worker.release(self._job)
            self._become("running")

    def stop(self) -> None:
        """End after the current step; the job saves a checkpoint to resume from."""
        if self._job is not None and self.state != "stopping":
            self._become("stopping")
            self.worker.cancel(self._job)

    def estimate(self, settings: TrainingSettings) -> None:
        """Measure a few steps of these settings, in place of a measurement that still runs."""
        self.cancel_estimate()
        if not self.running:
            from diffusion_studio.jobs import train as jobs

            self._estimate = self.worker.submit(iter(jobs.estimate(settings)))

    def cancel_estimate(self) -> None:
        if self._estimate is not None:
            estimate, self._estimate = self._estimate, None
            self.worker.cancel(estimate)

    def _become(self, state: str) -> None:
        self.state = state
        self.changed.emit()

    def _on_event(self, job: int, event: TrainingEvent | EstimateEvent) -> None:
        if job == self._estimate:
            self._on_estimate_event(event)
        elif job == self._job:
            self._on_training_event(event)

    def _on_estimate_event(self, event: TrainingEvent | EstimateEvent) -> None:
        match event:
            case training_events.Estimated():
                self.estimated.emit(event)
            case events.Status(text=text):
                self.measuring.emit(text)

    def _on_training_event(self, event: TrainingEvent | EstimateEvent) -> None:
        match event:
            case events.Status(text=text):
                self.waiting.emit(text)
            case training_events.AutoencoderAdapted():
                self.adapted.emit(event)
            case training_events.TrainingStarted():
                self.run = event.run
                self.started.emit(event)
            case training_events.Loss():
                self.progressed.emit(event)
            case training_events.Samples():
                self.sampled.emit(event)
            case training_events.CheckpointSaved(step=step):
                self.saved.emit(step)
            case training_events.SnapshotSaved():
                self.compared.emit(event)
            case training_events.DataDiffers():
                self.differs.emit(event)
            case events.Warned(text=text):
                self.warned.emit(text)
            case training_events.Published():
                self.published.emit(event)
            case training_events.Estimated():
                pass
            case _:
                events.assert_never(event)

    def _on_end(self, job: int, outcome: str, sentence: str = "") -> None:
        if job == self._estimate:
            self._estimate = None
            self.estimate_ended.emit(sentence)
        if job != self._job:
            return
        asked, self._job = self.state == "stopping", None
        self._become("idle")
        self.ended.emit("interrupted" if outcome == "stopped" and not asked else outcome)

    def _on_held(self, job: int) -> None:
        if job == self._job and self.state == "paused":
            self.held.emit()

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        if job == self._job:
            self.failed.emit(sentence, details)
        self._on_end(job, "failed", sentence)


def awake(
    job: Generator[Reported, Answer | None, None], reason: str
) -> Generator[Reported, Answer | None, None]:
    """The job; while it runs, the computer does not go to sleep by itself."""
    with keep_awake(reason):
        yield from job
