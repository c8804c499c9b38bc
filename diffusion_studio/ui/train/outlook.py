"""What hangs on the choices of a training, computed once they rest: the pictures as seen, the schedule drawn, what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.train.choices import TrainingPanel, count_parameters
from diffusion_studio.ui.train.folder import FolderView
from diffusion_studio.ui.train.noise import NoiseView
from diffusion_studio.ui.train.session import Sitting

SETTLE = 400  # milliseconds the choices must rest


class Outlook(QObject):
    """Follows the panel and the folder's report; measures a few steps unless a training is running."""

    def __init__(
        self,
        context: AppContext,
        panel: TrainingPanel,
        pictures: FolderView,
        noise: NoiseView,
        sitting: Sitting,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._context, self._panel, self._sitting = context, panel, sitting
        self._pictures, self._noise = pictures, noise
        self._report: Mapping[str, Any] = {}
        self._reported_size = 0
        self._measure = False
        self._timer = QTimer(self, singleShot=True, interval=SETTLE)
        self._timer.timeout.connect(self._compute)
        panel.changed.connect(self._timer.start)
        panel.cost_changed.connect(self._want_measure)
        context.models_changed.connect(self.show_models)

    def begin(self) -> None:
        self.show_models()
        self._timer.start()

    def renew(self) -> None:
        """A training has ended, so there is time to measure what was not."""
        self._timer.start()

    def close_down(self) -> None:
        self._timer.stop()

    @property
    def choices(self) -> TrainingSettings:
        """As they stand; the usual ones where they can not be had together."""
        try:
            return self._panel.value()
        except UserError:
            return TrainingSettings()

    def forget_report(self) -> None:
        """Another folder is being looked through."""
        self._report = {}
        self._sitting.give_up_estimate()

    def take_report(self, report: Mapping[str, Any]) -> bool:
        """Whether it is the first of its folder, and not one for another size."""
        first = not self._report
        self._report, self._reported_size = report, int(report["size"])
        self._measure = self._measure or first
        self._timer.start()
        return first

    def training_begins(self) -> None:
        """What was not measured yet is measured when it is over."""
        self._measure = self._measure or not self._panel.measured
        self._panel.say_cost("")

    def show_models(self) -> None:
        self._panel.show_cards(cards.installed())

    def _want_measure(self) -> None:
        self._measure = True
        self.show_models()

    def _compute(self) -> None:
        settings = self.choices
        self._noise.show_schedule(settings.schedule, settings.timesteps)
        self._pictures.show_as(settings)
        if not self._report or self._sitting.running:
            return
        if settings.size != self._reported_size:
            self._reported_size = settings.size
            self._pictures.look_again(settings)
        if self._measure and self._report["usable"]:
            self._measure = False
            self._panel.say_cost(tr("Measuring a few steps…"))
            self._sitting.estimate(settings)
            classes = len(self._report["classes"]) if settings.classes else 0
            self._context.run(count_parameters(settings.size, classes), self._panel.show_parameters)
