"""The card of one model: what can be done with it, sample images, what it is, and the settings it recommends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.page import fill_menu
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.models.facts import FACTS, facts, fast_fault, tuning_fault
from diffusion_studio.ui.models.jobs import ModelRow
from diffusion_studio.ui.models.recommended import Recommended
from diffusion_studio.ui.models.title_field import TitleField
from diffusion_studio.ui.pictures.sample_grid import SampleGrid
from diffusion_studio.ui.widgets.flow_layout import FlowLayout
from diffusion_studio.ui.widgets.schedule_curve import ForwardCurve

WIDEST, FORM_WIDTH, NARROW = 1680, 340, 720
ACTIONS = {  # name -> (text, explanation, keys)
    "use": (tr("Use"), tr("Open the Generate page with this model"), "Ctrl+Return or Ctrl+Enter"),
    "tune": (tr("Fine-tune"), tr("Open the Train page to train this model further on your own images"), ""),
    "fast": (
        tr("Make it fast…"),
        tr("Train a second model from it that generates in one to eight steps, on the Train page"),
        "",
    ),
    "export": (tr("Export…"), tr("Save it as a folder for diffusers, a zip, or an ONNX network"), "Ctrl+E"),
    "default": (tr("Set as default"), tr("Use this model where none is named"), ""),
    "rename": (tr("Rename"), tr("Give it another title; images made with it still find it"), "F2"),
    "duplicate": (tr("Duplicate"), tr("Make a second, independent copy of it"), ""),
    "verify": (tr("Verify"), tr("Check every file: hash, finite weights, and that it opens"), ""),
    "folder": (tr("Show folder"), tr("Show its files in the file manager"), ""),
    "delete": (tr("Delete"), tr("Move it to the trash; Undo restores it"), "Del"),
}
BUTTONS = ("use", "tune", "fast", "verify", "folder")  # the others are under “More”
MORE = ("export", None, "default", "rename", "duplicate", None, "verify", "folder", None, "delete")
NOT_WHILE_BUSY = ("export", "verify", "duplicate", "delete")


class ModelView(QScrollArea):
    wanted = Signal(str)  # one of `ACTIONS`
    samples_wanted = Signal()
    renamed = Signal(str)  # the title it is to have

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.row: ModelRow | None = None
        self._busy = False
        self.title = TitleField()
        self.subtitle = plain_label("", "small")
        self.subtitle.setWordWrap(True)
        self.description = plain_label("")
        self.description.setWordWrap(True)
        self.actions_by_name = {
            name: make_action(self, text, keys, tip=tip) for name, (text, tip, keys) in ACTIONS.items()
        }
        self.buttons = {name: _button(self.actions_by_name[name]) for name in BUTTONS}
        self.buttons["use"].setProperty("primary", True)
        self.more = push_button(tr("More"), tr("Export, rename, duplicate, delete…"))
        self.more.setMenu(QMenu(self.more))
        entries = [None if name is None else self.actions_by_name[name] for name in MORE]
        fill_menu(self.more.menu(), entries)
        self.samples = SampleGrid()
        self.no_samples = plain_label(tr("This model has no samples yet."), "quiet")
        self.make_samples = push_button(
            tr("Generate samples"), tr("Generate sample images for this card with the recommended settings")
        )
        self.recommended = Recommended()
        self.schedule = ForwardCurve(height=72)
        self.schedule.mark(None)
        self._schedule_label = plain_label(tr("Training schedule"), "quiet")
        self._facts: dict[str, tuple[QLabel, QLabel]] = {}
        self._grid = QGridLayout()
        self._beside = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._lay_out()
        for name, action in self.actions_by_name.items():
            action.triggered.connect(partial(self._want, name))
        self.title.renamed.connect(self.renamed)
        self.make_samples.clicked.connect(self.samples_wanted)

    @property
    def controls(self) -> list[QWidget]:
        buttons = self.buttons
        first = (buttons["use"], buttons["tune"], buttons["fast"], self.more, self.make_samples)
        return [*first, buttons["verify"], buttons["folder"], *self.recommended.controls]

    def _want(self, name: str, checked: bool = False) -> None:
        if name == "rename":
            self.verticalScrollBar().setValue(0)
            self.title.edit()
        else:
            self.wanted.emit(name)

    def show_row(self, row: ModelRow | None, others: Iterable[ModelRow] = ()) -> None:
        """Show this model; None: there is none, and nothing can be done. `others` have titles that it must not take."""
        other = self.row is None or row is None or self.row.card.path != row.card.path
        self.row = row
        self._enable()
        if row is None:
            return
        card = row.card
        self.title.show_title(card.title, _names(others))
        identity = tr("ID {name}", name=card.name) if card.name != card.title else ""
        self.subtitle.setText(
            " · ".join(filter(None, (row.origin, identity, tr("Default") if row.default else "")))
        )
        self.description.setText(card.description)
        self.description.setVisible(bool(card.description))
        self.samples.show_sheet(row.sheet, card.sides)
        for part in (self.no_samples, self.make_samples):
            part.setVisible(row.sheet.isNull())
        self._show_facts(row)
        self.recommended.show_card(card)
        self._show_schedule(row)
        if other:
            self.verticalScrollBar().setValue(0)

    def show_busy(self, busy: bool) -> None:
        """While something is done with a model, nothing else is begun."""
        self._busy = busy
        self._enable()

    def _enable(self) -> None:
        row = self.row
        faults = dict.fromkeys(ACTIONS, "")
        if row is not None:
            if row.card.starter:
                kept = tr("It comes with the application; a copy of it can be renamed and deleted")
                faults.update(rename=kept, delete=kept)
            faults["tune"] = tuning_fault(row)
            faults["fast"] = fast_fault(row)
            if row.default:
                faults["default"] = tr("It is the default model")
        if self._busy:
            for name in NOT_WHILE_BUSY:
                faults[name] = faults[name] or tr("Another model is being worked on")
        for name, action in self.actions_by_name.items():
            action.setEnabled(row is not None and not faults[name])
            action.setStatusTip(faults[name] or ACTIONS[name][1])
        self.make_samples.setEnabled(not self._busy)
        self.title.set_editable(row is not None and not faults["rename"])

    def _show_facts(self, row: ModelRow) -> None:
        shown = dict(facts(row))
        for name, parts in self._facts.items():
            value = shown.get(name, "")
            parts[1].setText(value)
            for part in parts:
                part.setVisible(bool(value))

    def _show_schedule(self, row: ModelRow) -> None:
        """How noise is added in training; a schedule that cannot be read is left out."""
        from diffusion_studio.diffusion.processes import process_from_config

        left: Sequence[float] = ()
        with suppress(ValueError, KeyError, TypeError):
            left = process_from_config(row.card.schedule).picture_share.tolist()
        readable = len(left) > 1 and all(map(math.isfinite, left))
        if readable:
            self.schedule.show_schedule(left)
        for part in (self.schedule, self._schedule_label):
            part.setVisible(readable)

    def _lay_out(self) -> None:
        body = QWidget()
        body.setMaximumWidth(WIDEST)
        column = QVBoxLayout(body)
        column.setContentsMargins(SPACE_XL, SPACE_L, SPACE_XL, SPACE_XL)
        column.setSpacing(SPACE_M)
        head = QVBoxLayout()
        head.setSpacing(2)
        head.addWidget(self.title)
        head.addWidget(self.subtitle)
        column.addLayout(head)
        actions = QWidget()
        flow = FlowLayout(actions)
        for button in (self.buttons["use"], self.buttons["tune"], self.buttons["fast"], self.more):
            flow.addWidget(button)
        column.addWidget(actions)
        column.addWidget(self.samples)
        row = QHBoxLayout()
        row.setSpacing(SPACE_M)
        row.addWidget(self.no_samples)
        row.addWidget(self.make_samples)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(self.description)
        column.addSpacing(SPACE_S)
        column.addLayout(self._columns())
        column.addStretch(1)
        around = QWidget()
        outer = QHBoxLayout(around)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(body, 1)
        outer.addStretch(0)
        self.setWidget(around)

    def _columns(self) -> QBoxLayout:
        left = QVBoxLayout()
        left.setSpacing(SPACE_S)
        left.addWidget(plain_label(tr("About this model"), "heading"))
        self._grid.setHorizontalSpacing(SPACE_L)
        self._grid.setVerticalSpacing(SPACE_S)
        self._grid.setColumnStretch(1, 1)
        beside = list(FACTS).index("predicts") + 1  # where the schedule is named, it is drawn
        for place, (name, text) in enumerate(FACTS.items()):
            label, value = plain_label(text, "quiet"), plain_label("")
            value.setWordWrap(True)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            place += place >= beside
            self._grid.addWidget(label, place, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(value, place, 1)
            self._facts[name] = (label, value)
        self._grid.addWidget(self._schedule_label, beside, 0, Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(self.schedule, beside, 1)
        left.addLayout(self._grid)
        files = QHBoxLayout()
        files.setSpacing(SPACE_S)
        for name in ("verify", "folder"):
            files.addWidget(self.buttons[name])
        files.addStretch(1)
        left.addLayout(files)
        left.addStretch(1)
        self.recommended.setFixedWidth(FORM_WIDTH)
        self._beside.setSpacing(SPACE_XL)
        self._beside.addLayout(left, 1)
        self._beside.addWidget(self.recommended, 0, Qt.AlignmentFlag.AlignTop)
        return self._beside

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow window the settings go under the facts."""
        narrow = event.size().width() < NARROW
        way = QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        if way != self._beside.direction():
            self._beside.setDirection(way)
        super().resizeEvent(event)


def _button(action: QAction) -> QPushButton:
    """A button that does what the action does, as long as it can."""
    button = push_button(action.text(), action.statusTip())

    def follow() -> None:
        button.setEnabled(action.isEnabled())
        button.setToolTip(tooltip(action.statusTip()))
        button.setAccessibleDescription(action.statusTip())

    button.clicked.connect(action.trigger)
    action.changed.connect(follow)
    return button


def _names(rows: Iterable[ModelRow]) -> frozenset[str]:
    return frozenset(text.casefold() for row in rows for text in (row.card.title, row.card.name))
