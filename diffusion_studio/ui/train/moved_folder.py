"""Where the pictures of a run are now, asked when its folder is gone, and whether others will do."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base import file_dialogs
from diffusion_studio.ui.look.texts import readable, shorten

CHOOSE, USE = "Choose Its New Location…", "Use These Pictures"


def is_there(folder: str) -> bool:
    try:
        return Path(folder).is_dir()
    except OSError:
        return False


def new_location(parent: QWidget, title: str, folder: str) -> Path | None:
    """Where the pictures were moved to; None: the run is not resumed."""
    box = _question(
        parent,
        tr("Pictures not found"),
        tr(
            "The pictures of “{shorten}” are not there.\n\n"
            "They were in {shorten2}. If the folder was moved or renamed, choose it where it is now.",
            shorten=shorten(title, 60),
            shorten2=shorten(readable(Path(folder))),
        ),
    )
    choose = box.addButton(CHOOSE, QMessageBox.ButtonRole.AcceptRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(choose)
    box.exec()
    chosen = box.clickedButton() is choose
    box.deleteLater()
    if not chosen:
        return None
    return file_dialogs.choose_folder(
        parent, tr("Choose the images of this run"), place=file_dialogs.TRAINING
    )


def may_use_changed(parent: QWidget, sentence: str) -> bool:
    """Whether a run goes on with pictures that are not the ones it learned from."""
    box = _question(
        parent,
        tr("Other pictures"),
        "These are not the pictures the run learned from. Train on with them all the same?\n\n"
        + shorten(sentence, 400),
    )
    use = box.addButton(USE, QMessageBox.ButtonRole.AcceptRole)
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(cancel)
    box.exec()
    chosen = box.clickedButton() is use
    box.deleteLater()
    return chosen


def _question(parent: QWidget, title: str, text: str) -> QMessageBox:
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setWindowTitle(title)
    box.setText(text)
    return box
