"""One control per kind of setting. Each has `value()`, `show_value(value)` and the signal `changed`."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QLocale, QSize, Qt, Signal
from PySide6.QtGui import QPaintEvent, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QSlider,
    QSpinBox,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.settings.options import LARGEST_SEED, Option
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.texts import first_upper, one_line
from diffusion_studio.ui.look.theme import SPACE_S, SPACE_XS

DECIMALS = 8
NUMBER_WIDTH = 72
MARGINS = (SPACE_S - 2, 0, 0, 0)  # a style sheet does not reach the text inside a spin box


class NoStrayWheel:
    """Scrolling the panel must not change the settings under the pointer: the wheel is for the focused control."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():  # type: ignore[attr-defined]
            super().wheelEvent(event)  # type: ignore[misc]
        else:
            event.ignore()


class IntField(NoStrayWheel, QSpinBox):
    changed = Signal()

    def __init__(self, option: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        least = 0 if option.multiple else int(option.min or 0)  # 0: as the model has it
        self.setRange(least, int(option.max if option.max is not None else 2**31 - 1))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.lineEdit().setTextMargins(*MARGINS)
        self.setAccelerated(True)
        self.valueChanged.connect(lambda _: self.changed.emit())

    def show_value(self, value: int) -> None:
        self.setValue(value)


class FloatField(NoStrayWheel, QDoubleSpinBox):
    """Shows no more digits than the number needs, and returns exactly the number it was given."""

    changed = Signal()

    def __init__(self, option: Option, parent: QWidget | None = None) -> None:
        self._exact: float | None = None
        super().__init__(parent)
        low, high = option.min or 0.0, option.max if option.max is not None else 1e9
        self.setDecimals(DECIMALS)
        self.setRange(low, high)
        if high - low <= 100:
            self.setSingleStep((high - low) / 20)
        else:
            self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.lineEdit().setTextMargins(*MARGINS)
        self.valueChanged.connect(self._forget_exact)

    def value(self) -> float:
        return super().value() if self._exact is None else self._exact

    def show_value(self, value: float) -> None:
        self.setValue(value)
        self._exact = value

    def textFromValue(self, value: float) -> str:
        text = self.locale().toString(value, "f", DECIMALS)
        return text.rstrip("0").rstrip(self.locale().decimalPoint())

    def sizeHint(self) -> QSize:
        return QSize(90, super().sizeHint().height())  # Qt's own makes room for all eight decimals

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def _forget_exact(self) -> None:
        self._exact = None
        self.changed.emit()


class ChoiceField(NoStrayWheel, QComboBox):
    changed = Signal()

    def __init__(self, option: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setItemDelegate(QStyledItemDelegate(self))  # the one that style sheets reach
        self.instead = ""
        self.show_choices(option.choices or {})
        self.currentIndexChanged.connect(lambda _: self.changed.emit())

    def show_choices(self, choices: Mapping[str, str]) -> None:
        """Offer these (value -> text), keeping the choice made where it is still among them."""
        chosen = self.value()
        blocked = self.blockSignals(True)
        self.clear()
        for value, text in choices.items():
            self.addItem(one_line(text), value)
        self.setCurrentIndex(max(self.findData(chosen), 0))
        self.blockSignals(blocked)
        if self.value() != chosen:
            self.changed.emit()

    def show_instead(self, text: str) -> None:
        """Show this in place of the choice made, which is kept but has no effect; "": the choice again."""
        if text != self.instead:
            self.instead = one_line(text)
            self.setAccessibleDescription(self.instead)
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self.instead:
            super().paintEvent(event)
            return
        shown, painter = QStyleOptionComboBox(), QStylePainter(self)
        self.initStyleOption(shown)
        shown.currentText = self.instead
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, shown)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, shown)
        painter.end()

    def value(self) -> str:
        return str(self.currentData() or "")

    def show_value(self, value: str) -> None:
        """Choose this value; one that is not offered leaves the first."""
        self.setCurrentIndex(max(self.findData(value), 0))


class TextField(QLineEdit):
    changed = Signal()

    def __init__(self, option: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.textChanged.connect(lambda _: self.changed.emit())

    def value(self) -> str:
        return self.text()

    def show_value(self, value: str) -> None:
        self.setText(value)


class BoolField(QCheckBox):
    changed = Signal()

    def __init__(self, option: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.toggled.connect(lambda _: self.changed.emit())

    def value(self) -> bool:
        return self.isChecked()

    def show_value(self, value: bool) -> None:
        self.setChecked(value)


class _Slider(NoStrayWheel, QSlider):
    pass


class SliderField(QWidget):
    """A whole number by slider and by hand. The slider is logarithmic: 20 and 1,000 steps are both a short drag away."""

    changed = Signal()
    POSITIONS = 240

    def __init__(self, option: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = _Slider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(0, self.POSITIONS)
        self.slider.setPageStep(self.POSITIONS // 12)
        self.slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.number = IntField(option, self)
        self._low, self._high = max(self.number.minimum(), 1), self.number.maximum()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_S)
        row.addWidget(self.slider, 1)
        row.addWidget(self.number)
        self.number.setFixedWidth(NUMBER_WIDTH)
        self.slider.valueChanged.connect(self._slide)
        self.number.changed.connect(self._follow)

    def value(self) -> int:
        return self.number.value()

    def show_value(self, value: int) -> None:
        self.number.setValue(value)

    def _slide(self, position: int) -> None:
        number = round(self._low * (self._high / self._low) ** (position / self.POSITIONS))
        self.number.setValue(number)

    def _follow(self) -> None:
        share = math.log(max(self.number.value(), self._low) / self._low) / math.log(self._high / self._low)
        blocked = self.slider.blockSignals(True)
        self.slider.setValue(round(share * self.POSITIONS))
        self.slider.blockSignals(blocked)
        self.changed.emit()


class SeedField(QWidget):
    """A seed that is random for every generation unless it is locked. Typing a number locks it."""

    changed = Signal()

    def __init__(self, option: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.number = QDoubleSpinBox(self)  # a whole number: QSpinBox ends at 2^31
        self.number.setDecimals(0)
        self.number.setRange(-1, LARGEST_SEED)
        self.number.setSpecialValueText("random")
        self.number.setValue(-1)
        self.number.setObjectName("plain")  # no arrows: the next seed is no nearer than any other
        locale = QLocale.c()
        locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
        self.number.setLocale(locale)
        self.number.setMinimumWidth(96)
        self.number.lineEdit().setTextMargins(*MARGINS)
        self.dice = IconButton("dice", tr("New seed"), tr("another random number"), self)
        self.lock = IconButton(
            "unlock",
            tr("Lock seed"),
            tr("keep this seed, so that the same settings generate the same image"),
            self,
            icon_on="lock",
        )
        self.lock.setCheckable(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_XS)
        row.addWidget(self.number, 1)
        row.addWidget(self.dice)
        row.addWidget(self.lock)
        self.dice.clicked.connect(self.draw)
        self.number.lineEdit().textEdited.connect(lambda _: self.lock.setChecked(True))
        self.number.valueChanged.connect(lambda _: self.changed.emit())
        self.lock.toggled.connect(lambda _: self.changed.emit())

    @property
    def locked(self) -> bool:
        return self.lock.isChecked()

    def value(self) -> int | None:
        return None if self.number.value() < 0 else int(self.number.value())

    def show_value(self, value: int | None) -> None:
        """A given seed is locked: it was asked for."""
        self.number.setValue(-1 if value is None else value)
        self.lock.setChecked(value is not None)

    def draw(self) -> None:
        """Show another random seed."""
        self.number.setValue(random.SystemRandom().randint(0, LARGEST_SEED))


SLIDERS = {"steps"}


def make_field(name: str, option: Option, kind: type, parent: QWidget | None = None) -> Any:
    """The control for a setting of this type."""
    if name.endswith("seed"):
        return SeedField(option, parent)
    if option.choices is not None:
        return ChoiceField(option, parent)
    if kind is bool:
        return BoolField(option, parent)
    if kind is int:
        return SliderField(option, parent) if name in SLIDERS else IntField(option, parent)
    return {float: FloatField, str: TextField}[kind](option, parent)


def focusable(field: QWidget) -> list[QWidget]:
    """The controls of a field in the order of the Tab key; the first is what its label names."""
    parts = {SliderField: ("number", "slider"), SeedField: ("number", "dice", "lock")}.get(type(field))
    return [getattr(field, part) for part in parts] if parts else [field]


def name_field(field: QWidget, option: Option) -> None:
    """Give every control of a field the name its label shows and the sentence that explains it."""
    explanation = first_upper(option.help)
    for control in focusable(field):
        if not isinstance(control, IconButton):
            control.setAccessibleName(option.label)
            control.setAccessibleDescription(explanation)
            control.setToolTip(explanation)
