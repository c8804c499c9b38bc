"""The recipe of a training: one of three, or settings of one's own; what it takes and what to expect."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.recipes import EXPECTED, applied, expected, recipe_of
from diffusion_studio.settings.training import (
    DEFAULT_MINUTES,
    FLOW,
    FLOW_PREDICTION,
    MODEL_SIZES,
    SCRATCH,
    TrainingSettings,
)
from diffusion_studio.settings.units import millions
from diffusion_studio.training_events import Estimated
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import PANEL_WIDTH, SPACE_L, SPACE_M, SPACE_S
from diffusion_studio.ui.train.noise import NoiseView
from diffusion_studio.ui.train.recipe_cards import RecipeCards
from diffusion_studio.ui.train.training_form import TrainingForm
from diffusion_studio.ui.train.words import about, cost, network_words
from diffusion_studio.ui.widgets.fields import ChoiceField

FIRST_RECIPE = "quick"
MEASURED = (
    "size",
    "batch",
    "model_size",
    "classes",
    "precision",
    "device",
    "start_from",
    "space",
)  # a step's time depends on them
OF_THE_RECIPE = ("model_size", "space")  # changing these is leaving it
OF_THE_NETWORK = ("model_size", "space", "schedule", "prediction")  # chosen from lists
FLOW_CHOICES = {"schedule": FLOW, "prediction": FLOW_PREDICTION}


class RecipeView(QWidget):
    """`value()` is read once, when Train is clicked."""

    changed = Signal()
    cost_changed = Signal()  # what a step takes has to be measured
    train_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards = RecipeCards(self)
        self.form = TrainingForm(self)
        self.noise = NoiseView(self)
        self.train_button = push_button(tr("Train"), tr("Start training on these images (Ctrl+Enter)"))
        self.train_button.setProperty("primary", True)
        self.train_button.setMinimumWidth(140)
        self.cost = plain_label("", "small")
        self.cost.setWordWrap(True)
        size = self.form.fields["model_size"]
        size.setToolTip(tr("{help} The number is that of its parameters, in millions.", help=size.toolTip()))
        self._folder = ""
        self._named = ""  # the name that was suggested, until the user types another
        self._suggested = ""  # the model to start from that was, likewise
        self._models: Mapping[str, ModelCard] = {}  # the installed models, by name
        self._following = False
        self._busy = False
        self._recipe = ""
        self._estimate: Estimated | None = None
        self._times: Mapping[str, str] = {}
        self._batch = 0
        self._measured: tuple[object, ...] = ()
        self._lay_out()
        fields = self.form.fields
        fields["minutes"].changed.connect(lambda: self._end_by("minutes", "steps"))
        fields["steps"].changed.connect(lambda: self._end_by("steps", "minutes"))
        for name in FLOW_CHOICES:
            fields[name].changed.connect(lambda name=name: self._match_flow(name))
        self.form.changed.connect(self._follow)
        self.cards.chosen.connect(self.use_recipe)
        self.train_button.clicked.connect(self.train_wanted)
        self.show_value(TrainingSettings())
        self.show_running(False)

    # --- the settings ---

    def value(self) -> TrainingSettings:
        return replace(self.form.value(), folder=self._folder)

    def show_value(self, settings: TrainingSettings) -> None:
        """Show these settings; the folder and the name stay. Without a length, they get that of the first recipe."""
        if not settings.steps and not settings.minutes:
            settings = applied(FIRST_RECIPE, settings)
        self._recipe = ""  # what is shown now decides which it is
        self.form.show_value(settings, keep=("name",))

    def use_recipe(self, name: str) -> None:
        """Set what the recipe says, and nothing else."""
        settings = self._settings()
        if settings is not None:
            self.form.show_value(applied(name, settings))

    def show_folder(self, folder: Path, name: str) -> None:
        """The training images, and a name for the model, unless the user has given one."""
        self._folder = str(folder)
        if self.form.fields["name"].value() in ("", self._named):
            self.show_name(name)
        self._follow_running()
        self.changed.emit()

    def forget_folder(self) -> None:
        """There are no training images to begin with."""
        self._folder = ""
        self._times, self._batch = {}, 0
        self.show_cost("")
        self._follow_running()
        self._show_facts()

    def show_run(self, settings: TrainingSettings) -> None:
        """The folder and the settings of a run that is resumed."""
        self._folder = settings.folder
        if not settings.steps and not settings.minutes:
            settings = replace(settings, minutes=DEFAULT_MINUTES)
        self.show_value(settings)
        self.show_name(settings.name)

    def show_name(self, name: str) -> None:
        """Suggest a name."""
        self._named = name
        self.form.fields["name"].show_value(name)

    def show_cards(self, cards: Sequence[ModelCard]) -> None:
        """Models to start from: those whose network can be used at the selected size."""
        size = self.form.fields["size"].value()
        self._models = {card.name: card for card in cards}
        fitting = {card.name: card.title for card in cards if can_start(card, size)}
        self.form.fields["start_from"].show_choices({"": tr("Automatic"), SCRATCH: tr("Scratch"), **fitting})

    def suggest_start(self, card: ModelCard | None) -> None:
        """Select the model that few images or a short training should start from, unless the user has selected another."""
        name = card.name if card is not None else ""
        if name != self._suggested:
            before, self._suggested = self._suggested, name
            if self.form.fields["start_from"].value() in ("", before):
                self.form.fields["start_from"].show_value(name)

    def start_from(self, card: ModelCard, cards: Sequence[ModelCard]) -> None:
        """Fine-tune this one of the models, at its own size."""
        self.form.fields["size"].show_value(card.size)
        self.show_cards(cards)
        self.form.fields["start_from"].show_value(card.name)

    # --- what it takes ---

    @property
    def measured(self) -> bool:
        """Whether the cost of these settings is known."""
        return self._estimate is not None

    def show_parameters(self, counts: Mapping[str, int]) -> None:
        field = self.form.fields["model_size"]
        field.show_choices({name: f"{text} · {millions(counts[name])}" for name, text in MODEL_SIZES.items()})

    def show_estimate(self, estimate: Estimated) -> None:
        self._estimate, self._batch = estimate, estimate.batch
        self._show_facts()

    def show_cost(self, words: str) -> None:
        """In place of the cost: that it is being measured, or why it is not known."""
        self._estimate = None
        self.cost.setText(words)

    def show_times(self, times: Mapping[str, float | None]) -> None:
        """Seconds that each recipe takes on this computer; None while it is being measured."""
        self._times = {
            name: tr("Measuring…") if seconds is None else tr("about {time}", time=about(seconds))
            for name, seconds in times.items()
        }
        self._show_facts()

    def show_running(self, busy: bool) -> None:
        """While a training runs, its settings can be read and not changed."""
        self._busy = busy
        for widget in (self.form, self.cards):
            widget.setEnabled(not busy)
        self._follow_running()

    def tab_order(self) -> list[QWidget]:
        noise = [self.noise.canvas, self.noise.slider]
        return [*self.cards.cards.values(), *self.form.tab_order(), *noise, self.train_button]

    # --- following ---

    def _follow_running(self) -> None:
        self.train_button.setEnabled(bool(self._folder) and not self._busy)

    def _settings(self) -> TrainingSettings | None:
        try:
            return self.form.value()
        except UserError:
            return None

    def _end_by(self, given: str, other: str) -> None:
        """A run ends by steps or by minutes: giving one clears the other, clearing both brings back minutes."""
        if self._following:
            return
        self._following = True
        fields = self.form.fields
        if fields[given].value():
            fields[other].show_value(0)
        elif not fields[other].value():
            fields["minutes"].show_value(DEFAULT_MINUTES)
        self._following = False
        self._follow()

    def _match_flow(self, given: str) -> None:
        """A flow and its velocity go together: selecting or leaving one does so with the other."""
        if self._following:
            return
        self._following = True
        (other,) = FLOW_CHOICES.keys() - {given}
        flow = self.form.fields[given].value() == FLOW_CHOICES[given]
        field = self.form.fields[other]
        if flow != (field.value() == FLOW_CHOICES[other]):
            field.show_value(FLOW_CHOICES[other] if flow else getattr(TrainingSettings(), other))
        self._following = False
        self._follow()

    def _follow(self) -> None:
        if self._following:
            return
        self._keep_recipe()
        fields = self.form.fields
        settings = self._settings()
        if settings is not None:
            for name in fields:
                self.form.enable(name, name not in settings.unused)
            self._show_network(self._models.get(settings.start_from))
        measured = tuple(fields[name].value() for name in MEASURED)
        if measured != self._measured:
            self._measured = measured
            self.cost_changed.emit()
        self._show_facts()
        self.changed.emit()

    def _show_network(self, card: ModelCard | None) -> None:
        """What is kept of the model that a training starts from, where what is selected has no effect."""
        shown = network_words(card) if card is not None else {}
        for name in OF_THE_NETWORK:
            field = self.form.fields[name]
            assert isinstance(field, ChoiceField)
            field.show_instead(shown.get(name, ""))

    def _keep_recipe(self) -> None:
        """With another size, a recipe takes other steps: it stays selected, and they follow."""
        settings = self._settings()
        if settings is None:
            return
        recipe = recipe_of(settings)
        known = dict(zip(MEASURED, self._measured, strict=False))
        before = {name: value for name, value in known.items() if name not in OF_THE_RECIPE}
        changed = any(getattr(settings, name) != value for name, value in before.items())
        if not recipe and self._recipe and changed:
            self._following = True
            self.form.show_value(applied(self._recipe, settings))
            self._following = False
            recipe = self._recipe
        self._recipe = recipe
        self.cards.show_chosen(recipe)

    def _show_facts(self) -> None:
        settings = self._settings()
        if settings is None:
            return
        self.cards.show_facts(settings, settings.batch or self._batch, self._times)
        if self._estimate is not None:
            minutes = settings.minutes or DEFAULT_MINUTES
            steps = settings.steps or round(60 * minutes / max(self._estimate.step_seconds, 1e-6))
            level = expected(settings, steps, self._estimate.batch)
            words = cost(self._estimate, settings.steps, minutes)
            said = [tr("Expect {what}.", what=EXPECTED[level])]
            if self._suggested and settings.start_from == self._suggested:
                said.append(
                    tr("With few images or little time, start from a model that has seen many kinds.")
                )
            self.cost.setText(f"{words}\n{' '.join(said)}")

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("panelBody")
        inner = QVBoxLayout(body)
        inner.setContentsMargins(SPACE_L, SPACE_M, SPACE_M, SPACE_S)
        inner.addWidget(self.form)
        inner.addStretch(1)
        area = QScrollArea()
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(body)
        area.setFixedWidth(PANEL_WIDTH + 24)
        top = QHBoxLayout()
        top.setContentsMargins(SPACE_L, SPACE_S, SPACE_L, SPACE_S)
        top.addWidget(self.cards)
        middle = QHBoxLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(0)
        middle.addWidget(area)
        middle.addWidget(self.noise, 1)
        foot = QFrame()
        foot.setObjectName("panelFoot")
        below = QHBoxLayout(foot)
        below.setContentsMargins(SPACE_L, SPACE_S, SPACE_L, SPACE_S)
        below.setSpacing(SPACE_L)
        below.addWidget(self.cost, 1)
        below.addWidget(self.train_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(top)
        column.addLayout(middle, 1)
        column.addWidget(foot)


def can_start(card: ModelCard, size: int) -> bool:
    """Whether a model can be trained further at this size: in grey, in colour or with transparency."""
    pixels = not card.prompted and card.channels in (1, 3, 4)
    return pixels and size % card.network.smallest_factor == 0


def follows(settings: TrainingSettings, names: Collection[str] = MEASURED) -> tuple[object, ...]:
    """What the time of a step depends on."""
    return tuple(getattr(settings, name) for name in names)
