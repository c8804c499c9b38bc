"""What follows from the settings of a training, once they rest: the images as seen, the schedule shown, the time it takes."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.models import cards
from diffusion_studio.settings.recipes import RECIPES, applied
from diffusion_studio.settings.training import MODEL_SIZES, TrainingSettings
from diffusion_studio.training.starting import fitting_start
from diffusion_studio.training_events import Estimated
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.train.images.folder import FolderView
from diffusion_studio.ui.train.recipe import RecipeView, follows
from diffusion_studio.ui.train.session import TrainingSession

SETTLE = 400  # milliseconds the settings must rest

Facts = tuple[object, ...]  # what the time of a step depends on


class Forecast(QObject):
    """Follows the recipe and the folder's report; measures a few steps unless a training is running.

    The settings in the form are measured first, then those of each recipe; what was measured is not measured again.
    """

    def __init__(
        self,
        context: AppContext,
        recipe: RecipeView,
        images: FolderView,
        session: TrainingSession,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._context, self._recipe, self._images, self._session = context, recipe, images, session
        self._report: Mapping[str, Any] = {}
        self._reported_size = 0
        self._known: dict[Facts, Estimated | None] = {}  # None: it cannot be measured
        self._asked: Facts | None = None
        self._counted: Facts = ()
        self._timer = QTimer(self, singleShot=True, interval=SETTLE)
        self._timer.timeout.connect(self._compute)
        recipe.changed.connect(self._timer.start)
        recipe.cost_changed.connect(self.show_models)
        context.models_changed.connect(self.show_models)
        session.estimated.connect(self._take_estimate)
        session.estimate_ended.connect(self._on_estimate_ended)
        session.measuring.connect(self._show_measuring)

    def begin(self) -> None:
        self.show_models()
        self._timer.start()

    def close_down(self) -> None:
        self._timer.stop()

    @property
    def settings(self) -> TrainingSettings:
        """Those in the form; the usual ones where they are not allowed together."""
        try:
            return self._recipe.value()
        except UserError:
            return TrainingSettings()

    def forget_report(self) -> None:
        """Another folder is being looked through."""
        self._report, self._known = {}, {}
        self._stop_measuring()

    def take_report(self, report: Mapping[str, Any]) -> bool:
        """Whether it is the first of its folder, and not one for another size."""
        first = not self._report
        self._report, self._reported_size = report, int(report["size"])
        self._timer.start()
        return first

    def training_begins(self) -> None:
        """What is not measured yet is measured when it has ended."""
        self._stop_measuring()

    def training_ended(self) -> None:
        self._timer.start()

    def show_models(self) -> None:
        self._recipe.show_cards(cards.installed())

    def _compute(self) -> None:
        self._suggest_start()
        settings = self.settings
        self._recipe.noise.show_schedule(settings.schedule, settings.timesteps)
        self._images.show_as(settings)
        if not self._report or self._session.running:
            return
        if settings.size != self._reported_size:
            self._reported_size = settings.size
            self._images.look_again(settings)
        if self._report["usable"]:
            self._count_parameters(settings)
            self._measure()

    def _suggest_start(self) -> None:
        """With few images or few steps, start from a model made for that."""
        if not self._session.running:
            usable = int(self._report.get("usable", 0))
            alone = replace(self.settings, start_from="")
            self._recipe.suggest_start(fitting_start(alone, usable))

    def _measure(self) -> None:
        """Measure the next of what is wanted, unless that is under way."""
        wanted = self._wanted()
        self._show_known(wanted)
        missing = {facts: each for facts, each in wanted.items() if facts not in self._known}
        if self._asked in missing or self._session.running:
            return
        self._stop_measuring()
        if missing:
            self._asked, settings = next(iter(missing.items()))
            self._session.estimate(settings)

    def _wanted(self) -> dict[Facts, TrainingSettings]:
        settings = self.settings
        each = [settings, *(applied(name, settings) for name in RECIPES)]
        return {follows(one): one for one in each}

    def _show_known(self, wanted: Mapping[Facts, TrainingSettings]) -> None:
        settings = self.settings
        times: dict[str, float | None] = {}
        for name in RECIPES:
            one = applied(name, settings)
            known = self._known.get(follows(one))
            if known is not None:
                times[name] = one.steps * known.step_seconds
            elif follows(one) not in self._known:
                times[name] = None
        self._recipe.show_times(times)
        own = self._known.get(follows(settings))
        if own is not None:
            self._recipe.show_estimate(own)

    def _take_estimate(self, estimate: Estimated) -> None:
        if self._asked is not None:
            self._known[self._asked] = estimate
            self._show_known(self._wanted())

    def _on_estimate_ended(self, fault: str) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return
        if asked not in self._known:
            self._known[asked] = None
            if asked == follows(self.settings):
                self._recipe.show_cost(fault)
        self._measure()

    def _show_measuring(self, words: str) -> None:
        if self._asked == follows(self.settings):
            self._recipe.show_cost(words)

    def _stop_measuring(self) -> None:
        self._asked = None
        self._session.cancel_estimate()

    def _count_parameters(self, settings: TrainingSettings) -> None:
        classes = len(self._report["classes"]) if settings.classes else 0
        asked = (settings.size, classes, settings.space)
        if asked != self._counted:
            self._counted = asked
            self._context.run(count_parameters(*asked), self._recipe.show_parameters)


def count_parameters(size: int, classes: int, space: str) -> Generator[dict[str, int], None, None]:
    """A job: the parameters of each model size, without memory for them."""
    from diffusion_studio.training.estimate import count_parameters as count
    from diffusion_studio.training.step.architectures import shape_for

    try:
        yield {name: count(shape_for(size, name, classes, space)) for name in MODEL_SIZES}
    except UserError:
        return  # a size no network has is reported when it is measured
