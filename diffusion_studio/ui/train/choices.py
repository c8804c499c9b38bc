"""The choices of a training: the folder, the form made from `TrainingSettings`, what it will take, and the buttons."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from diffusion_studio.events import Estimated
from diffusion_studio.language import tr
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.settings.options import options
from diffusion_studio.settings.training import FLOW, FLOW_PREDICTION, MODEL_SIZES, TrainingSettings
from diffusion_studio.settings.units import duration
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label
from diffusion_studio.ui.look.texts import readable, tooltip
from diffusion_studio.ui.look.theme import PANEL_WIDTH, SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.train.records import DEFAULT_MINUTES
from diffusion_studio.ui.widgets.action_button import ActionButton
from diffusion_studio.ui.widgets.fields import ChoiceField, IntField
from diffusion_studio.ui.widgets.form import SettingsForm

SIZES = (16, 24, 32, 48, 64, 96, 128, 192, 256)  # sides a network halves well
NOTHING = {  # what 0 means, where it is no number
    "minutes": "by steps",
    "steps": "by time",
    "batch": "automatic",
    "learning_rate": "automatic",
    "min_snr": "off",
    "polish": "none",
    "clip_norm": "off",
    "autosave_steps": "by time",
    "sample_every": "none",
}
MEASURED = (
    "size",
    "batch",
    "model_size",
    "classes",
    "precision",
    "device",
    "start_from",
)  # what a step's time hangs on


FLOW_CHOICES = {"schedule": FLOW, "prediction": FLOW_PREDICTION}


class TrainingPanel(QWidget):
    """Left of the page. `value()` is read once, when Train is clicked."""

    changed = Signal()
    cost_changed = Signal()  # what a step takes has to be measured anew
    folder_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(PANEL_WIDTH)
        known = options(TrainingSettings)
        self.sizes = SizeField(known["size"])
        self.starts = ChoiceField(known["start_from"])
        self.steps = IntField(known["steps"])
        self.form = SettingsForm(
            TrainingSettings,
            fields={"size": self.sizes, "start_from": self.starts, "steps": self.steps},
            skip=("folder",),
        )
        size = self.form.fields["model_size"]
        size.setToolTip(
            tr("{tooltip} The number is how many parameters it has, in millions.", tooltip=size.toolTip())
        )
        for label in self.form.findChildren(QLabel):
            label.setMinimumWidth(
                label.sizeHint().width()
            )  # the longest is wider than the column of the others
        for name, words in NOTHING.items():
            self.form.fields[name].setSpecialValueText(words)
        self.folder = ElidedLabel(tr("No folder chosen"))
        self.folder_button = push_button("Choose…", tr("Choose the folder of pictures to learn from"))
        self.button = TrainButton()
        self.pause = push_button("Pause", tr("Hold still with everything loaded; go on whenever you like"))
        self.discard = push_button("Discard…", tr("Stop, and move what was learned in this run to the trash"))
        self.line = plain_label("", "small")
        self.line.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.line.setWordWrap(True)
        self.cost = plain_label("", "small")
        self.cost.setWordWrap(True)
        self._folder = ""
        self._named = ""  # the name that was suggested, until the user types another
        self._following = False
        self._estimate: Estimated | None = None
        self._measured: tuple[object, ...] = ()
        self._lay_out()
        self.folder_button.clicked.connect(self.folder_wanted)
        self.form.fields["minutes"].changed.connect(lambda: self._end_by("minutes", "steps"))
        self.form.fields["steps"].changed.connect(lambda: self._end_by("steps", "minutes"))
        for name in FLOW_CHOICES:
            self.form.fields[name].changed.connect(lambda name=name: self._match_flow(name))
        self.form.changed.connect(self._follow)
        self.form.show_value(TrainingSettings(minutes=DEFAULT_MINUTES))
        self.show_running("idle")

    def value(self) -> TrainingSettings:
        return replace(self.form.value(), folder=self._folder)

    def show_value(self, settings: TrainingSettings) -> None:
        """Show these choices; the folder stays."""
        if not settings.steps and not settings.minutes:
            settings = replace(settings, minutes=DEFAULT_MINUTES)
        self.form.show_value(settings, keep=("name",))

    def show_folder(self, folder: Path, name: str) -> None:
        """The pictures to learn from, and a name for the model, unless the user has given one."""
        self._say_folder(folder)
        if self.form.fields["name"].value() in ("", self._named):
            self.show_name(name)
        self.changed.emit()

    def show_run(self, settings: TrainingSettings) -> None:
        """The folder and the choices of a run that is gone on with."""
        self._say_folder(Path(settings.folder))
        self.show_value(settings)
        self.show_name(settings.name)

    def _say_folder(self, folder: Path) -> None:
        self._folder = str(folder)
        self.folder.setText(readable(folder.name))
        self.folder.setToolTip(tooltip(readable(folder)))
        self.folder_button.setText(tr("Change…"))
        self.folder_button.setAccessibleName(tr("Change…"))

    def show_name(self, name: str) -> None:
        """Suggest a name."""
        self._named = name
        self.form.fields["name"].show_value(name)

    @property
    def measured(self) -> bool:
        """Whether the choices are known to take what the panel says."""
        return self._estimate is not None

    def show_cards(self, cards: list[ModelCard]) -> None:
        """Models to go on from: those that draw in colours at the chosen size."""
        size = self.sizes.value()
        fitting = {card.name: card.title for card in cards if card.size == size and card.channels == 3}
        self.starts.show_choices({"": "Scratch", **fitting})

    def start_from(self, card: ModelCard, cards: list[ModelCard]) -> None:
        """Go on from this one of the models, at its own size."""
        self.sizes.show_value(card.size)
        self.show_cards(cards)
        self.starts.show_value(card.name)

    def show_parameters(self, counts: Mapping[str, int]) -> None:
        field = self.form.fields["model_size"]
        field.show_choices({name: f"{text} · {millions(counts[name])}" for name, text in MODEL_SIZES.items()})

    def show_estimate(self, estimate: Estimated) -> None:
        self._estimate = estimate
        self._say_cost()

    def say_cost(self, words: str) -> None:
        self._estimate = None
        self.cost.setText(words)

    def show_running(self, state: str) -> None:
        """The buttons for "idle", "running", "paused" or "stopping"."""
        busy = state != "idle"
        for widget in (self.form, self.folder_button):
            widget.setEnabled(not busy)
        for widget in (self.pause, self.discard):
            widget.setVisible(busy)
            widget.setEnabled(state != "stopping")
        paused = state == "paused"
        self.pause.setText(tr("Go on") if paused else tr("Pause"))
        self.pause.setAccessibleName(self.pause.text())
        self.pause.setToolTip(
            tr("Train on from where it was paused")
            if paused
            else tr("Hold still with everything loaded; go on whenever you like")
        )
        if not busy:
            self.button.show_idle()
        elif not self.button.running:
            self.button.show_progress(0)
        self.button.setEnabled(state != "stopping" and (busy or bool(self._folder)))
        if not busy:
            self.cost.show()

    def tab_order(self) -> list[QWidget]:
        return [self.folder_button, *self.form.tab_order(), self.button, self.pause, self.discard]

    def _end_by(self, chosen: str, other: str) -> None:
        """A run ends by steps or by minutes: giving one takes the other away, taking one away brings back minutes."""
        if self._following:
            return
        self._following = True
        fields = self.form.fields
        if fields[chosen].value():
            fields[other].show_value(0)
        elif not fields[other].value():
            fields["minutes"].show_value(DEFAULT_MINUTES)
        self._following = False

    def _match_flow(self, chosen: str) -> None:
        """A flow and its velocity go together: choosing or leaving one does so with the other."""
        if self._following:
            return
        self._following = True
        (other,) = FLOW_CHOICES.keys() - {chosen}
        flow = self.form.fields[chosen].value() == FLOW_CHOICES[chosen]
        field = self.form.fields[other]
        if flow != (field.value() == FLOW_CHOICES[other]):
            field.show_value(FLOW_CHOICES[other] if flow else getattr(TrainingSettings(), other))
        self._following = False

    def _follow(self) -> None:
        if self._following:
            return
        fields = self.form.fields
        for name in ("min_snr", "polish"):  # a flow's loss is even
            self.form.enable(name, fields["schedule"].value() != FLOW or bool(self.starts.value()))
        self.form.enable("label_dropout", fields["classes"].value())
        for name in (
            "model_size",
            "schedule",
            "prediction",
            "timesteps",
        ):  # those of the model it goes on from hold
            self.form.enable(name, not self.starts.value())
        measured = tuple(fields[name].value() for name in MEASURED)
        if measured != self._measured:
            self._measured = measured
            self.cost_changed.emit()
        self._say_cost()
        self.changed.emit()

    def _say_cost(self) -> None:
        if self._estimate is not None:
            fields = self.form.fields
            self.cost.setText(
                estimate_words(self._estimate, fields["steps"].value(), fields["minutes"].value())
            )

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("panelBody")
        inner = QVBoxLayout(body)
        inner.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_S)
        inner.setSpacing(SPACE_S)
        row = QHBoxLayout()
        row.setSpacing(SPACE_S)
        heading = plain_label(tr("Folder"), "quiet")
        heading.setBuddy(self.folder_button)
        row.addWidget(heading)
        row.addWidget(self.folder, 1)
        row.addWidget(self.folder_button)
        inner.addLayout(row)
        inner.addWidget(self.form)
        inner.addWidget(self.cost)
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
        below.setSpacing(SPACE_XS)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(3, 0, 3, 0)
        buttons.setSpacing(SPACE_S)
        buttons.addWidget(self.pause, 1)
        buttons.addWidget(self.discard, 1)
        below.addWidget(self.button)
        below.addWidget(self.line)
        below.addLayout(buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(top, 1)
        column.addWidget(foot)


class TrainButton(ActionButton):
    """Stopping a training loses nothing, and the button says so."""

    def __init__(self) -> None:
        super().__init__("Train", tr("Learn to draw pictures like these (Ctrl+Enter)"))

    def show_progress(self, fraction: float) -> None:
        super().show_progress(fraction)
        self.setToolTip(
            tr("Stop after the current step and keep what was learned (Esc); it can be taken up again")
        )


class SizeField(ChoiceField):
    """The side of the pictures: a number chosen from those that train well."""

    def show_choices(self, choices: Mapping[str, str]) -> None:
        super().show_choices({str(side): f"{side} × {side} pixels" for side in SIZES})

    def value(self) -> int:  # type: ignore[override]
        return int(self.currentData() or 0)

    def show_value(self, value: int) -> None:  # type: ignore[override]
        """Another side than the usual ones, as an earlier run may have had, is added to them."""
        if self.findData(str(value)) < 0:
            self.addItem(tr("{value} × {value} pixels", value=value), str(value))
        self.setCurrentIndex(self.findData(str(value)))


def count_parameters(size: int, classes: int) -> Generator[dict[str, int], None, None]:
    """A job: the parameters of each model size, with no memory taken for them."""
    from diffusion_studio.errors import UserError
    from diffusion_studio.training.architectures import shape_for
    from diffusion_studio.training.estimate import count_parameters as count

    try:
        yield {name: count(shape_for(size, name, classes)) for name in MODEL_SIZES}
    except UserError:
        return  # a size no network has is told of when it is measured


def millions(parameters: int) -> str:
    """“6.5 M”."""
    count = parameters / 1e6
    return f"{count:.1f} M" if count < 100 else f"{count:.0f} M"


def estimate_words(estimate: Estimated, steps: int, minutes: float) -> str:
    """“0.21 s a step, 10:00 min for about 2,850 steps of 32 pictures. Takes 0.9 GB of memory.”"""
    step = max(estimate.step_seconds, 1e-6)
    seconds = steps * step if steps else 60 * (minutes or DEFAULT_MINUTES)
    count = steps or max(1, round(seconds / step))
    about = "" if steps else "about "
    return tr(
        "{step:.2g} s a step: {time_words} for {about}{count:,} steps of {batch} pictures. "
        "Takes {memory_bytes:.1f} GB of memory.",
        step=step,
        time_words=duration(seconds),
        about=about,
        count=count,
        batch=estimate.batch,
        memory_bytes=estimate.memory_bytes / 1e9,
    )
