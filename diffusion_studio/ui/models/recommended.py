"""The settings a model recommends: shown on its noise schedule, changed here, and saved with the model."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.models.card import RECOMMENDED, ModelCard
from diffusion_studio.settings.effects import ONLY_WITH
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_S
from diffusion_studio.ui.widgets.form import SettingsForm
from diffusion_studio.ui.widgets.spacing_curve import NoiseCurve


class Recommended(QWidget):
    saved = Signal(object)  # names and values; None: as the model came

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form = SettingsForm(
            GenerationSettings, skip=[name for name in options(GenerationSettings) if name not in RECOMMENDED]
        )
        self.curve = NoiseCurve()
        self.form.add_below("spacing", self.curve)
        self.note = plain_label("", "small")
        self.note.setWordWrap(True)
        self.save = push_button(tr("Save"), tr("Start with these settings whenever this model is selected"))
        self.reset = push_button(tr("Reset"), tr("Restore the settings the model came with"))
        self._card: ModelCard | None = None
        row = QHBoxLayout()
        row.setSpacing(SPACE_S)
        row.addWidget(self.save)
        row.addWidget(self.reset)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        column.addWidget(plain_label(tr("Recommended settings"), "heading"))
        column.addWidget(self.form)
        column.addWidget(self.note)
        column.addLayout(row)
        self.form.changed.connect(self._follow)
        self.save.clicked.connect(lambda: self.saved.emit(self.values()))
        self.reset.clicked.connect(lambda: self.saved.emit(None))

    def show_card(self, card: ModelCard) -> None:
        self._card = card
        self.form.show_options(card.options)
        self.curve.show_model(card.schedule, tokens=card.size**2)
        self.form.show_value(card.defaults())

    def values(self) -> dict[str, Any]:
        """What the form recommends, as far as it has an effect with this model."""
        effective = self._card.options if self._card is not None else frozenset()
        return {name: field.value() for name, field in self.form.fields.items() if name in effective}

    @property
    def controls(self) -> list[QWidget]:
        return [*self.form.tab_order(), self.save, self.reset]

    def _follow(self) -> None:
        fields = self.form.fields
        self.curve.show_steps(*(fields[name].value() for name in ("spacing", "steps", "shift")))
        for name, sampler in ONLY_WITH.items():
            self.form.enable(name, fields["sampler"].value() == sampler)
        card = self._card
        if card is None:
            return
        defaults = card.defaults()
        changed = any(value != getattr(defaults, name) for name, value in self.values().items())
        self.save.setEnabled(changed)
        self.reset.setEnabled(changed or card.changed)
        self.note.setVisible(card.changed or changed)
        self.note.setText(tr("Changed, not saved yet.") if changed else tr("Changed by you."))
