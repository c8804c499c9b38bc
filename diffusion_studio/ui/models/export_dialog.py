"""The dialog that exports a model: in which format, with which precision, and where to."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.options import Option
from diffusion_studio.ui.base.file_dialogs import MODELS, choose_folder, last_place
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.widgets.fields import ChoiceField, TextField

FORMATS = {
    "folder": tr("Folder for diffusers"),
    "zip": tr("Zip of that folder"),
    "onnx": tr("ONNX, for programs without Python"),
}
ABOUT = {
    "folder": tr("DDPMPipeline.from_pretrained opens it as it is. A README shows how, in three lines."),
    "zip": tr("The same folder in one file, to send or to import elsewhere."),
    "onnx": tr("A folder with the network, its noise schedule, and a README with a loop that generates."),
}
PRECISIONS = {
    "float32": tr("float32, as trained"),
    "bfloat16": tr("bfloat16, half the size"),
    "float16": tr("float16, half the size"),
}
WITHOUT_BFLOAT = {name: words for name, words in PRECISIONS.items() if name != "bfloat16"}
NEEDED = ("onnx", "onnxscript")  # what `onnx_network` writes with; asked for here without loading torch


class ExportRequest(NamedTuple):
    """What to export, and where to."""

    target: Path
    dtype: str
    zip: bool
    layout: str


class ExportDialog(QDialog):
    requested = Signal(object)  # ExportRequest

    def __init__(self, card: ModelCard, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Export a model"))
        self.setMinimumWidth(520)
        self._name = card.name
        self.format = ChoiceField(Option(tr("Format"), tr("what the model is saved as"), choices=FORMATS))
        self.precision = ChoiceField(
            Option(tr("Precision"), tr("the number format of the weights"), choices=PRECISIONS)
        )
        self.target = TextField(Option(tr("Where"), tr("a folder or file that does not exist yet")))
        self.browse = push_button(tr("Choose…"), tr("Choose the folder to save it in"))
        self.about = plain_label("", "small")
        self.fault = plain_label("")
        for label in (self.about, self.fault):
            label.setWordWrap(True)
        self.fault.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.accept_button = push_button(tr("Export"), tr("Save the model there"))
        self.accept_button.setProperty("primary", True)
        self.accept_button.setDefault(True)
        self.cancel = push_button(tr("Cancel"), tr("Export nothing"))
        self._lay_out(card)
        self.target.show_value(str(last_place(MODELS) / card.name))
        self.format.changed.connect(self._change_format)
        self.target.changed.connect(self._follow)
        self.browse.clicked.connect(self._browse)
        self.accept_button.clicked.connect(self._accept)
        self.cancel.clicked.connect(self.reject)
        self._follow()

    @property
    def request(self) -> ExportRequest:
        format = self.format.value()
        layout = "onnx" if format == "onnx" else "diffusers"
        return ExportRequest(
            Path(self.target.value()).expanduser(), self.precision.value(), format == "zip", layout
        )

    def _change_format(self) -> None:
        onnx = self.format.value() == "onnx"
        self.precision.show_choices(WITHOUT_BFLOAT if onnx else PRECISIONS)
        path = Path(self.target.value())
        stem = path.with_suffix("") if path.suffix == ".zip" else path
        self.target.show_value(
            str(stem.with_name(stem.name + ".zip") if self.format.value() == "zip" else stem)
        )
        self._follow()

    def _follow(self) -> None:
        fault = self._fault()
        self.about.setText(ABOUT[self.format.value()])
        self.fault.setText(fault)
        self.fault.setVisible(bool(fault))
        self.accept_button.setEnabled(not fault)

    def _fault(self) -> str:
        """Why it cannot be exported like this; "" where it can."""
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if self.format.value() == "onnx" and missing:
            return tr("ONNX needs more packages first: pip install {missing}", missing=" ".join(missing))
        text = self.target.value().strip()
        if not text or not Path(text).expanduser().is_absolute():
            return tr("Enter the full path to save it at.")
        return tr("That name is taken.") if Path(text).expanduser().exists() else ""

    def _browse(self) -> None:
        begin = Path(self.target.value()).parent
        folder = choose_folder(self, tr("Export to"), place=MODELS, begin=begin if begin.is_dir() else None)
        if folder is not None:
            self.target.show_value(str(folder / Path(self.target.value() or self._name).name))

    def _accept(self) -> None:
        self.requested.emit(self.request)
        self.accept()

    def _lay_out(self, card: ModelCard) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE_L)
        grid.setVerticalSpacing(SPACE_S)
        grid.setColumnStretch(1, 1)
        for place, (name, field, tip) in enumerate((
            (tr("Format"), self.format, tr("What the model is saved as")),
            (tr("Precision"), self.precision, tr("The number format of the weights")),
            (tr("Where"), self.target, tr("A folder or file that does not exist yet")),
        )):  # fmt: skip
            label = plain_label(name, "quiet")
            label.setBuddy(field)
            field.setAccessibleName(name)
            field.setToolTip(tip)
            grid.addWidget(label, place, 0)
            grid.addWidget(field, place, 1, 1, 1 if field is self.target else 2)
        grid.addWidget(self.browse, 2, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_XL)
        column.setSpacing(SPACE_M)
        heading = plain_label(tr("Export {title}", title=card.title), "heading")
        heading.setWordWrap(True)
        column.addWidget(heading)
        column.addLayout(grid)
        column.addWidget(self.about)
        column.addWidget(self.fault)
        column.addStretch(1)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE_S)
        foot.addStretch(1)
        foot.addWidget(self.cancel)
        foot.addWidget(self.accept_button)
        column.addLayout(foot)
