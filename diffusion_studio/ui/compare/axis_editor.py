"""One axis of a comparison: which setting varies, and its values, each kind with the control that suits it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStackedWidget,
    QStyle,
    QStyleOptionButton,
    QStylePainter,
    QWidget,
    QWidgetAction,
)

from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.axes import (
    AXES,
    LORA_WEIGHT,
    Axis,
    Value,
    join_values,
    option_of,
    parse_values,
    type_of,
)
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED, Option
from diffusion_studio.ui.look.buttons import PushButton
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import class_title, first_upper, one_line, tooltip
from diffusion_studio.ui.look.theme import SPACE_S, SPACE_XS
from diffusion_studio.ui.widgets.fields import ChoiceField

NOTHING = ""  # no axis
NUMBERS = {
    "steps": "10, 20, 50",
    "guidance": "1, 2, 4",
    "autoguidance": "1, 1.5, 2, 3",
    "eta": "0, 0.5, 1",
    "churn": "0, 10, 40",
    "strength": "0.2, 0.4, 0.6, 0.8",
    "resamples": "1, 5, 10",
    "variation_strength": "0, 0.25, 0.5, 0.75, 1",
    LORA_WEIGHT: "0, 0.5, 1",
    "width": "512, 768",
    "height": "512, 768",
    "clip_skip": "1, 2",
}
USUAL = {"sampler": ("dpmpp_2m", "ddim", "heun"), "spacing": ("trailing", "karras", "quadratic")}
AT_FIRST = 4  # values that are selected, where none are more usual than others
HINT = tr("Numbers separated by commas; 10..50:10 means 10, 20, 30, 40, 50")

TEXT_HINT = tr("Separated by commas; a prompt that contains commas is put in quotation marks")


class AxisEditor(QWidget):
    changed = Signal()

    def __init__(self, name: str, *, optional: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._optional = name, optional
        self._choices: dict[str, dict[str, str]] = {}  # of class and model
        self._at_first: dict[str, str] = dict(NUMBERS)
        self._texts: dict[str, str] = {}  # what was typed, by setting
        self._selected: dict[str, tuple[str, ...]] = dict(USUAL)
        self.setting = ChoiceField(Option("", "", choices={}))
        self.setting.setAccessibleName(tr("{name}: setting", name=name))
        self.setting.setToolTip(tooltip(tr("The setting that varies by {lower}", lower=name.lower())))
        self.setting.setMinimumWidth(150)
        self.setting.setMaximumWidth(240)
        self.checks = CheckList(tr("{name}: values", name=name))
        self.numbers = QLineEdit()
        self.numbers.setAccessibleName(tr("{name}: values", name=name))
        self.numbers.setToolTip(HINT)
        self.dice = IconButton("dice", tr("Random seeds"), tr("as many other seeds, chosen at random"), self)
        self._values = QStackedWidget()
        label = plain_label(name, "quiet")
        label.setFixedWidth(64)
        label.setBuddy(self.setting)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_S)
        row.addWidget(label)
        row.addWidget(self.setting, 2)
        typed = QWidget()
        inner = QHBoxLayout(typed)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(SPACE_XS)
        inner.addWidget(self.numbers, 1)
        inner.addWidget(self.dice)
        for part in (self.checks, typed, QWidget()):
            self._values.addWidget(part)
        self._values.setFixedHeight(32)
        row.addWidget(self._values, 5)
        self.setting.changed.connect(self._follow)
        self.checks.changed.connect(self._tick)
        self.numbers.textEdited.connect(self._type)
        self.dice.clicked.connect(self._choose_seeds)

    @property
    def controls(self) -> list[QWidget]:
        return [self.setting, self.checks, self.numbers, self.dice]

    def axis(self) -> Axis | None:
        """The axis as it is set; None: nothing varies. Raises `UserError` for values that are not allowed."""
        setting = self.setting.value()
        if setting == NOTHING:
            return None
        values: Sequence[Value] = (
            self.checks.value() if self._is_choice(setting) else parse_values(setting, self._typed(setting))
        )
        return Axis(setting, tuple(values))

    def _typed(self, setting: str) -> str:
        text = self.numbers.text()
        return text if type_of(setting) is str else text.replace(";", ",")

    def show_axis(self, axis: Axis | None) -> None:
        if axis is None:
            self.setting.show_value(NOTHING)
            return
        if self._is_choice(axis.setting):
            self._selected[axis.setting] = tuple(map(str, axis.values))
        else:
            self._texts[axis.setting] = join_values(axis.values)
        self.setting.show_value(axis.setting)
        self._follow()

    def offer(
        self,
        card: ModelCard | None,
        settings: GenerationSettings,
        models: Mapping[str, str],
        checkpoints: Mapping[str, str],
    ) -> None:
        """Offer the settings that have an effect with this model, and begin each with values near these."""
        self._choices = {
            "class_label": {name: class_title(name) for name in card.classes} if card else {},
            "model": {**models, **checkpoints},
        }
        seed = settings.seed or 0
        self._at_first["seed"] = ", ".join(str((seed + k) % (LARGEST_SEED + 1)) for k in range(AT_FIRST))
        steps = settings.steps
        self._at_first["until"] = ", ".join(str(max(round(steps * k / 4), 1)) for k in (1, 2, 3)) + ", 0"
        self._selected.setdefault("class_label", tuple(self._choices["class_label"])[:AT_FIRST])
        self._selected.setdefault("model", tuple(self._choices["model"])[:AT_FIRST])
        self._at_first["prompt"] = join_values([settings.prompt or tr("a cat")])
        self._at_first["negative"] = join_values([settings.negative or tr("blurry")])
        offered = {name: option_of(name).label for name in AXES if self._can_vary(name, card, settings)}
        self.setting.show_choices({**({NOTHING: tr("Nothing")} if self._optional else {}), **offered})
        self._follow()

    def _can_vary(self, name: str, card: ModelCard | None, settings: GenerationSettings) -> bool:
        if name == "model":
            return len(self._choices["model"]) > 1
        if name in ("strength", "resamples"):
            return bool(settings.source) and (name == "strength" or bool(settings.mask))
        if name == "variation_strength":
            return settings.variation_seed is not None
        if name == LORA_WEIGHT:
            return bool(settings.loras) and (card is None or "loras" in card.options)
        return card is None or name in card.options

    def _is_choice(self, setting: str) -> bool:
        return setting in self._choices or option_of(setting).choices is not None

    def _follow(self) -> None:
        setting = self.setting.value()
        self.dice.setVisible(setting == "seed")
        if setting == NOTHING:
            self._values.setCurrentIndex(2)
        elif self._is_choice(setting):
            choices = self._choices.get(setting) or option_of(setting).choices or {}
            self.checks.show_choices(choices, self._selected.get(setting, tuple(choices)[:AT_FIRST]))
            self._values.setCurrentIndex(0)
        else:
            self.numbers.setText(self._texts.get(setting, self._at_first.get(setting, "0, 1")))
            explanation = first_upper(option_of(setting).help)
            hint = TEXT_HINT if type_of(setting) is str else HINT
            self.numbers.setToolTip(tooltip(f"{explanation}\n{hint}"))
            self._values.setCurrentIndex(1)
        self.changed.emit()

    def _tick(self) -> None:
        self._selected[self.setting.value()] = self.checks.value()
        self.changed.emit()

    def _type(self, text: str) -> None:
        self._texts[self.setting.value()] = text
        self.changed.emit()

    def _choose_seeds(self) -> None:
        count = max(len(list(filter(str.strip, self.numbers.text().split(",")))), AT_FIRST)
        seeds = [str(random.SystemRandom().randint(0, LARGEST_SEED)) for _ in range(count)]
        self.numbers.setText(", ".join(seeds))
        self._type(self.numbers.text())


class CheckList(PushButton):
    """A button that says which of several values are selected, and opens the list of them."""

    changed = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = ""
        self.setObjectName("checkList")
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(self.sizePolicy().Policy.Expanding, self.sizePolicy().Policy.Fixed)
        self.list = QListWidget()
        self.list.setObjectName("checks")
        self.list.setAccessibleName(name)
        self.list.itemChanged.connect(self._on_changed)
        self.list.itemActivated.connect(_toggle)
        menu = QMenu(self)
        holder = QWidgetAction(menu)
        holder.setDefaultWidget(self.list)
        menu.addAction(holder)
        menu.aboutToShow.connect(self.list.setFocus)
        self.setMenu(menu)

    def show_choices(self, choices: Mapping[str, str], ticked: Sequence[str]) -> None:
        blocked = self.list.blockSignals(True)
        self.list.clear()
        for value, text in choices.items():
            item = QListWidgetItem(one_line(text), self.list)
            item.setData(Qt.ItemDataRole.UserRole, value)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if value in ticked else Qt.CheckState.Unchecked)
        self.list.setFixedSize(max(self.list.sizeHintForColumn(0) + 40, 220), min(28 * len(choices) + 8, 320))
        self.list.blockSignals(blocked)
        self._show_text()

    def value(self) -> tuple[str, ...]:
        """The selected ones, in the order of the list."""
        items = [self.list.item(row) for row in range(self.list.count())]
        return tuple(
            item.data(Qt.ItemDataRole.UserRole)
            for item in items
            if item.checkState() == Qt.CheckState.Checked
        )

    def _on_changed(self) -> None:
        self._show_text()
        self.changed.emit()

    def _show_text(self) -> None:
        items = [self.list.item(row) for row in range(self.list.count())]
        names = [item.text() for item in items if item.checkState() == Qt.CheckState.Checked]
        text = join_values(names) or tr("Select…")
        self._text = one_line(text)
        self.setToolTip(tooltip(text))
        self.setAccessibleDescription(text)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The text at the left, shortened to the room there is."""
        option, painter = QStyleOptionButton(), QStylePainter(self)
        self.initStyleOption(option)
        option.text = ""
        painter.drawControl(QStyle.ControlElement.CE_PushButton, option)
        area = self.rect().adjusted(SPACE_S + 1, 0, -28, 0)
        shown = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, area.width())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        painter.end()


def _toggle(item: QListWidgetItem) -> None:
    ticked = item.checkState() == Qt.CheckState.Checked
    item.setCheckState(Qt.CheckState.Unchecked if ticked else Qt.CheckState.Checked)
