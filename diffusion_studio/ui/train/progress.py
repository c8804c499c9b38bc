"""A training as it goes: its figures, its losses, its samples, and what can be done with the result."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSplitter, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.units import duration
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S
from diffusion_studio.ui.train.samples import SamplesView

if TYPE_CHECKING:
    from diffusion_studio.events import Loss
    from diffusion_studio.ui.widgets.loss_plots import LossPlot, TimestepPlot

FIGURES = {
    "step": ("Step", "Steps of learning taken so far, over all sittings"),
    "speed": ("Pictures/s", "Pictures learned from in a second, on average over this sitting"),
    "left": ("Time left", "Counted over this sitting"),
    "loss": ("Training loss", "Averaged over the last steps"),
    "validation": ("Validation loss", "On pictures held out, with the same noise each time"),
}


class ProgressView(QWidget):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = ElidedLabel(tr("No training yet"))
        self.title.setProperty("heading", True)
        self.figures = {name: plain_label("–", "heading") for name in FIGURES}
        self.outcome = Outcome(self)
        self.warning = plain_label("", "small")
        self.warning.setWordWrap(True)
        self.warning.setContentsMargins(SPACE_L, 0, SPACE_L, SPACE_S)
        self.warning.hide()
        self.samples = SamplesView(context, self)
        self.loss: LossPlot | None = None  # made when it is first on screen
        self.timesteps: TimestepPlot | None = None
        self._log: list[Mapping[str, Any]] = []
        self._by_timestep: Sequence[tuple[int, float]] = ()
        self._plots = QWidget()
        self._plots_row = QHBoxLayout(self._plots)
        self._plots_row.setContentsMargins(SPACE_L, 0, SPACE_L, SPACE_S)
        self._plots_row.setSpacing(SPACE_L)
        self._lay_out()

    def begin(self, title: str, run: Path | None, size: int) -> None:
        """Show a run, of which nothing is known yet."""
        self.title.setText(title)
        self.warning.hide()
        for label in self.figures.values():
            label.setText("–")
        self._log, self._by_timestep = [], ()
        if self.loss is not None:
            self.loss.show_log([])
        if self.timesteps is not None:
            self.timesteps.show_losses(())
        self.samples.begin(run, size)

    def add_before(self, log: Sequence[Mapping[str, Any]]) -> None:
        """The reports of earlier sittings, read from the run's file; those of this one are told live."""
        first = self._log[0]["step"] if self._log else math.inf
        before = [entry for entry in log if entry["step"] < first]
        if before and not self._log:
            self._figure("step", f"{before[-1]['step']:,}")
            for name in ("loss", "validation"):
                values = [entry[name] for entry in before if isinstance(entry.get(name), float)]
                if values:
                    self._figure(name, f"{values[-1]:.4f}")
            self._by_timestep = next(
                (entry["by_timestep"] for entry in reversed(before) if entry.get("by_timestep")), ()
            )
        self._log = [*before, *self._log]
        if self.loss is not None and self.timesteps is not None:
            self.loss.show_log(self._log)
            self.timesteps.show_losses(self._by_timestep)

    def add(self, event: Loss) -> None:
        self._figure("step", f"{event.step:,}")
        self._figure("speed", f"{event.pictures_per_second:,.0f}")
        self._figure("left", duration(event.time_left) if event.time_left else "–")
        if math.isfinite(event.loss):  # a sitting that begins with a look has none yet
            self._figure("loss", f"{event.loss:.4f}")
        self._log.append({"step": event.step, "loss": event.loss, "validation": event.validation})
        if event.validation is not None:
            self._figure("validation", f"{event.validation:.4f}")
            self._by_timestep = event.by_timestep
        if self.loss is not None and self.timesteps is not None:
            self.loss.add(event.step, event.loss, event.validation)
            self.timesteps.show_losses(self._by_timestep)

    def warn(self, text: str) -> None:
        """Something the user should read, that stops nothing."""
        self.warning.setText(text)
        self.warning.show()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.loss is None:
            from diffusion_studio.ui.widgets.loss_plots import (  # here: the plotting library takes a moment to load
                LossPlot,
                TimestepPlot,
            )

            self.loss, self.timesteps = LossPlot(), TimestepPlot()
            self._plots_row.addWidget(self.loss, 3)
            self._plots_row.addWidget(self.timesteps, 1)
            self.loss.show_log(self._log)
            self.timesteps.show_losses(self._by_timestep)

    def controls(self) -> list[QWidget]:
        plot = [self.loss.log, self.loss.smoothing] if self.loss is not None else []
        return [*self.outcome.buttons, *plot, *self.samples.controls]

    def _figure(self, name: str, text: str) -> None:
        self.figures[name].setText(text)
        self.figures[name].setAccessibleName(f"{FIGURES[name][0]}: {text}")

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(SPACE_S, SPACE_M, SPACE_L, SPACE_S)
        row.setSpacing(SPACE_L)
        row.addWidget(self.title, 1)
        for name, (label, explanation) in FIGURES.items():
            tile = QVBoxLayout()
            tile.setSpacing(0)
            small = plain_label(label, "small")
            for part in (small, self.figures[name]):
                part.setToolTip(explanation)
                tile.addWidget(part)
            row.addLayout(tile)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.setChildrenCollapsible(False)
        parts.addWidget(self._plots)
        parts.addWidget(self.samples)
        parts.setSizes([240, 400])
        parts.setStretchFactor(0, 2)
        parts.setStretchFactor(1, 3)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.outcome)
        column.addLayout(row)
        column.addWidget(self.warning)
        column.addWidget(parts, 1)


class Outcome(QFrame):
    """A line that says how the training stands, with what can be done next."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("outcome")
        self.sentence = plain_label("")
        self.sentence.setWordWrap(True)
        self.buttons: list[QPushButton] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(SPACE_L, SPACE_S, SPACE_L, SPACE_S)
        self._row.setSpacing(SPACE_S)
        self._row.addWidget(self.sentence, 1)
        self.hide()

    def tell(self, sentence: str, *actions: tuple[str, str, Callable[[], None]]) -> None:
        """`actions`: (name, explanation, what it does); the first is the obvious one."""
        self.sentence.setText(sentence)
        self.sentence.setAccessibleName(sentence)
        for button in self.buttons:
            self._row.removeWidget(button)
            button.deleteLater()
        self.buttons = []
        for name, explanation, do in actions:
            button = QPushButton(name)
            button.setAccessibleName(name)
            button.setToolTip(explanation)
            button.setProperty("primary", not self.buttons)
            button.clicked.connect(lambda _=False, do=do: do())
            self._row.addWidget(button)
            self.buttons.append(button)
        self.show()

    def tell_paused(self, go_on: Callable[[], None], generate: Callable[[], None]) -> None:
        self.tell(
            tr("Paused. What was learned so far can draw already."),
            ("Go on", "Train on from here", go_on),
            ("Generate with it", "Make a model of the newest checkpoint and draw with it", generate),
        )

    def tell_stopped(self, go_on: Callable[[], None], publish: Callable[[], None]) -> None:
        self.tell(
            tr("Stopped; what was learned is kept."),
            ("Go on", "Train on from where it stopped", go_on),
            ("Publish as model", "Make a model of it, for the chooser", publish),
        )

    def tell_ready(self, title: str, generate: Callable[[], None]) -> None:
        self.tell(
            tr("“{title}” is ready, and in the model chooser.", title=title),
            ("Generate with it", "Draw with it on the Generate page", generate),
        )
