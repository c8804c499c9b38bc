"""The dialog that brings models in: what the hub's cache on this computer holds, a folder, or a zip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import plural, tr
from diffusion_studio.ui.base.file_dialogs import MODELS, choose_folder, open_file
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable, tooltip
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, SPACE_XL
from diffusion_studio.ui.widgets.painted_rows import Index, PaintedRow, PaintedRows

if TYPE_CHECKING:
    from diffusion_studio.models.import_sources import CachedModel

PATH, WORDS = Qt.ItemDataRole.UserRole + 1, Qt.ItemDataRole.UserRole + 2


class ImportDialog(QDialog):
    selected = Signal(object)  # Path

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Import a model"))
        self.setMinimumSize(560, 420)
        self.found = QListWidget(self)
        self.found.setAccessibleName(tr("In the cache of the Hugging Face hub"))
        self.found.setToolTip(tr("Models that other programs have downloaded"))
        self.found.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.found.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.found.setObjectName("found")
        self.found.setItemDelegate(PaintedRows(self.found, _row_at))
        self.outcome = plain_label(tr("Searching…"), "small")
        self.outcome.setWordWrap(True)
        self.folder = push_button(
            tr("Choose a folder…"), tr("A diffusers folder: a whole pipeline, or a UNet2DModel alone")
        )
        self.zip = push_button(
            tr("Choose a file…"),
            tr("A .safetensors file of Stable Diffusion or SDXL, or a zip of a diffusers folder"),
        )
        self.accept_button = push_button(tr("Import"), tr("Add the selected model to your models"))
        self.accept_button.setProperty("primary", True)
        self.accept_button.setEnabled(False)
        self.cancel = push_button(tr("Cancel"), tr("Import nothing"))
        self._lay_out()
        self.found.currentItemChanged.connect(lambda *_: self._follow())
        self.found.itemActivated.connect(lambda _: self._accept())
        self.folder.clicked.connect(self._choose_folder)
        self.zip.clicked.connect(self._choose_zip)
        self.accept_button.clicked.connect(self._accept)
        self.cancel.clicked.connect(self.reject)

    def show_found(self, cache: Path, found: Sequence[CachedModel]) -> None:
        """What was found there: those that cannot be imported say why."""
        self.found.clear()
        self.found.setVisible(bool(found))
        for model in found:
            item = QListWidgetItem(readable(model.name))
            words = why(model) if model.reason else readable(model.path)
            item.setData(WORDS, words)
            item.setData(PATH, None if model.reason else model.path)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{readable(model.name)}: {words}")
            item.setToolTip(tooltip(readable(model.reason or model.path)))
            if model.reason:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)
            self.found.addItem(item)
        usable = [model for model in found if not model.reason]
        if usable:
            self.found.setCurrentRow(0)
            self.found.setFocus()
            words = plural(
                "{count} model can be imported from {cache}.",
                "{count} models can be imported from {cache}.",
                len(usable),
                cache=readable(cache),
            )
        elif found:
            words = tr("No model in {cache} can be imported.", cache=readable(cache))
        else:
            words = tr("There are no models in {cache}.", cache=readable(cache))
        self.outcome.setText(" ".join((words, tr("Nothing is downloaded."))))
        self._follow()

    @property
    def path(self) -> Path | None:
        item = self.found.currentItem()
        return item.data(PATH) if item is not None else None

    def _follow(self) -> None:
        self.accept_button.setEnabled(self.path is not None)
        self.accept_button.setDefault(self.path is not None)

    def _accept(self) -> None:
        if self.path is not None:
            self._take(self.path)

    def _choose_folder(self) -> None:
        folder = choose_folder(self, tr("Choose the folder of a model"), place=MODELS)
        if folder is not None:
            self._take(folder)

    def _choose_zip(self) -> None:
        kinds = (tr("Models (*.safetensors *.zip)"), "All files (*)")
        path = open_file(self, tr("Choose the file of a model"), kinds, place=MODELS)
        if path is not None:
            self._take(path)

    def _take(self, path: Path) -> None:
        self.selected.emit(path)
        self.accept()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_XL)
        column.setSpacing(SPACE_M)
        words = plain_label(
            tr(
                "Models that generate from prompts (Stable Diffusion 1, 2 and XL, Z-Image), as one .safetensors file or a "
                "diffusers folder: they stay where they are. Models of pixels (DDPM, DDIM, PNDM), as a folder or a zip: they "
                "are copied. Every file is checked before; no code in it is run."
            ),
            "quiet",
        )
        words.setWordWrap(True)
        column.addWidget(words)
        row = QHBoxLayout()
        row.setSpacing(SPACE_S)
        row.addWidget(self.folder)
        row.addWidget(self.zip)
        row.addStretch(1)
        column.addLayout(row)
        heading = plain_label(tr("In the cache of the Hugging Face hub"), "heading")
        heading.setBuddy(self.found)
        column.addSpacing(SPACE_S)
        column.addWidget(heading)
        column.addWidget(self.found, 1)
        column.addWidget(self.outcome)
        column.addStretch(0)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE_S)
        foot.addStretch(1)
        foot.addWidget(self.cancel)
        foot.addWidget(self.accept_button)
        column.addLayout(foot)


def _row_at(index: Index) -> PaintedRow:
    """Name over path; one that cannot be imported is muted, with the reason in place of the path."""
    usable = index.data(PATH) is not None
    elide = Qt.TextElideMode.ElideMiddle if usable else Qt.TextElideMode.ElideRight
    return PaintedRow(str(index.data()), str(index.data(WORDS)), usable=usable, elide=elide)


def why(model: CachedModel) -> str:
    """Why a model cannot be imported, without the path, which the line above names well enough."""
    reason = str(model.reason)
    return reason.split(": ", 1)[-1] if reason.startswith(str(model.path)) else reason
