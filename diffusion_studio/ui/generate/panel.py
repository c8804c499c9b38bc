"""The settings of a generation: what it goes on from, the model, the form, the drawn noise schedule, and the button."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.settings.branches import branch, parts
from diffusion_studio.settings.effects import ONLY_WITH
from diffusion_studio.settings.generation import STEERING, GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.ui.generate.few_steps import FewSteps
from diffusion_studio.ui.generate.panel_note import PanelNote
from diffusion_studio.ui.generate.stop_choices import StopChoices
from diffusion_studio.ui.look.labels import Line
from diffusion_studio.ui.look.theme import PANEL_WIDTH, SCROLL_WIDTH, SPACE_L, SPACE_M, SPACE_S
from diffusion_studio.ui.models.chooser import ModelChooser
from diffusion_studio.ui.widgets.action_button import ActionButton
from diffusion_studio.ui.widgets.fields import ChoiceField, SeedField
from diffusion_studio.ui.widgets.form import SettingsForm
from diffusion_studio.ui.widgets.spacing_curve import NoiseCurve

SHARED = ("model", "count", "history", "until")  # not a branch's to change
OWN = ("seed", "count", "class_label", "device", "precision")  # not the model's to recommend


class GenerationPanel(QWidget):
    """Left of the canvas. `value()` is read once, when Generate is clicked.

    While `past` is set, what is drawn leaves the walk of those settings at that step.
    """

    changed = Signal()
    model_changed = Signal()
    leaving_model = Signal()  # another one was chosen by hand; the form is still that of the old one
    put_aside = Signal(
        object
    )  # GenerationSettings whose start picture, mask and variation the new model leaves

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(PANEL_WIDTH)
        known = options(GenerationSettings)
        self.chooser = ModelChooser()
        self.classes = ChoiceField(known["class_label"])
        self.form = SettingsForm(
            GenerationSettings,
            fields={"model": self.chooser, "class_label": self.classes},
            wide=("model",),
            skip=STEERING,
        )
        self.curve = NoiseCurve()
        self.form.add_below("spacing", self.curve)
        self.few_steps = FewSteps()
        self.form.add_below("count", self.few_steps)
        self.note = PanelNote()
        self.choices = StopChoices()
        self.past: tuple[GenerationSettings, int] | None = None
        self.button = ActionButton(tr("Generate"), tr("Draw the picture (Ctrl+Enter)"))
        self.line = Line(align=Qt.AlignmentFlag.AlignHCenter)
        self._showing = False
        self._form_of: ModelCard | None = None  # whose options the form shows
        self._shown = self.form.value()
        self._lay_out()
        self.chooser.changed.connect(self._choose_model)
        self.form.fields["sampler"].changed.connect(self._choose_sampler)
        self.form.changed.connect(self._follow)
        self._follow()

    @property
    def seed(self) -> SeedField:
        return self.form.fields["seed"]

    @property
    def card(self) -> ModelCard | None:
        return self.chooser.card

    def value(self) -> GenerationSettings:
        own = self.form.value()
        if own.batch and own != self._shown:
            own = replace(own, batch="")  # another picture than was shown: it has no place in its batch
        until = self.few_steps.value(own.steps)
        if self.past is None:
            return replace(own, until=until, history=())
        parent, step = self.past
        return branch(replace(parent, model=own.model, count=own.count), step, **_changes(own), until=until)

    def clean(self) -> None:
        """No start picture, mask, variation or branch, and a random seed."""
        self.past = None
        self.form.carry(**{name: getattr(GenerationSettings(), name) for name in STEERING}, batch="")
        self.seed.show_value(None)

    def show_past(self, past: tuple[GenerationSettings, int] | None) -> None:
        """Go on from that step of those settings, or with None from noise."""
        self.past = past
        self.changed.emit()

    def show_value(self, settings: GenerationSettings) -> None:
        """Show given settings; where they name no installed model, the chosen one stays."""
        self._showing = True
        self.past = parts(settings)[-1] if settings.history else None
        self.few_steps.show_value(settings.until)
        self.chooser.show_value(settings.model)
        self._show_card()
        wanted = replace(settings, history=(), until=0)
        self.form.show_value(wanted)
        if settings.seed is None or self.form.value() != wanted:
            self.form.carry(batch="")
        self._shown = self.form.value()
        self._showing = False

    def show_cards(self, cards: list[ModelCard]) -> None:
        """Offer these models."""
        self.chooser.show_cards(cards)
        self._show_card()

    def add_section(self, name: str, section: QWidget) -> None:
        """Place what may hide itself under the row of an option."""
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(section)
        self.form.add_below(name, holder)

    def add_last(self, section: QWidget) -> None:
        """Place something under the form."""
        self._inner.insertWidget(self._inner.count() - 1, section)

    def tab_order(self) -> list[QWidget]:
        order = self.form.tab_order()
        after = order.index(self.form.fields["count"]) + 1
        return [
            *(*self.note.controls, *order[:after], *self.few_steps.controls, *order[after:]),
            *(self.button, *self.choices.controls),
        ]

    def ask_to_stop(self, asking: bool) -> None:
        """Show the choices a stopped run has, in the place of the button."""
        focused = self.button.hasFocus() or any(part.hasFocus() for part in self.choices.controls)
        self.choices.setVisible(asking)
        self.button.setVisible(not asking)
        if focused:
            (self.choices.keep if asking else self.button).setFocus()

    def _choose_model(self) -> None:
        """Another model by the user's hand: its recommendations, but the user's own seed, count and class.

        A start picture, its mask and a variation stay where the new model generates at the same size. Else they mean
        another image there, and are put aside.
        """
        if not self._showing:
            self.leaving_model.emit()
            before, left = self._form_of, self.form.carried
            self._show_card()
            card = self.card
            if card is not None:
                stays = before is None or (card.sides, card.channels) == (before.sides, before.channels)
                steered = {name: getattr(left, name) for name in STEERING} if stays else {}
                self.form.show_value(replace(card.defaults(), **steered), keep=OWN)
                if not stays and (left.source or left.variation_strength):
                    self.put_aside.emit(left)
        self.model_changed.emit()

    def _choose_sampler(self) -> None:
        """Another sampler by the user's hand: what the model recommends with its own goes."""
        if self.card is None or self._showing or self.form.signalsBlocked():
            return
        fields = self.form.fields
        stands = replace(GenerationSettings(), **{name: fields[name].value() for name in ONLY_WITH})
        plain = self.card.without_recipe(stands)
        for name in ONLY_WITH:
            if getattr(plain, name) != getattr(stands, name):
                fields[name].show_value(getattr(plain, name))

    def _show_card(self) -> None:
        card = self.card
        if card is None:
            return
        self._form_of = card
        self.form.show_options(card.options)
        self.classes.show_choices({"": "Any", **{name: class_title(name) for name in card.classes}})
        self.curve.show_model(card.schedule, tokens=card.size**2)

    def _follow(self) -> None:
        fields = self.form.fields
        self.curve.show_steps(*(fields[name].value() for name in ("spacing", "steps", "shift")))
        self.enable_idle()
        self.few_steps.show_batch(fields["count"].value(), fields["steps"].value())
        self.changed.emit()

    def enable_idle(self) -> None:
        """Disable what the chosen sampler has no use for."""
        sampler = self.form.fields["sampler"].value()
        for name, needed in ONLY_WITH.items():
            self.form.enable(name, sampler == needed)

    def _make_room(self, lowest: int, highest: int) -> None:
        """Let a scroll bar take the place of the margin, not of the fields."""
        right = SPACE_L - (SCROLL_WIDTH if highest > lowest else 0)
        self._inner.setContentsMargins(SPACE_L, SPACE_L, right, SPACE_S)

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("panelBody")
        inner = self._inner = QVBoxLayout(body)
        inner.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_S)
        inner.addWidget(self.form)
        inner.addStretch(1)
        area = QScrollArea()
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(body)
        area.verticalScrollBar().rangeChanged.connect(self._make_room)
        top = QFrame()
        top.setObjectName("panel")
        around = QVBoxLayout(top)
        around.setContentsMargins(0, 0, 0, 0)
        around.setSpacing(0)
        around.addWidget(self.note)
        around.addWidget(area, 1)
        foot = QFrame()
        foot.setObjectName("panelFoot")
        below = QVBoxLayout(foot)
        below.setContentsMargins(SPACE_L - 3, SPACE_M - 3, SPACE_L - 3, SPACE_S)
        below.setSpacing(SPACE_S // 2)
        below.addWidget(self.button)
        below.addWidget(self.choices)
        below.addWidget(self.line)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(top, 1)
        column.addWidget(foot)


def _changes(own: GenerationSettings) -> dict[str, Any]:
    """What a branch may do otherwise than its parent."""
    return {f.name: getattr(own, f.name) for f in fields(own) if f.name not in SHARED}


def class_title(name: str) -> str:
    """“long_hair” as it is read: “Long hair”."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:60]
