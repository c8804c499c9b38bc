"""The fold of the panel for variations: a second seed, and how far to go towards it."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.ui.generate.request import GenerationRequest
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
    """Shows and changes `variation_seed` and `variation_strength` of the request."""

    def __init__(self, request: GenerationRequest, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._request = request
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
        request.changed.connect(self._follow)

    @property
    def controls(self) -> list[QWidget]:
        return [self.fold, *self.strength.controls, self.seed.number, self.seed.dice]

    def _follow(self) -> None:
        """Show the request's; where there is a variation, it is seen."""
        seed, strength = self._request.settings.variation_seed, self._request.settings.variation_strength
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
        seed, strength = self.seed.value(), float(self.strength.value())
        if strength > 0 and self._request.settings.seed is not None:
            self._request.lock(True)  # a variation of an image that changes anyway is none
        self._request.change(variation_seed=seed, variation_strength=strength)

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
