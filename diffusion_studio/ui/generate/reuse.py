"""Settings that come from elsewhere: of a saved image, of another page, of a model to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import plural, tr
from diffusion_studio.models.card import RECOMMENDED
from diffusion_studio.settings import batch_rows
from diffusion_studio.settings.generation import OF_SIZE, OF_TEXT, STEERING, GenerationSettings
from diffusion_studio.settings.options import from_dict, to_dict
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.next_run import NextRun
from diffusion_studio.ui.generate.request import USUAL, GenerationRequest
from diffusion_studio.ui.generate.start.editor import StartEditor
from diffusion_studio.ui.generate.steering import Plan
from diffusion_studio.ui.pictures.canvas_commands import CanvasCommands

EVERY = tuple(field.name for field in fields(GenerationSettings))


class Reuse(QObject):
    """Every change it makes to the request can be undone."""

    clearing = Signal()  # what else is shown in the place of the canvas is to go
    plan_wanted = Signal(object)  # Plan

    def __init__(
        self, context: AppContext, request: GenerationRequest, start: StartEditor, next_run: NextRun
    ) -> None:
        super().__init__(next_run)
        self._context, self._request, self._start, self._next_run = context, request, start, next_run
        request.put_aside.connect(self._on_put_aside)

    def use(self, values: Mapping[str, Any], *, lock: bool = True) -> None:
        """Take these settings over; the others stay, but for those that are about another image.

        A seed that is among them is locked, unless it comes only with its image (`lock`): then it is used once.
        """
        if not values:
            return
        if set(values) == {"seed"}:
            self._request.lock_seed(values["seed"])
            return
        self._start.settle_if_possible()
        before = self._request.state
        if self._next_run.before is not None:
            self._next_run.cancel()
        settings, refused = self._complete(values)
        self._request.show(settings, lock=None if "seed" in values and lock else self._request.locked)
        if "seed" in values and not lock and settings.seed is not None:
            self._request.use_seed_once(settings.seed)
        self._context.undo.push(Change(tr("reuse of settings"), lambda: self._request.restore(before)))
        if refused:
            self._context.show_status(" ".join(refused))
        elif self._request.value().batch:
            rows = len(batch_rows.rows(settings.batch, settings.count))
            sentence = plural(
                "Generated in its place in a batch of {count}, for the same pixels. Change a setting to generate it alone.",
                "Generated in its place in a batch of {count}, for the same pixels. Change a setting to generate it alone.",
                rows,
            )
            self._context.show_status(sentence)

    def branch_from(self, values: Mapping[str, Any]) -> None:
        """Open a branch of a saved image: it is generated again for its steps, and nothing is saved before Branch is pressed."""
        if values.get("seed") is None:
            self._context.show_fault(
                tr("This image does not record its seed, so it cannot be branched from.")
            )
            return
        settings, _ = self._complete(values)
        self.clearing.emit()
        self._next_run.cancel()
        self.plan_wanted.emit(Plan(replace(settings, count=1), save=False, rehearsal=True))
        self._context.show_status(tr("Generating the image again for its steps. Nothing is saved."))

    def open_model(self, name: str) -> None:
        """Generate with this model from a clean state: what was set up for another one comes back with Undo."""
        self._start.settle_if_possible()
        before = self._request.state
        self.clearing.emit()
        self._next_run.cancel()
        self._request.clear()
        self._request.choose_model(name)
        if before.settings.source or before.locked:
            self._context.done(
                tr("Start image, mask and locked seed were put aside."),
                Change(tr("change of model"), lambda: self._request.restore(before)),
            )

    def _complete(self, values: Mapping[str, Any]) -> tuple[GenerationSettings, list[str]]:
        """These settings, with the request's where they name none, but nothing that is about its own image."""
        shown = to_dict(replace(self._request.value(), history=(), batch=""))
        shown.update({name: getattr(USUAL, name) for name in STEERING})
        card = next((card for card in self._request.cards if card.name == values.get("model")), None)
        if (
            card is not None and card.name != self._request.settings.model
        ):  # as it recommends, not as another model does
            shown.update({name: getattr(card.defaults(), name) for name in RECOMMENDED})
            shown.update({name: getattr(USUAL, name) for name in (*OF_TEXT, *OF_SIZE)})
        return from_dict(GenerationSettings, {**shown, **values})

    def _on_put_aside(self, left: GenerationSettings) -> None:
        """Another model of another size was chosen."""
        card = self._request.card
        if card is None:
            return
        if left.source:
            what = tr("Start image and mask") if left.mask else tr("Start image")
        else:
            what = tr("Variation")
        steered = {name: getattr(left, name) for name in STEERING}
        plain = {name: getattr(USUAL, name) for name in STEERING}
        sentence = tr(
            "{what} put aside: {title} generates {pixels} images.",
            what=what,
            title=card.title,
            pixels=card.pixels(),
        )
        change = Change(
            tr("putting aside of the start image") if left.source else tr("putting aside of the variation"),
            lambda: self._request.change(**steered),
            lambda: self._request.change(**plain),
        )
        self._context.done(sentence, change)


class ReuseCommands(QObject):
    """The entries that take settings of the image on the canvas; `canvas` enables them."""

    def __init__(self, reuse: Reuse, canvas: CanvasCommands, page: QWidget) -> None:
        super().__init__(page)
        self._reuse, self._canvas = reuse, canvas
        self.settings = make_action(
            page, tr("Reuse settings"), "Ctrl+U", tip=tr("Use the settings this image was made with")
        )
        self.seed = make_action(page, tr("Seed only"), "Ctrl+Shift+U", tip=tr("Use the seed of this image"))
        self.settings.triggered.connect(lambda: self._use(*EVERY))
        self.seed.triggered.connect(lambda: self._use("seed"))
        for entry in (self.settings, self.seed):
            entry.setEnabled(False)
        canvas.page_entries = [self.settings, self.seed]

    def _use(self, *names: str) -> None:
        subject = self._canvas.subject
        if subject is not None and subject.settings is not None:
            self._reuse.use({name: getattr(subject.settings, name) for name in names})
