"""The seed as a chip: “Random”, or “Locked” with its number, which can be typed, drawn again and locked."""

from __future__ import annotations

from PySide6.QtCore import QLocale, QSize, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QFrame, QHBoxLayout, QSizePolicy, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.options import LARGEST_SEED, Option
from diffusion_studio.ui.look.buttons import ToolButton
from diffusion_studio.ui.look.icons import IconButton, icon
from diffusion_studio.ui.look.texts import first_upper, tooltip
from diffusion_studio.ui.look.theme import tokens


class SeedChip(QFrame):
    """Shows a seed and its lock; what the user does to them is emitted, and the request decides. `dice` has its place beside
    the chip, where other settings have their reset."""

    changed = Signal()  # a number was typed
    lock_wanted = Signal(bool)
    dice_wanted = Signal()

    def __init__(self, option: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chip")
        explanation = first_upper(option.help)
        self.lock = ToolButton(self)
        self.lock.setCheckable(True)
        self.lock.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.lock.setIconSize(QSize(14, 14))
        self.lock.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.number = QDoubleSpinBox(self)  # a whole number: QSpinBox ends at 2^31
        self.number.setDecimals(0)
        self.number.setRange(-1, LARGEST_SEED)
        self.number.setSpecialValueText(" ")  # no seed yet
        self.number.setValue(-1)
        self.number.setObjectName("plain")  # no arrows: the next seed is no nearer than any other
        locale = QLocale.c()
        locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
        self.number.setLocale(locale)
        self.number.setMinimumWidth(84)
        self.number.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.number.lineEdit().setPlaceholderText(tr("new each time"))
        self.number.setAccessibleName(option.label)
        self.number.setAccessibleDescription(explanation)
        self.number.setToolTip(
            tooltip(tr("{explanation}. Type a number to lock it.", explanation=explanation))
        )
        self.dice = IconButton("dice", tr("New seed"), tr("choose another random number (Ctrl+D)"), self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.lock)
        row.addWidget(self.number, 1)
        self._locked: bool | None = None  # as it is described
        self.show_lock(False)
        self.lock.clicked.connect(self.lock_wanted)
        self.dice.clicked.connect(self.dice_wanted)
        self.number.valueChanged.connect(lambda _: self.changed.emit())

    @property
    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        return [self.lock, self.number, self.dice]

    def value(self) -> int | None:
        return None if self.number.value() < 0 else int(self.number.value())

    def show_value(self, seed: int | None) -> None:
        self.number.setValue(-1 if seed is None else seed)

    def show_lock(self, locked: bool) -> None:
        self.lock.setChecked(locked)
        if locked == self._locked:
            return  # asked at every change of a control
        self._locked = locked
        self.lock.setText(tr("Locked") if locked else tr("Random"))
        self.lock.setAccessibleName(self.lock.text())
        explanation = (
            tr(
                "The seed stays: the same settings repeat the image. Click to use a new seed each time (Ctrl+L)."
            )
            if locked
            else tr("Each generation uses a new seed. Click to keep this one (Ctrl+L).")
        )
        self.lock.setAccessibleDescription(explanation)
        self.lock.setToolTip(tooltip(explanation))
        self._draw()

    def _draw(self) -> None:
        locked = self.lock.isChecked()
        self.lock.setIcon(
            icon("lock" if locked else "unlock", tokens().accent if locked else tokens().muted, size=14)
        )

    def changeEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange:
            self._draw()
