"""Plots that follow a training: its losses over the steps, and the loss by timestep. Made when they are first shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, TYPE_SMALL, tokens

MOST_POINTS = 2000  # drawn of the training loss; more are averaged
SMOOTHING = 60  # percent, to begin with


DIGITS: tuple[tuple[float, tuple[float, ...]], ...] = (  # decades to be shown, and the ticks in each
    (0.15, tuple(1 + k / 20 for k in range(180))),
    (0.4, (1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)),
    (1.2, (1, 1.5, 2, 3, 4, 6, 8)),
    (2.5, (1, 2, 5)),
    (math.inf, (1,)),
)


class LossPlot(QWidget):
    """Training and validation loss over the steps. The pointer tells the values; a double click shows all again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._training: list[tuple[int, float]] = []
        self._validation: list[tuple[int, float]] = []
        self.view = make_view("Loss", "Step", "Loss")
        self._raw = self.view.plot(antialias=True)
        self._smooth = self.view.plot(antialias=True)
        self._held_out = self.view.plot(antialias=True, symbol="o", symbolSize=6)
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self.view.addItem(self._cursor, ignoreBounds=True)
        self._cursor.hide()
        self.log = QCheckBox(tr("Log scale"))
        self.log.setToolTip(
            tr("Draw each tenth of the loss as high as the one before: late progress stays visible.")
        )
        self.log.setChecked(True)
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setRange(0, 99)
        self.smoothing.setValue(SMOOTHING)
        self.smoothing.setFixedWidth(110)
        self.smoothing.setToolTip(tr("How much of the chance in the training loss is averaged away."))
        self.readout = plain_label("", "small")
        self._name()
        self._lay_out()
        self.log.toggled.connect(self._draw)
        self.smoothing.valueChanged.connect(self._draw)
        self.view.scene().sigMouseMoved.connect(self._point)
        self.view.scene().sigMouseClicked.connect(lambda event: self.fit() if event.double() else None)
        self._dress()

    def show_log(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Show the reports of a run so far in place of what was there."""
        self._training, self._validation = [], []
        for entry in entries:
            self._take(entry.get("step"), entry.get("loss"), entry.get("validation"))
        self.fit()
        self._draw()

    def add(self, step: int, loss: float, validation: float | None) -> None:
        first = not self._training
        self._take(step, loss, validation)
        self._draw()
        if first:
            self.fit()

    def fit(self) -> None:
        """Show everything, and go on doing so as more comes."""
        if self._training:
            self.view.enableAutoRange()
        else:
            self.view.setRange(
                xRange=(0, 100), yRange=(-2, 0) if self.log.isChecked() else (0, 1), disableAutoRange=True
            )

    def _take(self, step: Any, loss: Any, validation: Any) -> None:
        for points, value in ((self._training, loss), (self._validation, validation)):
            if isinstance(step, int) and isinstance(value, (int, float)) and 0 < value < np.inf:
                while points and points[-1][0] >= step:  # steps that are done again
                    points.pop()
                points.append((step, float(value)))

    def _draw(self) -> None:
        self.view.setLogMode(False, self.log.isChecked())
        steps, losses = thinned(self._training)
        self._raw.setData(steps, losses)
        self._smooth.setData(steps, smoothed(losses, self.smoothing.value() / 100))
        held_out = np.array(self._validation or np.empty((0, 2)))
        self._held_out.setData(held_out[:, 0], held_out[:, 1])
        self.readout.setText(self.words_at(None))
        self.view.setAccessibleDescription(self.words_at(None))

    def words_at(self, step: float | None) -> str:
        """The values nearest to a step, or the last ones, in words."""
        if not self._training:
            return tr("No loss was measured yet")
        at, loss = nearest(self._training, step)
        words = f"step {at:,} · training {loss:.4f}"
        if self._validation:
            when, value = nearest(self._validation, step)
            words += f" · validation {value:.4f}" + (f" (step {when:,})" if when != at else "")
        return words

    def _point(self, position: QPointF) -> None:
        inside = self.view.sceneBoundingRect().contains(position) and bool(self._training)
        self._cursor.setVisible(inside)
        step = self.view.plotItem.vb.mapSceneToView(position).x() if inside else None
        if step is not None:
            self._cursor.setPos(nearest(self._training, step)[0])
        self.readout.setText(self.words_at(step))

    def leaveEvent(self, event: QEvent) -> None:
        self._cursor.hide()
        self.readout.setText(self.words_at(None))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_cursor"):
            self._dress()

    def _dress(self) -> None:
        t = tokens()
        dress_view(self.view)
        faint = QColor(t.accent)
        faint.setAlphaF(0.3)
        self._raw.setPen(pg.mkPen(faint, width=1))
        self._smooth.setPen(pg.mkPen(t.accent, width=2))
        self._held_out.setPen(pg.mkPen(t.text, width=1.5, style=Qt.PenStyle.DashLine))
        self._held_out.setSymbolBrush(pg.mkBrush(t.text))
        self._held_out.setSymbolPen(pg.mkPen(t.panel, width=1))
        self._cursor.setPen(pg.mkPen(t.muted, width=1))
        self._training_key.setText(tr('<span style="color:{accent}">━</span> Training', accent=t.accent))
        self._validation_key.setText(tr('<span style="color:{value}">┅●┅</span> Validation', value=t.text))

    def _name(self) -> None:
        self.log.setAccessibleName(self.log.text())
        self.smoothing.setAccessibleName(tr("Smoothing"))
        self._training_key, self._validation_key = plain_label("", "small"), plain_label("", "small")
        self._training_key.setToolTip(
            tr("The loss on the pictures it learns from, averaged over the last steps")
        )
        self._validation_key.setToolTip(
            tr("The loss on pictures held out, always with the same noise: when it rises, it learns by heart")
        )
        for label in (self._training_key, self._validation_key):
            label.setTextFormat(Qt.TextFormat.RichText)  # our own words alone

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(SPACE_M)
        label = plain_label(tr("Smoothing"), "small")
        label.setBuddy(self.smoothing)
        for part in (self._training_key, self._validation_key):
            row.addWidget(part)
        row.addStretch(1)
        for control in (self.log, label, self.smoothing):
            row.addWidget(control)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addLayout(row)
        column.addWidget(self.view, 1)
        column.addWidget(self.readout)


class TimestepPlot(QWidget):
    """Which noise levels the loss comes from: validation loss by timestep."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = make_view(tr("Loss by timestep"), tr("Timestep t"), "")
        self._bars = pg.BarGraphItem(x=[], height=[], width=1)
        self.view.addItem(self._bars)
        self.view.setMouseEnabled(False, False)
        self.view.showGrid(x=False, y=False)  # its lines would run across the bars
        label = plain_label(tr("Loss by timestep"), "small")
        label.setToolTip(tr("Validation loss for little noise (left) to nothing but noise (right)"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addWidget(label)
        column.addWidget(self.view, 1)
        self._dress()

    def show_losses(self, losses: Sequence[tuple[int, float]]) -> None:
        self.setVisible(bool(losses))
        if not losses:
            return
        timesteps = [timestep for timestep, _ in losses]
        width = (max(timesteps) - min(timesteps)) / max(len(losses) - 1, 1) * 0.7 or 1
        self._bars.setOpts(x=timesteps, height=[loss for _, loss in losses], width=width)
        self.view.setAccessibleDescription(
            ", ".join(f"t {timestep}: {loss:.3f}" for timestep, loss in losses)
        )

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_bars"):
            self._dress()

    def _dress(self) -> None:
        dress_view(self.view)
        self._bars.setOpts(brush=pg.mkBrush(tokens().accent), pen=pg.mkPen(None))


class LossAxis(pg.AxisItem):
    """An axis whose logarithmic ticks are few and round."""

    def logTickValues(self, minVal: float, maxVal: float, size: float, stdTicks: Any) -> list[Any]:
        digits = next(digits for span, digits in DIGITS if maxVal - minVal <= span)
        decades = range(math.floor(minVal), math.ceil(maxVal) + 1)
        values = [decade + math.log10(digit) for decade in decades for digit in digits]
        return [(None, [value for value in values if minVal <= value <= maxVal])]

    def logTickStrings(self, values: Sequence[float], scale: float, spacing: Any) -> list[str]:
        return [f"{10**value:.3g}" for value in values]


def make_view(name: str, across: str, up: str) -> pg.PlotWidget:
    view = pg.PlotWidget(axisItems={"left": LossAxis("left")}, enableMenu=False)
    menu = view.plotItem.ctrlMenu  # made all the same, and never shown: it must at least go with the plot
    menu.setParent(view, menu.windowFlags())
    view.setAccessibleName(name)
    view.hideButtons()
    view.setLabel("bottom", across)
    if up:
        view.setLabel("left", up)
    view.showGrid(x=False, y=True, alpha=0.15)
    view.setMinimumSize(160, 120)
    view.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # everything in it is said in words beside it
    return view


def dress_view(view: pg.PlotWidget) -> None:
    t = tokens()
    font = QFont(view.font())
    font.setPixelSize(TYPE_SMALL - 1)
    view.setBackground(t.panel)
    for side in ("bottom", "left"):
        axis = view.getAxis(side)
        axis.setPen(pg.mkPen(t.border))
        axis.setTextPen(pg.mkPen(t.muted))
        axis.setTickFont(font)
        axis.enableAutoSIPrefix(False)
        axis.label.setFont(font)


def nearest(points: Sequence[tuple[int, float]], step: float | None) -> tuple[int, float]:
    """The point nearest to a step; the last where none is asked for."""
    return points[-1] if step is None else min(points, key=lambda point: abs(point[0] - step))


def thinned(points: Sequence[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values, with neighbours averaged where there are more than `MOST_POINTS`."""
    table = np.array(points, dtype=np.float64).reshape(-1, 2)
    group = -(-len(table) // MOST_POINTS)
    if group > 1:
        starts = np.arange(0, len(table), group)
        counts = np.diff([*starts, len(table)])[:, None]
        table = np.add.reduceat(table, starts) / counts
    return table[:, 0], table[:, 1]


def smoothed(values: np.ndarray, share: float) -> np.ndarray:
    """The running average that keeps `share` of what was at each point, begun without a bias."""
    result, total, weight = np.empty_like(values), 0.0, 0.0
    for index, value in enumerate(values):
        total = share * total + (1 - share) * value
        weight = share * weight + (1 - share)
        result[index] = total / weight
    return result
