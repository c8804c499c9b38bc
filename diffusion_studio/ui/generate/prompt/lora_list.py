"""The LoRAs of a request: added from the list of those that are installed or from a file, weighted, removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.loras import MOST, Lora
from diffusion_studio.settings.options import Option
from diffusion_studio.ui.look.buttons import text_button
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import Line, plain_label
from diffusion_studio.ui.look.texts import action_text, readable, tooltip
from diffusion_studio.ui.look.theme import SPACE_S, SPACE_XS
from diffusion_studio.ui.widgets.ratio_field import RatioField

LEAST, LARGEST = -2.0, 2.0  # of the slider; what settings say beyond it is kept
PLACES = 80  # of the slider: a twentieth each


class KnownLora(Protocol):
    """An installed LoRA."""

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...


Known = Callable[[], Sequence[KnownLora]]


class LoraRow(QWidget):
    """One LoRA: its name, and why it cannot be used if it cannot; its weight; and a button that removes it."""

    weighed = Signal(float)
    removed = Signal()

    def __init__(self, lora: Lora, fault: str) -> None:
        super().__init__()
        self.lora = lora
        name = Line()
        name.setText(readable(lora.name))
        name.setToolTip(tooltip(readable(lora.name)))
        weight = Option(
            label=tr("Weight of {name}", name=readable(lora.name)),
            help=tr(
                "how much this LoRA changes the model: 0 nothing, 1 as it was trained, below 0 the opposite"
            ),
            min=min(LEAST, lora.weight),
            max=max(LARGEST, lora.weight),
        )
        self.weight = RatioField(weight, steps=PLACES)
        self.weight.show_value(lora.weight)
        self.remove = IconButton(
            "close", tr("Remove {name}", name=readable(lora.name)), tr("generate without it"), self
        )
        self.fault = plain_label(fault, "small")
        self.fault.setWordWrap(True)
        self.fault.setProperty("warning", True)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(name, 1)
        head.addWidget(self.remove)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_XS // 2)
        column.addLayout(head)
        column.addWidget(self.weight)
        column.addWidget(self.fault)
        self.fault.setVisible(bool(fault))  # once it has a place: a label without one would be a window
        self.weight.changed.connect(lambda: self.weighed.emit(self.weight.value()))
        self.remove.clicked.connect(self.removed)

    @property
    def controls(self) -> list[QWidget]:
        return [*self.weight.controls, self.remove]


class LoraList(QWidget):
    """`known` lists what is installed; `fault_of` says why one cannot be used, "" where it can."""

    changed = Signal()
    file_wanted = Signal()  # one is to be chosen among the files

    def __init__(self, known: Known, fault_of: Callable[[Lora], str]) -> None:
        super().__init__()
        self._known, self._fault_of = known, fault_of
        self._loras: tuple[Lora, ...] = ()
        self.rows: list[LoraRow] = []
        self.label = plain_label("LoRA", "quiet")
        self.add_button = text_button(
            tr("Add LoRA"), tr("Add a LoRA: a small change to the model, in a file")
        )
        self.add_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.add_button)
        self.menu.aboutToShow.connect(self.fill)
        self.add_button.setMenu(self.menu)
        self.label.setBuddy(self.add_button)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self.label, 1)
        head.addWidget(self.add_button)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SPACE_S // 2)
        self._column.addLayout(head)

    @property
    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        return [self.add_button, *(control for row in self.rows for control in row.controls)]

    def value(self) -> tuple[Lora, ...]:
        return self._loras

    def show_value(self, loras: tuple[Lora, ...]) -> None:
        """Show these without saying so."""
        if [lora.name for lora in loras] == [row.lora.name for row in self.rows]:
            for row, lora in zip(self.rows, loras, strict=True):
                row.lora = lora
                if row.weight.value() != lora.weight:
                    row.weight.show_value(lora.weight)
        else:
            self._loras = loras
            self._make_rows()
        self._loras = loras

    def add(self, lora: Lora) -> None:
        """Add one; one of the same name takes the place of the one before."""
        kept = [other for other in self._loras if other.name != lora.name]
        self._change((*kept, lora))

    def fill(self) -> None:
        """What can be added."""
        self.menu.clear()
        there = {lora.name for lora in self._loras}
        full = len(self._loras) >= MOST
        for known in self._known():
            entry = self.menu.addAction(action_text(known.name))
            entry.setEnabled(known.name not in there and not full)
            entry.triggered.connect(lambda _=False, known=known: self.add(Lora(known.name, known.digest)))
        if not self.menu.isEmpty():
            self.menu.addSeparator()
        entry = self.menu.addAction(tr("From file…"))
        entry.setEnabled(not full)
        entry.setToolTip(tooltip(tr("There can be {most} LoRAs at most.", most=MOST)) if full else "")
        entry.triggered.connect(lambda _=False: self.file_wanted.emit())

    def show_faults(self) -> None:
        """The model is another: other LoRAs fit it."""
        self._make_rows()

    def _change(self, loras: Sequence[Lora]) -> None:
        self.show_value(tuple(loras))
        self.changed.emit()

    def _make_rows(self) -> None:
        for row in self.rows:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = []
        for place, lora in enumerate(self._loras):
            row = LoraRow(lora, self._fault_of(lora))
            row.weighed.connect(lambda weight, place=place: self._weigh(place, weight))
            row.removed.connect(lambda place=place: self._remove(place))
            self._column.addWidget(row)
            self.rows.append(row)

    def _weigh(self, place: int, weight: float) -> None:
        loras = list(self._loras)
        loras[place] = replace(loras[place], weight=weight)
        self._change(loras)

    def _remove(self, place: int) -> None:
        self._change([lora for at, lora in enumerate(self._loras) if at != place])
        self.add_button.setFocus()
