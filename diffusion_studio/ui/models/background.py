"""What takes a while with a model, one at a time in a thread of its own: told of in the activity line, cancelled there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from diffusion_studio.language import tr
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.look.texts import readable, shorten
from diffusion_studio.ui.models import jobs
from diffusion_studio.ui.models.activity import Activity
from diffusion_studio.ui.models.export_dialog import Wish
from diffusion_studio.ui.pictures.commands import reveal


class ModelErrands(QObject):
    changed = Signal()  # something began or ended
    model_changed = Signal(object)  # ModelCard that came or became another

    def __init__(self, context: AppContext, activity: Activity, parent: QObject) -> None:
        super().__init__(parent)
        self._context, self._activity = context, activity
        self.worker = Worker("models", self)
        self._then: Callable[[Any], None] = lambda event: None
        self._ended = False  # whether what came of it has been told
        self.worker.reported.connect(self._on_event)
        self.worker.job_failed.connect(self._on_failed)
        self.worker.job_ended.connect(lambda _: self._on_ended())

    def cancel(self) -> None:
        self.worker.cancel_all()

    def bring_in(self, source: Path) -> None:
        def then(card: Any) -> None:
            if isinstance(card, ModelCard):
                self._tell(" ".join([f"“{card.title}” is installed.", *card.remarks[:1]]))
                self.model_changed.emit(card)

        self._begin(
            tr("Importing {shorten}…", shorten=shorten(readable(source), 60)), jobs.bring_in(source), then
        )

    def give_away(self, card: ModelCard, wish: Wish) -> None:
        def then(target: Any) -> None:
            if isinstance(target, Path):
                self._tell(
                    tr("“{title}” is in {shorten}.", title=card.title, shorten=shorten(readable(target), 70)),
                    action="Show",
                    tip="Show it in the file manager",
                    do=lambda: reveal(target),
                )

        job = jobs.give_away(card.name, wish.target, dtype=wish.dtype, zip=wish.zip, layout=wish.layout)
        self._begin(tr("Exporting “{title}”…", title=card.title), job, then)

    def verify(self, card: ModelCard) -> None:
        def then(event: Any) -> None:
            from diffusion_studio.models.verify import Hashed, ModelVerdict

            if isinstance(event, Hashed):
                self._activity.advance(event.done, event.total)
            elif isinstance(event, ModelVerdict):
                self._tell_verdict(card, event)

        self._begin(tr("Verifying “{title}”…", title=card.title), jobs.look_through(card.name), then)

    def _tell_verdict(self, card: ModelCard, verdict: Any) -> None:
        if verdict.faults:
            self._activity.hide()
            self._ended = True
            self._context.show_fault(
                tr("“{title}” is not sound. {faults}", title=card.title, faults=" ".join(verdict.faults))
            )
        else:
            hashed = (
                "its hash is the one its card names"
                if verdict.compared
                else "its card names no hash to compare"
            )
            self._tell(
                tr(
                    "“{title}” is sound: it opens, every weight is finite, and {hashed}.",
                    title=card.title,
                    hashed=hashed,
                )
            )

    def duplicate(self, card: ModelCard) -> None:
        def then(copy: Any) -> None:
            self._tell(tr("“{title}” is a model of its own now.", title=copy.title))
            self.model_changed.emit(copy)

        self._begin(tr("Copying “{title}”…", title=card.title), jobs.duplicate(card.name), then)

    def draw_samples(self, card: ModelCard) -> None:
        def then(event: Any) -> None:
            from diffusion_studio.events import SheetProgress, SheetSaved

            if isinstance(event, SheetProgress):
                self._activity.words.setText(tr("Drawing samples with “{title}”…", title=card.title))
                self._activity.advance(event.done, event.total)
            elif isinstance(event, SheetSaved):
                self._tell(tr("“{title}” has samples now.", title=card.title))
                self.model_changed.emit(card)

        self._begin(tr("Drawing samples with “{title}”…", title=card.title), jobs.draw_sheet(card.name), then)

    # --- the thread ---

    def _begin(self, words: str, job: Iterator[Any], then: Callable[[Any], None]) -> None:
        if self.worker.busy:
            return
        self._then, self._ended = then, False
        self._activity.begin(words)
        self.worker.submit(job)
        self.changed.emit()

    def _tell(self, words: str, **how: Any) -> None:
        self._ended = True
        self._activity.end(words, **how)

    def _on_event(self, job: int, event: Any) -> None:
        from diffusion_studio.events import Status

        if isinstance(event, Status):
            self._activity.say(event.text)
        else:
            self._then(event)

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        self._activity.hide()
        self._ended = True
        self._context.show_fault(sentence, details)

    def _on_ended(self) -> None:
        if not self._ended:  # it was cancelled
            self._activity.hide()
        self.changed.emit()
