"""What comes of a training: a model made of its newest checkpoint, in the chooser at once, and the way to draw with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.requests import OpenModel
from diffusion_studio.ui.base.worker import Worker

if TYPE_CHECKING:
    from diffusion_studio.events import PublishEvent


class Result(QObject):
    """Publishes on a thread of its own, so that a paused training can be tried out."""

    published = Signal(str, str)  # name of the model, title

    def __init__(self, context: AppContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self.worker = Worker("publishing", self)
        self._asked: dict[int, tuple[str, bool]] = {}
        self.worker.reported.connect(self._on_event)
        self.worker.job_failed.connect(lambda job, sentence, details: context.show_fault(sentence, details))
        self.worker.job_ended.connect(lambda job: self._asked.pop(job, None))

    def publish(self, run: str, title: str, *, then_generate: bool = False) -> None:
        """Make a model of a run, unless one is being made already."""
        if self.worker.busy:
            return
        from diffusion_studio.jobs.train import publish

        self._context.show_status(tr("Making a model of the newest checkpoint…"))
        self._asked[self.worker.submit(iter(publish(run)))] = (title, then_generate)

    def told(self, name: str, title: str) -> None:
        """A model has come to be, here or at the end of a training."""
        self._context.models_changed.emit()
        self._context.show_status(tr("“{title}” is in the model chooser", title=title))
        self.published.emit(name, title)

    def generate_with(self, name: str) -> None:
        """Go to the Generate page with this model chosen."""
        self._context.go_to("generate", OpenModel(name))

    def _on_event(self, job: int, event: PublishEvent) -> None:
        from diffusion_studio.events import Published, Status, assert_never

        match event:
            case Published(name=name):
                title, then_generate = self._asked[job]
                self.told(name, title)
                if then_generate:
                    self.generate_with(name)
            case Status():
                pass
            case _:
                assert_never(event)
