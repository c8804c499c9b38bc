"""Every question for a file or a folder: begun where the last one of its kind ended, and never over a file unasked.

The ending is part of the name before the dialog asks about replacing a file; where a name becomes another one after that,
this module asks itself.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QSettings, QStandardPaths
from PySide6.QtWidgets import QFileDialog, QWidget

from diffusion_studio.language import tr
from diffusion_studio.storage.places import config_dir
from diffusion_studio.ui.base.dialogs import ask_question
from diffusion_studio.ui.look.texts import readable, shorten

Kinds = Mapping[
    str, Sequence[str]
]  # what the dialog shows, as in "JPEG (*.jpg *.jpeg)" -> endings, the usual one first

# places, each remembered
PICTURES, EXPORTS, MODELS, TRAINING, OUTPUTS = "pictures", "exports", "models", "training", "outputs"
_FIRST = {
    PICTURES: QStandardPaths.StandardLocation.PicturesLocation,
    EXPORTS: QStandardPaths.StandardLocation.PicturesLocation,
    MODELS: QStandardPaths.StandardLocation.DocumentsLocation,
    TRAINING: QStandardPaths.StandardLocation.PicturesLocation,
    OUTPUTS: QStandardPaths.StandardLocation.PicturesLocation,
}


def save_file(
    parent: QWidget | None,
    title: str,
    suggested: str,
    kinds: Kinds,
    *,
    place: str = PICTURES,
    also: Collection[str] = (),
) -> Path | None:
    """The name the user gives a new file; None: none. `also`: endings that are left as typed besides those of `kinds`."""
    endings = {ending for some in kinds.values() for ending in some} | set(also)
    name = suggested
    while True:
        dialog = QFileDialog(parent, title, str(last_place(place)))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.setNameFilters(list(kinds))
        dialog.filterSelected.connect(
            lambda chosen, dialog=dialog: dialog.setDefaultSuffix(kinds[chosen][0][1:])
        )
        wanted = next((words for words, some in kinds.items() if Path(name).suffix.lower() in some), None)
        dialog.selectNameFilter(wanted or next(iter(kinds)))
        dialog.setDefaultSuffix(kinds[wanted or next(iter(kinds))][0][1:])
        dialog.selectFile(name)
        given = _ask(dialog)
        if given is None:
            return None
        path, chosen = given
        usual = kinds.get(chosen, next(iter(kinds.values())))[0]
        target = path if path.suffix.lower() in endings else path.with_name(path.name + usual)
        if target == path or not os.path.lexists(target) or may_replace(parent, target):
            remember(place, target.parent)
            return target
        name = target.name


def open_file(
    parent: QWidget | None, title: str, kinds: Sequence[str], *, place: str = PICTURES
) -> Path | None:
    """A file that exists; `kinds` as the dialog shows them, as in "Zip (*.zip)"."""
    dialog = QFileDialog(parent, title, str(last_place(place)))
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setNameFilters(list(kinds))
    given = _ask(dialog)
    if given is None:
        return None
    remember(place, given[0].parent)
    return given[0]


def choose_folder(
    parent: QWidget | None, title: str, *, place: str = PICTURES, begin: Path | None = None
) -> Path | None:
    """A folder that exists; `begin`: where to look first, instead of where the last one was."""
    dialog = QFileDialog(parent, title, str(begin or last_place(place)))
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    given = _ask(dialog)
    if given is None:
        return None
    remember(place, given[0])
    return given[0]


def last_place(place: str) -> Path:
    """The folder in which the last question of this kind ended, or where the system keeps such files."""
    kept = str(_kept().value(f"places/{place}", ""))
    if kept and Path(kept).is_dir():
        return Path(kept)
    usual = QStandardPaths.writableLocation(_FIRST[place])
    return Path(usual) if usual and Path(usual).is_dir() else Path.home()


def remember(place: str, folder: Path) -> None:
    _kept().setValue(f"places/{place}", str(folder))


def may_replace(parent: QWidget | None, target: Path) -> bool:
    """Whether a file that exists may be written over."""
    name = shorten(readable(target.name), 60)
    return ask_question(
        parent,
        tr("Replace “{name}”?", name=name),
        tr("A file of this name is already in the folder. Replacing it cannot be undone."),
        accept=tr("Replace"),
        danger=True,
    )


def _ask(dialog: QFileDialog) -> tuple[Path, str] | None:
    """The path that was chosen, and the kind it was chosen as."""
    agreed = dialog.exec()
    chosen, kind = dialog.selectedFiles(), dialog.selectedNameFilter()
    dialog.deleteLater()
    return (Path(chosen[0]), kind) if agreed and chosen else None


def _kept() -> QSettings:
    return QSettings(str(config_dir() / "window.ini"), QSettings.Format.IniFormat)
