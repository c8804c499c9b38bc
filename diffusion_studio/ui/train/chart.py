"""The one chart of a run: its losses over the steps or, where they were measured, by noise level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from PySide6.QtWidgets import QCheckBox, QStackedWidget, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import SPACE_XS
from diffusion_studio.ui.widgets.loss_plots import LossPlot, TimestepPlot
from diffusion_studio.ui.widgets.ratio_plot import RatioPlot


class RunChart(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.loss, self.timesteps, self.ratio = LossPlot(), TimestepPlot(), RatioPlot()
        self.by_level = QCheckBox(tr("By noise level"))
        self.by_level.setAccessibleName(self.by_level.text())
        self.by_level.setToolTip(tr("Show which noise levels the validation loss comes from"))
        self.by_level.hide()
        self.by_copies = QCheckBox(tr("Copy ratio"))
        self.by_copies.setAccessibleName(self.by_copies.text())
        self.by_copies.setToolTip(
            tr("Show how near generated images are to the training images: below 0.9 they may be copies")
        )
        self.by_copies.hide()
        self._plots = QStackedWidget()
        self._plots.addWidget(self.loss.view)
        self._plots.addWidget(self.timesteps)
        self._plots.addWidget(self.ratio)
        self.loss.add_control(self.by_level)
        self.loss.add_control(self.by_copies)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_XS)
        column.addWidget(self.loss)
        column.addWidget(self._plots, 1)
        self.by_level.toggled.connect(lambda on: self._choose(self.by_copies, on))
        self.by_copies.toggled.connect(lambda on: self._choose(self.by_level, on))

    @property
    def controls(self) -> list[QWidget]:
        return [self.by_level, self.by_copies, self.loss.log, self.loss.smoothing]

    def show_log(
        self, entries: Iterable[Mapping[str, Any]], by_timestep: Sequence[tuple[int, float]]
    ) -> None:
        """Show the reports of a run so far in place of what was there."""
        entries = list(entries)
        self.loss.show_log(entries)
        self.ratio.show_log(entries)
        self._show_ratio()
        self._show_levels(by_timestep)

    def add(
        self, step: int, loss: float, validation: float | None, by_timestep: Sequence[tuple[int, float]]
    ) -> None:
        self.loss.add(step, loss, validation)
        self._show_levels(by_timestep)

    def add_ratio(self, step: int, ratio: float) -> None:
        self.ratio.add(step, ratio)
        self._show_ratio()

    def _choose(self, other: QCheckBox, on: bool) -> None:
        """At most one of the two is on."""
        if on:
            other.setChecked(False)
        self._plots.setCurrentIndex(
            1 if self.by_level.isChecked() else 2 if self.by_copies.isChecked() else 0
        )

    def _show_ratio(self) -> None:
        self.by_copies.setVisible(bool(self.ratio.points))
        if not self.ratio.points:
            self.by_copies.setChecked(False)

    def _show_levels(self, by_timestep: Sequence[tuple[int, float]]) -> None:
        self.timesteps.show_losses(by_timestep)
        self.by_level.setVisible(bool(by_timestep))
        if not by_timestep:
            self.by_level.setChecked(False)
