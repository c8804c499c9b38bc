"""What the Train page asks: before it discards a run, how long to train on, and where the images of a run are now."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base import file_dialogs
from diffusion_studio.ui.base.dialogs import ask_name, ask_number, ask_question
from diffusion_studio.ui.look.texts import readable, shorten

LONGEST = 100_000.0  # minutes


def may_discard(parent: QWidget, title: str) -> bool:
    """Whether a training that runs may be stopped and its run moved to the trash."""
    return ask_question(
        parent,
        tr("Discard this training?"),
        tr("“{title}” is stopped, and what it has learned is moved to the trash.", title=shorten(title)),
        accept=tr("Discard"),
        danger=True,
    )


def more_minutes(parent: QWidget, usual: float) -> float | None:
    """How much longer a finished run is to be trained; None: not at all."""
    return ask_number(
        parent,
        tr("Train longer"),
        usual,
        accept=tr("Train"),
        label=tr("Minutes to add"),
        low=0.1,
        high=LONGEST,
    )


def new_name(parent: QWidget, title: str) -> str | None:
    """Another name for a run; None: it stays."""
    return ask_name(parent, tr("Rename run"), title, accept=tr("Rename"), label=tr("Name of the model"))


def is_there(folder: str) -> bool:
    try:
        return Path(folder).is_dir()
    except OSError:
        return False


def new_location(parent: QWidget, title: str, folder: str) -> Path | None:
    """Where the images of a run were moved to; None: the run is not resumed."""
    agreed = ask_question(
        parent,
        tr("Images not found"),
        tr(
            "The images of “{title}” were in {folder}. If the folder was moved or renamed, select it where it is now.",
            title=shorten(title, 60),
            folder=shorten(readable(Path(folder))),
        ),
        accept=tr("Select folder…"),
    )
    if not agreed:
        return None
    return file_dialogs.choose_folder(
        parent, tr("Choose the images of this run"), place=file_dialogs.TRAINING
    )


def may_use_changed(parent: QWidget, sentence: str) -> bool:
    """Whether a run resumes with images that are not the ones it learned from."""
    return ask_question(
        parent,
        tr("Train on with other images?"),
        tr(
            "These are not the images the run learned from. {difference}",
            difference=shorten(sentence, 400),
        ),
        accept=tr("Use these images"),
        danger=True,
    )
