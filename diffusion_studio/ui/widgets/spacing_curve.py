"""The noise schedule: how much of the image is noise at each step, with the steps the sampler visits marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QToolTip, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.theme import SPACE_S, TYPE_SMALL, tokens

INFINITE = 1e9  # a noise level from here on is pure noise
CLOSEST = 5  # pixels between marks, below which only the curve is drawn


class NoiseCurve(QWidget):
    """x: the steps from the first to the last; y: the share of noise, from all to none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Noise schedule curve"))
        self.setMinimumHeight(84)
        self.sigmas: Sequence[float] = ()
        self._config: Mapping[str, Any] | None = None
        self._schedule: Any = None
        self._tokens = 0
        self._asked = ("", 0, 0.0)
        self._reached: int | None = None
        self._drawn: QPixmap | None = None
        self._ahead = QPixmap()  # the same with all steps still to come
        self._at: list[QPointF] = []  # where each step is drawn
        self._awake = False  # computing brings numpy, which must not delay the window

    def wake(self) -> None:
        """Begin to draw; called once the window is on screen."""
        self._awake = True
        self._compute()

    def sizeHint(self) -> QSize:
        return QSize(220, 92)

    def show_model(self, config: Mapping[str, Any], *, tokens: int = 0) -> None:
        """The process the model was trained on, as its scheduler_config.json has it; `tokens`: the pixels of an image."""
        self._config, self._schedule, self._tokens = config, None, tokens
        self._compute()

    def show_steps(self, spacing: str, steps: int, shift: float = 0.0) -> None:
        if (spacing, steps, shift) != self._asked:
            self._asked = (spacing, steps, shift)
            self._compute()

    def show_progress(self, index: int | None) -> None:
        """Fill the marks up to this step; None: no generation is running."""
        if index != self._reached:
            self._reached = index
            self.update()

    def _compute(self) -> None:
        spacing, steps, shift = self._asked
        if self._config is None or not steps or not self._awake:
            return
        from diffusion_studio.diffusion.processes import process_from_config
        from diffusion_studio.diffusion.schedules import SPACINGS

        try:
            self._schedule = self._schedule or process_from_config(self._config).at_size(self._tokens)
            self.sigmas = SPACINGS[spacing](self._schedule.shifted(shift), steps)
        except (ValueError, KeyError, TypeError):
            self.sigmas = ()  # a model with a schedule nobody knows says so when it is opened
        self.setAccessibleDescription(self.summary())
        self._drawn = None
        self.update()

    def summary(self) -> str:
        """The curve in words."""
        if not self.sigmas:
            return tr("No noise levels are known for this model.")
        first, last = self.sigmas[0], self.sigmas[-2]
        return tr(
            "{count} steps, from noise level {short} down to {last:.3g}, then none.",
            count=len(self.sigmas) - 1,
            short=short(first),
            last=last,
        )

    # --- painting ---

    def _area(self) -> QRectF:
        return QRectF(self.rect()).adjusted(SPACE_S, SPACE_S + 2, -SPACE_S, -SPACE_S - 2)

    def _points(self) -> list[QPointF]:
        area, last = self._area(), max(len(self.sigmas) - 1, 1)
        return [
            QPointF(
                area.left() + area.width() * index / last,
                area.bottom() - area.height() * self._schedule.noise_share(sigma),
            )
            for index, sigma in enumerate(self.sigmas)
        ]

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._drawn is None:
            self._drawn, self._ahead = self._draw(), self._draw(ahead=True)
        painter.drawPixmap(0, 0, self._drawn)
        if self.sigmas and self._reached is not None:
            self._paint_progress(painter, self._at[min(self._reached, len(self._at) - 1)])
        painter.end()

    def _draw(self, *, ahead: bool = False) -> QPixmap:
        """All but the progress, which alone changes from step to step; the steps hollow where they are `ahead`."""
        t, ratio = tokens(), self.devicePixelRatioF()
        drawn = QPixmap(self.size() * ratio)
        drawn.setDevicePixelRatio(ratio)
        drawn.fill(Qt.GlobalColor.transparent)
        painter = QPainter(drawn)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(t.border), 1))
        painter.setBrush(QColor(t.raised))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        if self.sigmas:
            self._at = self._points()
            self._paint_curve(painter, self._at)
            self._paint_marks(painter, self._at, ahead)
        self._paint_words(painter)
        painter.end()
        return drawn

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._drawn = None

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._drawn = None

    def _paint_curve(self, painter: QPainter, points: list[QPointF]) -> None:
        area, accent = self._area(), QColor(tokens().accent)
        filled = QColor(accent)
        filled.setAlphaF(0.10)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(filled)
        painter.drawPolygon(QPolygonF([area.bottomLeft(), *points, area.bottomRight()]))
        accent.setAlphaF(0.55)
        painter.setPen(QPen(accent, 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))

    def _paint_marks(self, painter: QPainter, points: list[QPointF], ahead: bool) -> None:
        if self._has_marks:
            painter.setPen(QPen(QColor(tokens().accent), 1.5))
            painter.setBrush(QColor(tokens().raised if ahead else tokens().accent))
            for point in points:
                painter.drawEllipse(point, 2.6, 2.6)

    def _paint_progress(self, painter: QPainter, reached: QPointF) -> None:
        """The steps that are still to come are hollow; the one reached is large."""
        t = tokens()
        painter.save()
        painter.setClipRect(QRectF(self.rect()).adjusted(reached.x(), 0, 0, 0))
        painter.drawPixmap(0, 0, self._ahead)
        painter.restore()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(t.raised), 1.5))
        painter.setBrush(QColor(t.accent))
        painter.drawEllipse(reached, 5, 5)

    @property
    def _has_marks(self) -> bool:
        """Whether the steps are far enough apart to be distinguished."""
        return self._area().width() / max(len(self.sigmas) - 1, 1) >= CLOSEST

    def _paint_words(self, painter: QPainter) -> None:
        font = self.font()
        font.setPixelSize(TYPE_SMALL - 1)
        painter.setFont(font)
        painter.setPen(QColor(tokens().muted))
        if not self.sigmas:
            return
        high = (
            self._schedule.noise_share(self.sigmas[len(self.sigmas) // 2]) > 0.55
        )  # keep the words off the curve
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom
        if not high:
            flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop
        words = f"σ {short(self.sigmas[0])} → {short(self.sigmas[-2])}"
        painter.drawText(self._area().adjusted(2, -2, -2, 2), flags, words)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and self.sigmas and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.words_at(event.pos().x()), self)
            return True
        return super().event(event)

    def words_at(self, x: float) -> str:
        """The step nearest to a place on the curve, in words."""
        area, last = self._area(), len(self.sigmas) - 1
        index = min(max(round((x - area.left()) / area.width() * last), 0), last)
        sigma = self.sigmas[index]
        if sigma == 0:
            return tr("The finished image: no noise")
        timestep, noise = self._schedule.timestep(sigma), self._schedule.noise_share(sigma)
        return tr(
            "Step {index} of {last}: {noise:.0%} noise (σ {short}, timestep {timestep:.0f})",
            index=index + 1,
            last=last,
            noise=noise,
            short=short(sigma),
            timestep=timestep,
        )


def short(number: float) -> str:
    if number >= INFINITE:
        return "∞"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
