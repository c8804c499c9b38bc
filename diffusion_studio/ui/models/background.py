"""What takes a while with a model: one task at a time in a thread of its own, with progress and Cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from diffusion_studio.events import SheetProgress, SheetSaved, Status
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.look.texts import readable, shorten
from diffusion_studio.ui.models import jobs
from diffusion_studio.ui.models.activity import Activity
from diffusion_studio.ui.models.export_dialog import ExportRequest
from diffusion_studio.ui.pictures.commands import reveal


class ModelTasks(QObject):
    """Import, export, verify, duplicate and samples. Progress goes to `activity`, the outcome to the window."""

    changed = Signal()  # a task began or ended
    model_changed = Signal(object)  # ModelCard that is new or was changed
    text_extra_wanted = Signal(object)  # what to do again, a function, once it is installed

    def __init__(self, context: AppContext, activity: Activity, parent: QObject) -> None:
        super().__init__(parent)
        self._context, self._activity = context, activity
        self.worker = Worker("models", self)
        self._then: Callable[[Any], None] = lambda event: None
        self._after: Callable[[], None] | None = None  # what follows the task that runs
        self.worker.reported.connect(self._on_event)
        self.worker.job_failed.connect(self._on_failed)
        self.worker.job_ended.connect(self._on_ended)

    @property
    def busy(self) -> bool:
        return self.worker.busy

    def cancel(self) -> None:
        self.worker.cancel_all()

    def import_model(self, source: Path) -> None:
        def then(card: ModelCard | jobs.TextExtraWanted) -> None:
            if isinstance(card, jobs.TextExtraWanted):
                self._after = lambda: self.text_extra_wanted.emit(lambda: self.import_model(source))
                return
            imported = tr("“{title}” imported.", title=card.title)
            self._context.show_status(" ".join([imported, *card.remarks[:1]]))
            self.model_changed.emit(card)

        words = tr("Importing {path}…", path=shorten(readable(source), 60))
        self._begin(words, jobs.import_model(source), then)

    def install_text_extra(self, again: Callable[[], None]) -> None:
        """Install what text models need, with progress in the activity; then do again what asked for it."""

        def installed(_: bool) -> None:
            self._after = again

        self._begin(tr("Installing what text models need…"), jobs.install_text_extra(), installed)

    def export(self, card: ModelCard, request: ExportRequest) -> None:
        def then(target: Path) -> None:
            self._context.show_notice(
                tr("“{title}” exported to {path}.", title=card.title, path=shorten(readable(target), 70)),
                action=tr("Show"),
                do=lambda: reveal(target),
            )

        job = jobs.export_model(
            card.name, request.target, dtype=request.dtype, zip=request.zip, layout=request.layout
        )
        self._begin(tr("Exporting “{title}”…", title=card.title), job, then)

    def verify(self, card: ModelCard) -> None:
        def then(event: object) -> None:
            from diffusion_studio.models.verify import Hashed, ModelVerdict

            if isinstance(event, Hashed):
                self._activity.advance(event.done, event.total)
            elif isinstance(event, ModelVerdict):
                self._show_verdict(card, event.faults, compared=event.compared)

        self._begin(tr("Verifying “{title}”…", title=card.title), jobs.verify_model(card.name), then)

    def _show_verdict(self, card: ModelCard, faults: tuple[str, ...], *, compared: bool) -> None:
        if faults:
            words = tr("“{title}” is damaged. {faults}", title=card.title, faults=" ".join(faults))
            self._context.show_fault(words)
        elif compared:
            self._context.show_status(tr("“{title}” verified: no problems found.", title=card.title))
        else:
            words = tr("“{title}” verified: no problems found. Its card has no hash.", title=card.title)
            self._context.show_status(words)

    def duplicate(self, card: ModelCard) -> None:
        def then(copy: ModelCard) -> None:
            self._context.show_status(tr("Duplicated as “{title}”.", title=copy.title))
            self.model_changed.emit(copy)

        self._begin(tr("Duplicating “{title}”…", title=card.title), jobs.duplicate(card.name), then)

    def make_samples(self, card: ModelCard) -> None:
        words = tr("Generating samples with “{title}”…", title=card.title)

        def then(event: object) -> None:
            if isinstance(event, SheetProgress):
                self._activity.words.setText(words)
                self._activity.advance(event.done, event.total)
            elif isinstance(event, SheetSaved):
                self._context.show_status(tr("Samples added to “{title}”.", title=card.title))
                self.model_changed.emit(card)

        self._begin(words, jobs.make_sample_sheet(card.name), then)

    # --- the thread ---

    def _begin(self, words: str, job: Iterator[object], then: Callable[[Any], None]) -> None:
        if self.busy:
            return
        self._then = then
        self._activity.begin(words)
        self.worker.submit(job)
        self.changed.emit()

    def _on_event(self, job: int, event: object) -> None:
        if isinstance(event, Status):
            self._activity.show_stage(event.text)
        else:
            self._then(event)

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        self._context.show_fault(sentence, details)

    def _on_ended(self, job: int) -> None:
        self._activity.hide()
        self.changed.emit()
        after, self._after = self._after, None
        if after is not None:
            after()
