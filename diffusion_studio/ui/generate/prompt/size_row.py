"""Width and height in one row, with the sizes a model was trained at, and both swapped."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QSpinBox, QToolButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import LARGEST_SIDE, LEAST_SIDE, SIDE_STEP
from diffusion_studio.settings.options import Option
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import first_upper
from diffusion_studio.ui.look.theme import SPACE_XS
from diffusion_studio.ui.widgets.fields import MARGINS, NoStrayWheel

STEP = 64  # pixels of one press of an arrow


class SideField(NoStrayWheel, QSpinBox):
    """One side in pixels. What is typed becomes the nearest that is possible; 0 is the model's own, which is shown."""

    changed = Signal()

    def __init__(self, option: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.own = 512
        self.setRange(0, LARGEST_SIDE)
        self.setKeyboardTracking(False)
        self.lineEdit().setTextMargins(*MARGINS)
        self.setAccessibleName(option.label)
        self.setAccessibleDescription(first_upper(option.help))
        self.setToolTip(first_upper(option.help))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(62)
        self.valueChanged.connect(lambda _: self.changed.emit())

    def show_own(self, side: int) -> None:
        self.own = side
        self.setSpecialValueText(str(side))

    def show_value(self, side: int) -> None:
        self.setValue(side)

    @property
    def pixels(self) -> int:
        return self.value() or self.own

    def stepBy(self, steps: int) -> None:
        self.setValue(_possible(self.pixels // STEP * STEP + steps * STEP))

    def valueFromText(self, text: str) -> int:
        digits = "".join(letter for letter in text if letter.isdecimal())
        return _possible(int(digits)) if digits and int(digits) and int(digits) != self.own else 0


class SizeRow(QWidget):
    def __init__(self, width: Option, height: Option, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.across, self.down = SideField(width), SideField(height)
        self.swap = IconButton(
            "swap", tr("Swap width and height"), tr("from upright to wide, and back"), self
        )
        self.sizes = IconButton("list", tr("Sizes of the model"), tr("choose a size it was trained at"), self)
        self.sizes.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.sizes)
        self.sizes.setMenu(self.menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_XS)
        row.addWidget(self.across, 1)
        row.addWidget(plain_label("×", "quiet"))
        row.addWidget(self.down, 1)
        row.addWidget(self.swap)
        row.addWidget(self.sizes)
        self.swap.clicked.connect(self._swap)

    @property
    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        return [self.across, self.down, self.swap, self.sizes]

    def show_sizes(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Offer these widths and heights, the first of which is the model's own."""
        if not sizes:
            return
        self.across.show_own(sizes[0][0])
        self.down.show_own(sizes[0][1])
        self.menu.clear()
        for place, (width, height) in enumerate(sizes):
            words = (
                f"{width} × {height}"
                if place
                else tr("{width} × {height}, usual", width=width, height=height)
            )
            entry = self.menu.addAction(words)
            entry.triggered.connect(lambda _=False, size=(width, height): self.choose(*size))

    def choose(self, width: int, height: int) -> None:
        """Have this size; a side that is the model's own stays what the model says."""
        self.across.setValue(0 if width == self.across.own else width)
        self.down.setValue(0 if height == self.down.own else height)

    def _swap(self) -> None:
        self.choose(self.down.pixels, self.across.pixels)


def _possible(side: int) -> int:
    nearest = (side + SIDE_STEP // 2) // SIDE_STEP * SIDE_STEP
    return min(max(nearest, LEAST_SIDE), LARGEST_SIDE)
