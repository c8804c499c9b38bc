"""The one chart of a run: its losses over the steps or, where they were measured, by noise level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from PySide6.QtWidgets import QCheckBox, QStackedWidget, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import SPACE_XS
from diffusion_studio.ui.widgets.loss_plots import LossPlot, TimestepPlot


class RunChart(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.loss, self.timesteps = LossPlot(), TimestepPlot()
        self.by_level = QCheckBox(tr("By noise level"))
        self.by_level.setAccessibleName(self.by_level.text())
        self.by_level.setToolTip(tr("Show which noise levels the validation loss comes from"))
        self.by_level.hide()
        self._plots = QStackedWidget()
        self._plots.addWidget(self.loss.view)
        self._plots.addWidget(self.timesteps)
        self.loss.add_control(self.by_level)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_XS)
        column.addWidget(self.loss)
        column.addWidget(self._plots, 1)
        self.by_level.toggled.connect(lambda on: self._plots.setCurrentIndex(int(on)))

    @property
    def controls(self) -> list[QWidget]:
        return [self.by_level, self.loss.log, self.loss.smoothing]

    def show_log(
        self, entries: Iterable[Mapping[str, Any]], by_timestep: Sequence[tuple[int, float]]
    ) -> None:
        """Show the reports of a run so far in place of what was there."""
        self.loss.show_log(entries)
        self._show_levels(by_timestep)

    def add(
        self, step: int, loss: float, validation: float | None, by_timestep: Sequence[tuple[int, float]]
    ) -> None:
        self.loss.add(step, loss, validation)
        self._show_levels(by_timestep)

    def _show_levels(self, by_timestep: Sequence[tuple[int, float]]) -> None:
        self.timesteps.show_losses(by_timestep)
        self.by_level.setVisible(bool(by_timestep))
        if not by_timestep:
            self.by_level.setChecked(False)
