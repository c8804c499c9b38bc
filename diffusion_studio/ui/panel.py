"""The settings of a generation: the model, the form, the drawn noise schedule, and the button."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from ..cards import ModelCard
from ..settings import GenerationSettings, options
from .action_button import ActionButton
from .curve import NoiseCurve
from .fields import ChoiceField, SeedField
from .form import SettingsForm
from .labels import plain_label
from .model_chooser import ModelChooser
from .theme import PANEL_WIDTH, SPACE_L, SPACE_M, SPACE_S

USED_BY = {"eta": "ddim", "churn": "heun"}  # settings that one sampler alone heeds
OWN = ("seed", "count", "class_label", "device", "precision")  # not the model's to recommend


class GenerationPanel(QWidget):
    """Left of the canvas. `value()` is read once, when Generate is clicked."""

    changed = Signal()
    model_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(PANEL_WIDTH)
        known = options(GenerationSettings)
        self.chooser = ModelChooser()
        self.classes = ChoiceField(known["class_label"])
        self.form = SettingsForm(
            GenerationSettings, fields={"model": self.chooser, "class_label": self.classes}, wide=("model",)
        )
        self.curve = NoiseCurve()
        self.form.add_below("spacing", self.curve)
        self.button = ActionButton("Generate", "Draw the picture (Ctrl+Enter)")
        self.line = plain_label("", "small")
        self.line.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._showing = False
        self._lay_out()
        self.chooser.changed.connect(self._choose_model)
        self.form.changed.connect(self._follow)
        self._follow()

    @property
    def seed(self) -> SeedField:
        return self.form.fields["seed"]

    @property
    def card(self) -> ModelCard | None:
        return self.chooser.card

    def value(self) -> GenerationSettings:
        return self.form.value()

    def show_value(self, settings: GenerationSettings) -> None:
        """Show given settings; where they name no installed model, the chosen one stays."""
        self._showing = True
        self.chooser.show_value(settings.model)
        self._show_card()
        self.form.show_value(settings)
        self._showing = False

    def show_cards(self, cards: list[ModelCard]) -> None:
        """Offer these models."""
        self.chooser.show_cards(cards)
        self._show_card()

    def tab_order(self) -> list[QWidget]:
        return [*self.form.tab_order(), self.button]

    def _choose_model(self) -> None:
        """Another model by the user's hand: its recommendations, but the user's own seed, count and class."""
        if not self._showing:
            self._show_card()
            if self.card is not None:
                self.form.show_value(self.card.defaults(), keep=OWN)
        self.model_changed.emit()

    def _show_card(self) -> None:
        card = self.card
        if card is None:
            return
        self.form.show_options(card.options)
        self.classes.show_choices({"": "Any", **{name: class_title(name) for name in card.classes}})
        self.curve.show_model(card.schedule)

    def _follow(self) -> None:
        fields = self.form.fields
        self.curve.show_steps(fields["spacing"].value(), fields["steps"].value())
        for name, sampler in USED_BY.items():
            self.form.enable(name, fields["sampler"].value() == sampler)
        self.changed.emit()

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("panelBody")
        inner = QVBoxLayout(body)
        inner.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_S)
        inner.addWidget(self.form)
        inner.addStretch(1)
        area = QScrollArea()
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(body)
        top = QFrame()
        top.setObjectName("panel")
        around = QVBoxLayout(top)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(area)
        foot = QFrame()
        foot.setObjectName("panelFoot")
        below = QVBoxLayout(foot)
        below.setContentsMargins(SPACE_L - 3, SPACE_M - 3, SPACE_L - 3, SPACE_S)
        below.setSpacing(SPACE_S // 2)
        below.addWidget(self.button)
        below.addWidget(self.line)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(top, 1)
        column.addWidget(foot)


def class_title(name: str) -> str:
    """“long_hair” as it is read: “Long hair”."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:60]
