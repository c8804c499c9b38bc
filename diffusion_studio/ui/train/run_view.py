"""A training as it goes: its state and figures, the chart of its losses, its samples, and what can be done with the result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.training_events import Loss, SnapshotSaved
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import ElidedLabel, Line, plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.train.outcome import Outcome
from diffusion_studio.ui.train.samples import SamplesView
from diffusion_studio.ui.train.words import about
from diffusion_studio.ui.widgets.empty import empty_page

if TYPE_CHECKING:
    from diffusion_studio.ui.train.chart import RunChart

FIGURES = {
    "step": (tr("Step"), tr("Training steps so far, over all sessions of this run")),
    "speed": (tr("Images/s"), tr("Training images a second, on average since it was started or resumed")),
    "left": (tr("Time left"), tr("At the speed since it was started or resumed")),
    "loss": (tr("Training loss"), tr("Averaged over the last steps")),
    "validation": (tr("Validation loss"), tr("On images held out, always with the same noise")),
}
WIDE = 1500  # pixels from which the chart is beside the samples
PERMILLE = 1000


class RunView(QWidget):
    pause_wanted = Signal()  # or the end of a pause
    stop_wanted = Signal()
    discard_wanted = Signal()

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = ElidedLabel(tr("No run yet"))
        self.title.setProperty("heading", True)
        self.line = Line()
        self.pause = push_button(tr("Pause"), tr("Hold with everything loaded (Ctrl+P)"))
        self.stop = push_button(tr("Stop"), tr("Stop after the current step and save a checkpoint (Esc)"))
        self.discard = push_button(tr("Discard…"), tr("Stop, and move this run to the trash"))
        self.progress = QProgressBar()
        self.figures = {name: plain_label("–", "heading") for name in FIGURES}
        self.outcome = Outcome(self)
        self.warning = plain_label("", "small")
        self.samples = SamplesView(context, self)
        self.chart: RunChart | None = None  # made when it is first on screen
        self.state = "idle"
        self._log: list[Mapping[str, Any]] = []
        self._by_timestep: Sequence[tuple[int, float]] = ()
        self._pages = QStackedWidget(self)  # nothing yet, or a run
        self.begin_button = push_button(
            tr("Choose images…"), tr("Go to the first step: the images to train on")
        )
        self.begin_button.setProperty("primary", True)
        self._parts = QSplitter(Qt.Orientation.Vertical)
        self._chart_place = QWidget()
        self._lay_out()
        self.pause.clicked.connect(self.pause_wanted)
        self.stop.clicked.connect(self.stop_wanted)
        self.discard.clicked.connect(self.discard_wanted)
        self.show_state("idle")

    def begin(self, title: str, run: Path | None, size: int) -> None:
        """Show a run, of which nothing is known yet."""
        self._pages.setCurrentIndex(1)
        self.title.setText(title)
        self.warning.hide()
        for label in self.figures.values():
            label.setText("–")
        self._log, self._by_timestep = [], ()
        self._show_chart()
        self.samples.begin(run, size)

    def add_before(self, log: Sequence[Mapping[str, Any]]) -> None:
        """The reports of earlier sessions, read from the run's file; those of this one arrive as events."""
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
        self._show_chart()

    def add(self, event: Loss) -> None:
        self._figure("step", f"{event.step:,}")
        self._figure("speed", f"{event.pictures_per_second:,.0f}")
        self._figure("left", about(event.time_left) if event.time_left else "–")
        if math.isfinite(event.loss):  # before its first step there is none
            self._figure("loss", f"{event.loss:.4f}")
        self._log.append({"step": event.step, "loss": event.loss, "validation": event.validation})
        if event.validation is not None:
            self._figure("validation", f"{event.validation:.4f}")
            self._by_timestep = event.by_timestep
        self.progress.setValue(round(event.fraction * PERMILLE))
        if self.chart is not None:
            self.chart.add(event.step, event.loss, event.validation, self._by_timestep)

    def add_ratio(self, event: SnapshotSaved) -> None:
        if event.ratio is not None:
            self._log.append({"step": event.step, "ratio": event.ratio})
            if self.chart is not None:
                self.chart.add_ratio(event.step, event.ratio)

    def warn(self, text: str) -> None:
        """Something the user should read, which stops nothing."""
        self.warning.setText(text)
        self.warning.show()

    def show_state(self, state: str) -> None:
        """Buttons and bar for "idle", "running", "paused" or "stopping"."""
        started = self.state == "idle" and state != "idle"
        self.state = state
        busy, paused = state != "idle", state == "paused"
        for part in (self.pause, self.stop, self.discard, self.progress):
            part.setVisible(busy)
            part.setEnabled(state != "stopping")
        if started:
            self.progress.setValue(0)
        name = tr("Resume") if paused else tr("Pause")
        self.pause.setText(name)
        self.pause.setAccessibleName(name)
        self.pause.setToolTip(
            tr("Train on (Ctrl+P)") if paused else tr("Hold with everything loaded (Ctrl+P)")
        )
        self.pause.setProperty("primary", paused)
        self.pause.style().unpolish(self.pause)
        self.pause.style().polish(self.pause)
        name = tr("End run") if paused else tr("Stopping…") if state == "stopping" else tr("Stop")
        self.stop.setText(name)
        self.stop.setAccessibleName(name)
        if not busy:
            self.line.setText("")
            self._figure("left", "–")

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.chart is None:
            from diffusion_studio.ui.train.chart import (
                RunChart,
            )  # here: the plotting library takes a moment to load

            self.chart = RunChart()
            place = self._chart_place.layout()
            assert place is not None
            place.addWidget(self.chart)
            self._show_chart()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The samples have at least half of the height; in a wide window all that is left."""
        super().resizeEvent(event)
        wide = self.width() >= WIDE
        self._parts.setOrientation(Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical)
        self.samples.setMinimumHeight(0 if wide else self.height() // 2)

    def controls(self) -> list[QWidget]:
        chart = self.chart.controls if self.chart is not None else []
        return [
            self.begin_button,
            self.pause,
            self.stop,
            self.discard,
            *self.outcome.buttons,
            *chart,
            *self.samples.controls,
        ]

    def _show_chart(self) -> None:
        if self.chart is not None:
            self.chart.show_log(self._log, self._by_timestep)

    def _figure(self, name: str, text: str) -> None:
        self.figures[name].setText(text)
        self.figures[name].setAccessibleName(f"{FIGURES[name][0]}: {text}")

    def _lay_out(self) -> None:
        self.warning.setWordWrap(True)
        self.warning.setContentsMargins(SPACE_L, 0, SPACE_L, SPACE_XS)
        self.warning.hide()
        self.progress.setObjectName("thinBar")
        self.progress.setRange(0, PERMILLE)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.setAccessibleName(tr("Progress"))
        head = QHBoxLayout()
        head.setContentsMargins(SPACE_S, SPACE_S, SPACE_L, 0)
        head.setSpacing(SPACE_M)
        head.addWidget(self.title, 1)
        head.addWidget(self.line, 1)
        for button in (self.pause, self.stop, self.discard):
            head.addWidget(button)
        bar = QHBoxLayout()
        bar.setContentsMargins(SPACE_L, SPACE_S, SPACE_L, 0)
        bar.addWidget(self.progress)
        tiles = QHBoxLayout()
        tiles.setContentsMargins(SPACE_L, SPACE_XS, SPACE_L, SPACE_XS)
        tiles.setSpacing(SPACE_L)
        for name, (label, explanation) in FIGURES.items():
            tile = QHBoxLayout()
            tile.setSpacing(SPACE_S)
            small = plain_label(label, "small")
            for part in (small, self.figures[name]):
                part.setToolTip(explanation)
                tile.addWidget(part)
            tiles.addLayout(tile)
        tiles.addStretch(1)
        inside = QVBoxLayout(self._chart_place)
        inside.setContentsMargins(SPACE_L, 0, SPACE_L, SPACE_XS)
        self._parts.setChildrenCollapsible(False)
        self._parts.addWidget(self._chart_place)
        self._parts.addWidget(self.samples)
        self._parts.setStretchFactor(0, 2)
        self._parts.setStretchFactor(1, 3)
        self._parts.setSizes([400, 600])
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._pages)
        run = QWidget()
        self._pages.addWidget(
            empty_page(
                tr("No run yet"),
                tr("Loss and samples will appear here once you train."),
                self.begin_button,
            )
        )
        self._pages.addWidget(run)
        column = QVBoxLayout(run)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addLayout(bar)
        column.addWidget(self.outcome)
        column.addLayout(tiles)
        column.addWidget(self.warning)
        column.addWidget(self._parts, 1)
