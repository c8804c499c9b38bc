"""A share or a small number by slider and by hand: both are evenly spaced, unlike the slider of steps."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSlider, QWidget

from diffusion_studio.settings.options import Option
from diffusion_studio.ui.look.texts import first_upper
from diffusion_studio.ui.look.theme import SPACE_S
from diffusion_studio.ui.widgets.fields import NUMBER_WIDTH, FloatField, IntField, NoStrayWheel


class _RatioSlider(NoStrayWheel, QSlider):
    pass


class RatioField(QWidget):
    """`steps`: how many places the slider has between the option's least and greatest value; `whole`: integers only."""

    changed = Signal()

    def __init__(
        self, option: Option, parent: QWidget | None = None, *, steps: int = 100, whole: bool = False
    ) -> None:
        super().__init__(parent)
        self.number: FloatField | IntField = IntField(option, self) if whole else FloatField(option, self)
        self._low, self._high = float(self.number.minimum()), float(self.number.maximum())
        self.slider = _RatioSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(0, steps)
        self.slider.setPageStep(max(steps // 10, 1))
        self.slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for control in (self.number, self.slider):
            control.setAccessibleName(option.label)
            control.setAccessibleDescription(first_upper(option.help))
            control.setToolTip(first_upper(option.help))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_S)
        row.addWidget(self.slider, 1)
        row.addWidget(self.number)
        self.number.setFixedWidth(NUMBER_WIDTH)
        self.slider.valueChanged.connect(self._slide)
        self.number.changed.connect(self._follow)

    @property
    def controls(self) -> list[QWidget]:
        return [self.number, self.slider]

    def value(self) -> float:
        return self.number.value()

    def show_value(self, value: float) -> None:
        """Show a value without saying so."""
        blocked = self.blockSignals(True)
        self._set(value)
        self._follow()
        self.blockSignals(blocked)

    def _slide(self, position: int) -> None:
        value = self._low + (self._high - self._low) * position / self.slider.maximum()
        self._set(round(value, 4))

    def _set(self, value: float) -> None:
        if isinstance(self.number, IntField):
            self.number.setValue(round(value))
        else:
            self.number.show_value(value)

    def _follow(self) -> None:
        share = (self.number.value() - self._low) / (self._high - self._low)
        blocked = self.slider.blockSignals(True)
        self.slider.setValue(round(share * self.slider.maximum()))
        self.slider.blockSignals(blocked)
        self.changed.emit()
