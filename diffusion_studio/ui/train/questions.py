"""What the Train page asks before it does something that can not simply be done the other way round."""

from __future__ import annotations

from PySide6.QtWidgets import QInputDialog, QMessageBox, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.texts import plain_message

LONGEST = 100_000.0  # minutes


def may_discard(parent: QWidget, title: str) -> bool:
    buttons = QMessageBox.StandardButton
    box = plain_message(
        parent,
        "Discard",
        tr("Discard this training?"),
        tr("“{title}” is stopped, and what it has learned is moved to the trash.", title=title),
    )
    box.setIcon(QMessageBox.Icon.Question)
    box.setStandardButtons(buttons.Discard | buttons.Cancel)
    box.setDefaultButton(buttons.Cancel)
    answer = box.exec()
    box.deleteLater()
    return answer == buttons.Discard


def may_lose(parent: QWidget, reason: str) -> bool:
    """Whether the window may close though images could not be saved."""
    buttons = QMessageBox.StandardButton
    sentence = tr("The stopped image could not be saved. {reason} Close and discard it?", reason=reason)
    box = plain_message(parent, tr("Not saved"), sentence)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setStandardButtons(buttons.Discard | buttons.Cancel)
    box.setDefaultButton(buttons.Cancel)
    answer = box.exec()
    box.deleteLater()
    return answer == buttons.Discard


def more_minutes(parent: QWidget, usual: float) -> float | None:
    """How much longer a finished run is to be trained; None: not at all."""
    minutes, agreed = QInputDialog.getDouble(
        parent, tr("Train longer"), tr("Minutes to add:"), usual, 0.1, LONGEST, 1
    )
    return minutes if agreed else None


def new_name(parent: QWidget, title: str) -> str | None:
    """Another name for a run; None: it stays."""
    name, agreed = QInputDialog.getText(parent, "Rename", tr("Name of the model:"), text=title)
    name = name.strip()
    return name if agreed and name and name != title else None
