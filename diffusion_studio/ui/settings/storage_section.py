"""Where everything is kept, how much room it takes, and how to get some back."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.storage.foreign_file import size_in_words
from diffusion_studio.storage.places import (
    cache_dir,
    config_dir,
    models_dir,
    outputs_dir,
    runs_dir,
    trash_can,
)
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S
from diffusion_studio.ui.pictures.commands import open_folder


class Place(NamedTuple):
    name: str
    explanation: str
    where: Callable[[], Path]


PLACES = (
    Place(tr("Images"), tr("Every finished image is saved here, in a folder for each day"), outputs_dir),
    Place(
        tr("Models"), tr("Your own models; a diffusers folder put here appears in the chooser"), models_dir
    ),
    Place(tr("Runs"), tr("Trainings, with their checkpoints and samples"), runs_dir),
    Place(tr("Cache"), tr("Thumbnails and measurements; it can be emptied at any time"), cache_dir),
    Place(tr("Preferences"), tr("What this window remembers"), config_dir),
    Place(tr("Trash"), tr("Deleted files stay here for 30 days"), lambda: trash_can().place),
)


class StorageSection(QWidget):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.buttons: dict[str, QPushButton] = {}
        self.sizes: dict[str, QLabel] = {}
        self._where: dict[str, ElidedLabel] = {}
        self.trash = push_button(
            tr("Show trash…"), tr("See what was deleted, restore it, or delete it permanently")
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_M)
        column.addLayout(self._rows())
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(self.trash)
        column.addLayout(foot)
        self.trash.clicked.connect(context.trash_wanted)
        context.outputs_moved.connect(self.refresh)
        context.restored.connect(self.refresh)

    def refresh(self) -> None:
        """Show the places, and measure them off the window's thread."""
        for place in PLACES:
            self._where[place.name].setText(readable(place.where()))
        if self.isVisible():
            self._context.run(measure(), self._show_size)

    def _show_size(self, measured: tuple[str, int]) -> None:
        name, size = measured
        self.sizes[name].setText(size_in_words(size))

    def _rows(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE_M)
        grid.setVerticalSpacing(SPACE_S)
        grid.setColumnStretch(1, 1)
        for row, place in enumerate(PLACES):
            label = plain_label(place.name, "quiet")
            label.setMinimumWidth(96)
            label.setToolTip(place.explanation)
            button = push_button(
                tr("Open"), tr("{place}. Show this folder in the file manager.", place=place.explanation)
            )
            button.setAccessibleDescription(f"{place.name}: {place.explanation}")
            button.clicked.connect(lambda _=False, where=place.where: self._open(where()))
            label.setBuddy(button)
            size = plain_label("")
            size.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            size.setMinimumWidth(72)
            self._where[place.name] = ElidedLabel(readable(place.where()))
            for number, part in enumerate((label, self._where[place.name], size, button)):
                grid.addWidget(part, row, number)
            self.buttons[place.name], self.sizes[place.name] = button, size
        return grid

    def _open(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._context.show_fault(
                tr("The folder {folder} cannot be created.", folder=readable(folder)), str(error)
            )
            return
        open_folder(folder)


def measure() -> Generator[tuple[str, int], None, None]:
    """A job: the bytes in each place; what cannot be read counts as nothing."""
    for place in PLACES:
        yield place.name, folder_size(place.where())


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed."""
    size, folders = 0, [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        size += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return size
