"""The result of a training: its newest checkpoint saved as a model, and the way to generate with it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from diffusion_studio.events import PublishEvent, Warned
from diffusion_studio.language import tr
from diffusion_studio.training_events import Published
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.requests import OpenModel
from diffusion_studio.ui.base.worker import Worker


class Publishing(QObject):
    """Saves models on a thread of its own, so that a paused training can be tried."""

    began = Signal(str)  # what is being done, in words
    published = Signal(str, str)  # name of the model, title
    failed = Signal()

    def __init__(self, context: AppContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self.worker = Worker("publishing", self)
        self._asked: dict[int, tuple[str, bool]] = {}
        self._words: dict[int, str] = {}  # on which weights become the model, by job
        self.worker.reported.connect(self._on_event)
        self.worker.job_failed.connect(self._on_failed)
        self.worker.job_ended.connect(self._on_ended)

    def publish(self, run: str, title: str, *, then_generate: bool = False) -> None:
        """Save a run as a model, unless one is being saved already."""
        if self.worker.busy:
            return
        from diffusion_studio.jobs import train as jobs

        self.began.emit(tr("Saving “{title}” as a model…", title=title))
        self._asked[self.worker.submit(iter(jobs.publish(run)))] = (title, then_generate)

    def report(self, name: str, title: str) -> None:
        """A model was saved, here or at the end of a training."""
        self._context.models_changed.emit()
        self._context.show_status(tr("“{title}” is in the list of models", title=title))
        self.published.emit(name, title)

    def use(self, name: str) -> None:
        """Select this model on the Generate page."""
        self._context.go_to("generate", OpenModel(name))

    def _on_event(self, job: int, event: PublishEvent) -> None:
        if isinstance(event, Warned):
            self._words[job] = event.text
        elif isinstance(event, Published):
            title, then_generate = self._asked[job]
            self.report(event.name, title)
            if self._words.get(job):
                self._context.show_status(f"{title}: {self._words[job]}")
            if then_generate:
                self.use(event.name)

    def _on_ended(self, job: int) -> None:
        self._asked.pop(job, None)
        self._words.pop(job, None)

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        self._context.show_fault(sentence, details)
        self.failed.emit()
