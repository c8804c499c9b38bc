"""One model in full: what can be done with it, pictures it drew, what it is, and the settings it recommends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.models.wording import architecture, draws, megabytes, predicts, training, widths
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import class_title, readable
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.models.jobs import ModelRow
from diffusion_studio.ui.models.recommended import Recommended
from diffusion_studio.ui.pictures.sample_grid import SampleGrid
from diffusion_studio.ui.widgets.flow_layout import FlowLayout
from diffusion_studio.ui.widgets.schedule_curve import ForwardCurve

WIDEST, FORM_WIDTH, NARROW = 1280, 340, 720
MOST_CLASSES = 40  # named; a model of thousands would fill the page
ACTIONS = {  # signal -> (text, explanation)
    "generate": ("Generate with it", "Go to the Generate page with this model chosen"),
    "tune": ("Fine-tune", "Go to the Train page to train this model on with pictures of your own"),
    "export": ("Export…", "Write it as a folder for diffusers, a zip, or an ONNX network"),
    "default": ("Set as default", "Use this model where none is named"),
    "rename": ("Rename…", "Give it another title; pictures made with it still find it"),
    "duplicate": ("Duplicate", "Make a second, independent copy of it"),
    "verify": ("Verify", "Read it from end to end: hash, finite weights, that it opens"),
    "folder": ("Show folder", "Show its files in the file manager"),
    "delete": ("Delete", "Move it to the trash; Undo brings it back"),
}
WITH_FOLDER = ("folder", "verify")  # these stand under the folder's name, the others above everything


class ModelView(QScrollArea):
    wanted = Signal(str)  # one of `ACTIONS`
    samples_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.row: ModelRow | None = None
        self.title = plain_label("", "title")
        self.title.setWordWrap(True)
        self.subtitle = plain_label("", "small")
        self.description = plain_label("")
        self.description.setWordWrap(True)
        self.buttons = {name: push_button(text, tip) for name, (text, tip) in ACTIONS.items()}
        self.buttons["generate"].setProperty("primary", True)
        self.samples = SampleGrid()
        self.no_samples = plain_label(tr("It came without samples."), "quiet")
        self.draw = push_button(
            tr("Draw samples"), tr("Draw a sheet of pictures for this card, as the model recommends")
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
        for name, button in self.buttons.items():
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
        self.draw.clicked.connect(self.samples_wanted)

    @property
    def controls(self) -> list[QWidget]:
        return [*self.buttons.values(), self.draw, *self.recommended.controls]

    def show_row(self, row: ModelRow) -> None:
        card, other = row.card, self.row is None or self.row.card.path != row.card.path
        self.row = row
        self.title.setText(card.title)
        words = [row.origin, f"called {card.name}" if card.name != card.title else ""]
        self.subtitle.setText(" · ".join(filter(None, [*words, "the default model" if row.default else ""])))
        self.description.setText(card.description)
        self.description.setVisible(bool(card.description))
        self.samples.show_sheet(row.sheet, card.size)
        for part in (self.no_samples, self.draw):
            part.setVisible(row.sheet.isNull())
        self._show_facts(row)
        self.recommended.show_card(card)
        self._show_schedule(row)
        self.buttons["default"].setEnabled(not row.default)
        kept = (
            tr("It comes with the application; a copy of it can be renamed and deleted")
            if card.starter
            else ""
        )
        for name, fault in {"rename": kept, "delete": kept, "tune": tuning_fault(row)}.items():
            self.buttons[name].setEnabled(not fault)
            self.buttons[name].setToolTip(fault or ACTIONS[name][1])
        if other:
            self.verticalScrollBar().setValue(0)

    def show_busy(self, busy: bool) -> None:
        """While something is done with a model, nothing else is begun."""
        for name in ("export", "verify", "duplicate"):
            self.buttons[name].setEnabled(not busy)
        starter = self.row is not None and self.row.card.starter
        self.buttons["delete"].setEnabled(not busy and not starter)
        self.draw.setEnabled(not busy)

    def _show_facts(self, row: ModelRow) -> None:
        shown = dict(facts(row))
        for name, parts in self._facts.items():
            value = shown.get(name, "")
            parts[1].setText(value)
            for part in parts:
                part.setVisible(bool(value))

    def _show_schedule(self, row: ModelRow) -> None:
        """How the pictures it was trained on drown in noise; a schedule nobody can follow is not drawn."""
        from diffusion_studio.diffusion.processes import process_from_config

        left: Sequence[float] = ()
        with suppress(ValueError, KeyError, TypeError):
            left = process_from_config(row.card.schedule).picture_share.tolist()
        drawn = len(left) > 1 and all(map(math.isfinite, left))
        if drawn:
            self.schedule.show_schedule(left)
        for part in (self.schedule, self._schedule_label):
            part.setVisible(drawn)

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
        for name, button in self.buttons.items():
            if name not in WITH_FOLDER:
                flow.addWidget(button)
        column.addWidget(actions)
        column.addWidget(self.samples)
        row = QHBoxLayout()
        row.setSpacing(SPACE_M)
        row.addWidget(self.no_samples)
        row.addWidget(self.draw)
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
        beside = FACTS.index("Predicts") + 1  # where the schedule is named, it is drawn
        for place, name in enumerate(FACTS):
            label, value = plain_label(name, "quiet"), plain_label("")
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
        for name in WITH_FOLDER:
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
        """In a narrow window the settings stand under the facts."""
        narrow = event.size().width() < NARROW
        way = QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        if way != self._beside.direction():
            self._beside.setDirection(way)
        super().resizeEvent(event)


FACTS = (
    "Draws",
    "Classes",
    "Network",
    "Layers",
    "Predicts",
    "Notes",
    "Trained",
    "Licence",
    "On disk",
    "Weights",
    "Folder",
)


def facts(row: ModelRow) -> Iterator[tuple[str, str]]:
    """What the card says, in words; what it does not say is left out."""
    card = row.card
    yield "Draws", draws(card)
    named = ", ".join(class_title(name) for name in card.classes[:MOST_CLASSES])
    yield (
        "Classes",
        named + (f" and {len(card.classes) - MOST_CLASSES} more" if card.classes[MOST_CLASSES:] else ""),
    )
    yield "Network", architecture(card)
    yield "Layers", widths(card.network)
    yield "Predicts", predicts(card)
    yield "Notes", " ".join(card.remarks)
    yield "Trained", training(card)
    yield "Licence", card.licence
    yield "On disk", megabytes(row.disk)
    yield "Weights", f"sha256 {card.digest[:10]}" if card.digest else ""
    yield "Folder", _breakable(readable(card.path))


def _breakable(path: str) -> str:
    """A label breaks lines at spaces alone; an invisible one after each separator lets it."""
    return path.replace("/", "/\u200b").replace("\\", "\\\u200b")


def tuning_fault(row: ModelRow) -> str:
    """Why a model can not be trained on here; "" where it can."""
    if row.card.channels != 3:
        return tr("Models that draw in grey can not be trained on here")
    if row.card.network.class_embed_type is not None:
        return tr("A model whose classes are numbers on a scale can not be trained on here")
    return ""
