"""What the Train page asks before it does something that cannot simply be reversed."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.dialogs import ask_name, ask_number, ask_question
from diffusion_studio.ui.look.texts import shorten

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
