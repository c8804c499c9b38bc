"""The settings of the request in sections, a row each, with a way back to what the model recommends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.effects import ONLY_WITH
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED, options, value_types
from diffusion_studio.ui.generate.panel.explained_choice import EXPLAINED, ExplainedChoice
from diffusion_studio.ui.generate.panel.seed_chip import SeedChip
from diffusion_studio.ui.generate.prompt.size_row import SizeRow
from diffusion_studio.ui.generate.request import USUAL, GenerationRequest
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import class_title, first_upper
from diffusion_studio.ui.look.theme import SPACE_S
from diffusion_studio.ui.models.chooser import ModelChooser
from diffusion_studio.ui.widgets.fields import ChoiceField, focusable, make_field, name_field
from diffusion_studio.ui.widgets.form import LABEL_WIDTH, Disclosure
from diffusion_studio.ui.widgets.scrub import Scrub

# The words of a model that is prompted come between Model and Result, from a section of their own: see `adopt`.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "model": ("model",),
    "result": ("class_label", "width", "seed", "count"),
    "quality": ("steps", "guidance"),
    "advanced": (
        "sampler",
        "spacing",
        "shift",
        "eta",
        "churn",
        "clipping",
        "autoguidance",
        "clip_skip",
        "precision",
        "device",
    ),
}
TITLES = {
    "result": (tr("Result"), tr("what is generated, and how many images")),
    "quality": (tr("Quality"), tr("how much work goes into each image")),
    "advanced": (tr("Advanced"), tr("sampler, noise schedule and hardware")),
}
CLOSED = ("advanced",)  # to begin with
RESET = 24  # pixels of a square button
FIXED = ("model", "seed")  # there is nothing to reset them to


class RequestForm(QWidget):
    """Shows the settings of a request and changes them by the user's hand."""

    section_toggled = Signal()

    def __init__(
        self, request: GenerationRequest, chooser: ModelChooser, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._request = request
        known = options(GenerationSettings)
        self.seed = SeedChip(known["seed"])
        self.classes = ChoiceField(known["class_label"])
        self.fields: dict[str, Any] = {"model": chooser, "seed": self.seed, "class_label": self.classes}
        self.sides = SizeRow(known["width"], known["height"])
        self.fields |= {"width": self.sides.across, "height": self.sides.down}
        self.resets: dict[str, IconButton] = {}
        self.heads: dict[str, Disclosure] = {}
        self._bodies: dict[str, QWidget] = {}
        self._grids: dict[str, QGridLayout] = {}
        self._labels: dict[str, QLabel] = {}
        self._below: dict[str, QWidget] = {}
        self._disabled: dict[str, frozenset[str]] = {}  # by reason
        self._showing = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        for section, names in SECTIONS.items():
            self._add_section(section, names)
        self.seed.lock_wanted.connect(request.lock)
        self.seed.dice_wanted.connect(request.draw_seed)
        request.changed.connect(self._follow)
        request.model_changed.connect(self._show_model)
        self._show_model()

    def add_below(self, name: str, widget: QWidget) -> None:
        """Place a widget under the row of a setting, to be shown and hidden with it."""
        grid = next(self._grids[section] for section, names in SECTIONS.items() if name in names)
        place: Any = grid.getItemPosition(grid.indexOf(self.fields[name]))
        below = BelowRow(widget)
        grid.addWidget(below, place[0] + 1, 0, 1, 3)
        self._below[name] = below

    def add_after(self, section: str, widget: QWidget) -> None:
        """Place a widget between a section and the next one."""
        column = self.layout()
        assert isinstance(column, QVBoxLayout)
        column.insertWidget(column.indexOf(self._bodies[section]) + 1, widget)

    def adopt(self, fields: Mapping[str, Any]) -> None:
        """Show and change these settings with controls that have their place elsewhere."""
        for name, field in fields.items():
            self.fields[name] = field
            field.changed.connect(lambda name=name: self._edit(name))
        self._follow()

    def disable(self, reason: str, names: Collection[str]) -> None:
        """Disable these settings for a reason, and no others for the same one."""
        if self._disabled.get(reason) == frozenset(names):
            return  # asked at every change of a control
        self._disabled[reason] = frozenset(names)
        disabled = frozenset().union(*self._disabled.values())
        for name, field in self.fields.items():
            field.setEnabled(name not in disabled)
            if name in self._labels:
                self._labels[name].setEnabled(name not in disabled)
        self._show_resets()

    def tab_order(self) -> list[QWidget]:
        """Every control from top to bottom."""
        order: list[QWidget] = []
        for section, names in SECTIONS.items():
            if section in self.heads:
                order.append(self.heads[section])
            for name in names:
                order += self.sides.controls if name == "width" else controls_of(self.fields[name])
                if name in self.resets:
                    order.append(self.resets[name])
        return order

    @property
    def open_sections(self) -> list[str]:
        return [section for section, head in self.heads.items() if head.isChecked()]

    def open(self, sections: Collection[str]) -> None:
        for section, head in self.heads.items():
            head.setChecked(section in sections)

    # --- following the request ---

    def _follow(self) -> None:
        settings = self._request.settings
        self._showing = True
        for name, field in self.fields.items():
            if field.value() != getattr(settings, name):
                field.show_value(getattr(settings, name))
        self.seed.show_lock(self._request.locked)
        self._showing = False
        self.disable("sampler", [name for name, needed in ONLY_WITH.items() if settings.sampler != needed])
        self._show_resets()

    def _show_model(self) -> None:
        card = self._request.card
        if card is not None:
            self._showing = True
            titles = {name: class_title(name) for name in card.classes}
            self.classes.show_choices({"": tr("Any"), **titles})
            self._showing = False
            self.sides.show_sizes(card.sizes)
            for name in self.fields:
                for part in (self._labels.get(name), self.fields[name], self._below.get(name)):
                    if part is not None:
                        part.setVisible(name in card.options)
            for name in EXPLAINED:
                choice = self.fields[name]
                if isinstance(choice, ExplainedChoice):
                    choice.recommend(str(getattr(card.defaults(), name)))
        self._follow()

    def _edit(self, name: str) -> None:
        if not self._showing:
            self._request.edit(name, self.fields[name].value())

    def _reset(self, name: str) -> None:
        self._request.edit(name, self._recommended(name))
        controls_of(self.fields[name])[0].setFocus()

    def _recommended(self, name: str) -> object:
        card = self._request.card
        return getattr(card.defaults() if card is not None else USUAL, name)

    def _show_resets(self) -> None:
        settings, card = self._request.settings, self._request.card
        usual = card.defaults() if card is not None else USUAL
        for name, reset in self.resets.items():
            keeps = reset.sizePolicy()
            if keeps.retainSizeWhenHidden() != (
                card is None or name in card.options
            ):  # no room without a row
                keeps.setRetainSizeWhenHidden(not keeps.retainSizeWhenHidden())
                reset.setSizePolicy(keeps)
            able = self.fields[name].isEnabled() and (card is None or name in card.options)
            reset.setVisible(able and getattr(settings, name) != getattr(usual, name))

    # --- building ---

    def _add_section(self, section: str, names: tuple[str, ...]) -> None:
        body = QWidget(self)
        grid = QGridLayout(body)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SPACE_S // 2)
        grid.setVerticalSpacing(SPACE_S)
        grid.setColumnStretch(1, 1)
        self._grids[section], self._bodies[section] = grid, body
        column = self.layout()
        assert isinstance(column, QVBoxLayout)
        if section in TITLES:
            head = Disclosure(*TITLES[section], self)
            self.heads[section] = head
            head.toggled.connect(body.setVisible)
            head.toggled.connect(lambda _: self.section_toggled.emit())
            column.addWidget(head)
            head.setChecked(section not in CLOSED)
        column.addWidget(body)
        body.setVisible(section not in CLOSED)
        for name in names:
            self._add_row(grid, name)

    def _add_row(self, grid: QGridLayout, name: str) -> None:
        option = options(GenerationSettings)[name]
        field = self.fields.get(name)
        if field is None:
            field = (
                ExplainedChoice(option, EXPLAINED[name])
                if name in EXPLAINED
                else make_field(name, option, value_types(GenerationSettings)[name][0])
            )
            self.fields[name] = field
        if name != "seed":
            name_field(field, option)
        row = grid.rowCount() + 1  # the row between is for `add_below`
        field.changed.connect(lambda: self._edit(name))
        if name == "model":
            grid.addWidget(field, row, 0, 1, 3)
            return
        if name == "width":
            self._add_size(grid, row)
            return
        label = plain_label(option.label, "quiet")
        label.setMinimumWidth(LABEL_WIDTH)
        label.setBuddy(self.seed.number if name == "seed" else focusable(field)[0])
        label.setToolTip(first_upper(option.help))
        self._labels[name] = label
        if name == "seed":
            self._scrub_seed(label)
        grid.addWidget(label, row, 0)
        grid.addWidget(field, row, 1)
        if name not in FIXED:
            grid.addWidget(self._make_reset(name, option.label), row, 2, Qt.AlignmentFlag.AlignVCenter)
        elif name == "seed":
            self.seed.dice.setFixedSize(RESET, RESET)
            grid.addWidget(self.seed.dice, row, 2, Qt.AlignmentFlag.AlignVCenter)

    def _scrub_seed(self, label: QLabel) -> None:
        """Drag the word to go through the seeds beside the present one."""
        label.setToolTip(tr("Drag to the left or right to go from seed to seed"))
        scrub = Scrub(label)
        began = [0]

        def begin() -> None:
            began[0] = self._request.settings.seed or 0

        def move(by: int) -> None:
            self._request.lock_seed(min(max(began[0] + by, 0), LARGEST_SEED))

        scrub.begun.connect(begin)
        scrub.moved.connect(move)

    def _add_size(self, grid: QGridLayout, row: int) -> None:
        label = plain_label(tr("Size"), "quiet")
        label.setMinimumWidth(LABEL_WIDTH)
        label.setBuddy(self.sides.across)
        grid.addWidget(label, row, 0)
        grid.addWidget(self.sides, row, 1, 1, 2)
        self.sides.down.changed.connect(lambda: self._edit("height"))
        self._labels["width"], self._below["width"] = label, self.sides

    def _make_reset(self, name: str, label: str) -> IconButton:
        reset = IconButton(
            "reset", tr("Reset {label}", label=label), tr("back to what the model recommends"), self
        )
        keeps = QSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        keeps.setRetainSizeWhenHidden(True)  # nothing moves when it comes and goes
        reset.setSizePolicy(keeps)
        reset.setFixedSize(RESET, RESET)
        reset.clicked.connect(lambda: self._reset(name))
        reset.hide()
        self.resets[name] = reset
        return reset


class BelowRow(QWidget):
    """Holds what lies under a row, and takes no room, nor a gap, while that hides itself."""

    def __init__(self, part: QWidget) -> None:
        super().__init__()
        self._part, self._wanted = part, True
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(part)
        part.installEventFilter(self)
        if self._empty:
            self.hide()

    def setVisible(self, visible: bool) -> None:
        """Show it with its row, or hide it; what is hidden itself stays so."""
        self._wanted = visible
        super().setVisible(visible and not self._empty)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            super().setVisible(self._wanted and not self._empty)
        return False

    @property
    def _empty(self) -> bool:
        decided = self._part.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide)
        return decided and self._part.isHidden()


def controls_of(field: QWidget) -> list[QWidget]:
    """The controls of a field in the order of the Tab key."""
    return field.controls if isinstance(field, SeedChip) else focusable(field)
