"""Plots that follow a training: its losses over the steps, and the loss by timestep. Made when they are first shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.labels import Line, plain_label
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, TYPE_SMALL, tokens

MOST_POINTS = 2000  # drawn of the training loss; more are averaged
SMOOTHING = 60  # percent, to begin with


MOST_TICKS = 6
LABEL_HEIGHT, LABEL_WIDTH = 22, 72  # pixels a tick needs for its label
ROUND = (1, 2, 2.5, 5)  # a tick is one of these times a power of ten
DIGITS = (  # of a logarithmic axis, from dense to sparse; the first with few enough ticks is taken
    tuple(1 + k / 100 for k in range(900)),
    tuple(1 + k / 20 for k in range(180)),
    tuple(1 + k / 10 for k in range(90)),
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
    (1, 1.5, 2, 3, 4, 6, 8),
    (1, 2, 5),
    (1,),
)


class LossPlot(QWidget):
    """Training and validation loss over the steps. The pointer shows the values; a double click shows all steps."""

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
        self.log.setToolTip(tr("Show the loss on a logarithmic scale, where late progress stays visible."))
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setRange(0, 99)
        self.smoothing.setValue(SMOOTHING)
        self.smoothing.setFixedWidth(110)
        self.smoothing.setToolTip(tr("How strongly the training loss is averaged."))
        self.readout = Line()
        self._name()
        self._lay_out()
        self.log.toggled.connect(self._on_scale)
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

    def add_control(self, control: QWidget) -> None:
        """Place a control before those of the plot."""
        self._row.insertWidget(self._row.indexOf(self.log), control)

    def add(self, step: int, loss: float, validation: float | None) -> None:
        few = len(self._training) < 2
        self._take(step, loss, validation)
        self._draw()
        if few:
            self.fit()

    def fit(self) -> None:
        """Show everything, and keep doing so as more comes; a single point has no extent of its own."""
        if len(self._training) > 1:
            self.view.enableAutoRange()
            return
        step, loss = self._training[-1] if self._training else (0, 0.0)
        top = loss * 1.5 or 1.0
        log = self.log.isChecked()
        self.view.setRange(
            xRange=(0, max(step * 1.2, 10)),
            yRange=(math.log10(top) - 2, math.log10(top)) if log else (0, top),
            disableAutoRange=True,
        )

    def _on_scale(self) -> None:
        self._draw()
        self.fit()

    def _take(self, step: object, loss: object, validation: object) -> None:
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
        if not self._cursor.isVisible():
            self.readout.setText("")
        self.view.setAccessibleDescription(self.words_at(None))

    def words_at(self, step: float | None) -> str:
        """The values nearest to a step, or the last ones, in words."""
        if not self._training:
            return tr("No loss measured yet")
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
        self.readout.setText(self.words_at(step) if inside else "")

    def leaveEvent(self, event: QEvent) -> None:
        self._cursor.hide()
        self.readout.setText("")

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

    def _name(self) -> None:
        self.log.setAccessibleName(self.log.text())
        self.smoothing.setAccessibleName(tr("Smoothing"))
        self._training_key = plain_label(tr("Training"), "small")
        self._validation_key = plain_label(tr("Validation"), "small")
        self._training_key.setToolTip(tr("The loss on the training images, averaged over the last steps"))
        self._validation_key.setToolTip(
            tr(
                "The loss on images held out, always with the same noise: when it rises, the model is overfitting"
            )
        )

    def _lay_out(self) -> None:
        row = self._row = QHBoxLayout()
        row.setSpacing(SPACE_M)
        label = plain_label(tr("Smoothing"), "small")
        label.setBuddy(self.smoothing)
        for key, dashed in ((self._training_key, False), (self._validation_key, True)):
            row.addWidget(Swatch(dashed))
            row.addWidget(key)
        row.addWidget(self.readout, 1)
        for control in (self.log, label, self.smoothing):
            row.addWidget(control)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addLayout(row)
        column.addWidget(self.view, 1)


class Swatch(QWidget):
    """The line of a curve beside its name: dashed with a dot for the validation loss."""

    def __init__(self, dashed: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dashed = dashed
        self.setFixedSize(20, 12)

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(t.text if self._dashed else t.accent)
        style = Qt.PenStyle.DashLine if self._dashed else Qt.PenStyle.SolidLine
        painter.setPen(QPen(colour, 1.5 if self._dashed else 2, style))
        middle = self.height() / 2
        painter.drawLine(QPointF(0, middle), QPointF(self.width(), middle))
        if self._dashed:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawEllipse(QPointF(self.width() / 2, middle), 3, 3)
        painter.end()


class TimestepPlot(QWidget):
    """Which noise levels the loss comes from: validation loss by timestep."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = make_view(tr("Loss by timestep"), tr("Timestep t"), "")
        self._bars = pg.BarGraphItem(x=[], height=[], width=1)
        self.view.addItem(self._bars)
        self.view.setMouseEnabled(False, False)
        self.view.showGrid(x=False, y=False)  # its lines would run across the bars
        self.setToolTip(tr("Validation loss from little noise (left) to pure noise (right)"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addWidget(self.view, 1)
        self._dress()

    def show_losses(self, losses: Sequence[tuple[int, float]]) -> None:
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


class RoundAxis(pg.AxisItem):
    """An axis with at most `MOST_TICKS` ticks at round numbers, `whole` ones where it counts something."""

    def __init__(self, side: str, *, whole: bool = False) -> None:
        super().__init__(side)
        self._whole = whole
        self._shown: list[float] = []

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        low, high = sorted((minVal, maxVal))
        room = LABEL_HEIGHT if self.orientation in ("left", "right") else LABEL_WIDTH
        most = max(2, min(MOST_TICKS, int(size / room)))
        if self.logMode:
            ticks = round_log_ticks(low, high, most)
        else:
            ticks = round_ticks(low, high, most, whole=self._whole)
        self._shown = ticks
        return [(high - low, ticks)]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        if self.logMode:
            return [f"{10**value:.3g}" for value in values]
        if self._whole:
            return [f"{round(value):,}" for value in values]
        if len(values) < 2:
            return [f"{value:.3g}" for value in values]
        step = min((b - a for a, b in pairwise(self._shown)), default=1.0)
        digits = max(0, -math.floor(math.log10(step) + 1e-9) + (1 if f"{step:.1e}"[:3] == "2.5" else 0))
        return [f"{value:.{digits}f}" for value in values]


def round_ticks(low: float, high: float, most: int = MOST_TICKS, *, whole: bool = False) -> list[float]:
    """At most `most` multiples of the smallest round step from `low` to `high`."""
    if not high > low:
        return []
    power = math.floor(math.log10((high - low) / most)) - 1
    for step in (digit * 10.0**exponent for exponent in range(power, power + 5) for digit in ROUND):
        if whole and (step < 1 or step % 1):
            continue
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [number * step for number in range(first, last + 1)]
    return []


def round_log_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """The same for an axis of powers of ten; the numbers are logarithms."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for digits in DIGITS:
        values = [decade + math.log10(digit) for decade in decades for digit in digits]
        inside = [value for value in values if low <= value <= high]
        if len(inside) <= most:
            return inside
    whole = [float(decade) for decade in decades if low <= decade <= high]
    return whole[:: -(-len(whole) // most)]


def make_view(name: str, across: str, up: str) -> pg.PlotWidget:
    view = pg.PlotWidget(
        axisItems={"left": RoundAxis("left"), "bottom": RoundAxis("bottom", whole=True)}, enableMenu=False
    )
    menu = view.plotItem.ctrlMenu  # made even where it is not enabled: it has to go with the plot
    menu.setParent(view, menu.windowFlags())
    view.setAccessibleName(name)
    view.hideButtons()
    view.setLabel("bottom", across)
    if up:
        view.setLabel("left", up)
    view.showGrid(x=False, y=True, alpha=0.15)
    view.setMinimumSize(160, 60)
    view.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its values are given in words beside it
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
