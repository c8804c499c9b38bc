"""The fold of the panel for variations: a second seed, and how far to go towards it."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import first_upper
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S
from diffusion_studio.ui.widgets.fields import SeedField
from diffusion_studio.ui.widgets.form import LABEL_WIDTH, Disclosure
from diffusion_studio.ui.widgets.ratio_field import RatioField

SENTENCE = tr(
    "The same image, slightly different: its noise is blended with that of a second seed. "
    "At 0 nothing changes; at 1 it is the image of the second seed."
)


class Variation(QWidget):
    """Shows and changes `variation_seed` and `variation_strength`."""

    changed = Signal()  # by the user's hand

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        known = options(GenerationSettings)
        self.fold = Disclosure(tr("Variation"), tr("the same image, slightly different"), self)
        self.seed = SeedField(known["variation_seed"], self)
        self.seed.lock.hide()  # it stays until another one is asked for
        self.seed.number.setAccessibleName(tr("Second seed"))
        self.seed.number.setToolTip(first_upper(known["variation_seed"].help))
        self.seed.dice.setAccessibleName(tr("New second seed"))
        self.strength = RatioField(replace(known["variation_strength"], label=tr("Blend")), self)
        self._body = QWidget(self)
        self._lay_out()
        self._body.hide()
        self._showing = False
        self.fold.toggled.connect(self._body.setVisible)
        self.seed.changed.connect(self._change)
        self.strength.changed.connect(self._change)

    @property
    def controls(self) -> list[QWidget]:
        return [self.fold, *self.strength.controls, self.seed.number, self.seed.dice]

    def value(self) -> tuple[int | None, float]:
        return self.seed.value(), float(self.strength.value())

    def show_value(self, seed: int | None, strength: float) -> None:
        """Show these; where there is a variation, it is seen."""
        self._showing = True
        if seed != self.seed.value():
            self.seed.show_value(seed)
        if strength != self.strength.value():
            self.strength.show_value(strength)
        if strength > 0:
            self.fold.setChecked(True)
        self._showing = False

    def _change(self) -> None:
        if self._showing:
            return
        if self.strength.value() > 0 and self.seed.value() is None:
            self._showing = True
            self.seed.draw()
            self._showing = False
        self.changed.emit()

    def _lay_out(self) -> None:
        grid = QGridLayout(self._body)
        grid.setContentsMargins(0, 0, 0, SPACE_S)
        grid.setHorizontalSpacing(SPACE_M)
        grid.setVerticalSpacing(SPACE_S // 2)
        grid.setColumnStretch(1, 1)
        sentence = plain_label(SENTENCE, "small")
        sentence.setWordWrap(True)
        grid.addWidget(sentence, 0, 0, 1, 2)
        rows = (
            (tr("Blend"), self.strength, self.strength.number),
            (tr("Second seed"), self.seed, self.seed.number),
        )
        for row, (text, field, named) in enumerate(rows, start=1):
            label = plain_label(text, "quiet")
            label.setMinimumWidth(LABEL_WIDTH)
            label.setBuddy(named)
            grid.addWidget(label, row, 0)
            grid.addWidget(field, row, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addWidget(self.fold)
        column.addWidget(self._body)
