"""The copy ratio of a training over its steps, with the limits between which a model neither copies nor misses its images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import tokens
from diffusion_studio.ui.widgets.loss_plots import dress_view, make_view

COPY_LIMITS = (0.9, 1.1)


class RatioPlot(QWidget):
    """The copy ratio over the steps: 1 where generated images are as new as training images are to one another."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.points: list[tuple[int, float]] = []
        self.view = make_view(tr("Copy ratio"), tr("Step"), tr("Copy ratio"))
        self._curve = self.view.plot(antialias=True, symbol="o", symbolSize=6)
        self._limits = [pg.InfiniteLine(pos=value, angle=0, movable=False) for value in COPY_LIMITS]
        for line in self._limits:
            self.view.addItem(line, ignoreBounds=False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view)
        self._dress()

    def show_log(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self.points = []
        for entry in entries:
            self._take(entry.get("step"), entry.get("ratio"))
        self._draw()

    def add(self, step: int, ratio: float) -> None:
        self._take(step, ratio)
        self._draw()

    def _take(self, step: object, ratio: object) -> None:
        if isinstance(step, int) and isinstance(ratio, (int, float)) and 0 <= ratio < np.inf:
            while self.points and self.points[-1][0] >= step:  # steps that are done again
                self.points.pop()
            self.points.append((step, float(ratio)))

    def _draw(self) -> None:
        table = np.array(self.points or np.empty((0, 2)))
        self._curve.setData(table[:, 0], table[:, 1])
        words = tr("Not measured yet")
        if self.points:
            step, ratio = self.points[-1]
            words = tr("Step {step:,}: copy ratio {ratio:.2f}", step=step, ratio=ratio)
        self.view.setAccessibleDescription(words)
        self.view.setToolTip(words)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._dress()

    def _dress(self) -> None:
        t = tokens()
        dress_view(self.view)
        self._curve.setPen(pg.mkPen(QColor(t.accent), width=2))
        self._curve.setSymbolBrush(QColor(t.accent))
        for line in self._limits:
            line.setPen(pg.mkPen(QColor(t.muted), width=1, style=Qt.PenStyle.DashLine))
