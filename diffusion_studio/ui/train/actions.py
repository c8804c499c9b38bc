"""The menu entries of the Train page, with their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import action


class TrainActions(QObject):
    step_wanted = Signal(int)

    def __init__(self, page: QWidget, steps: Sequence[tuple[str, str]]) -> None:
        """`steps`: (label, explanation)."""
        super().__init__(page)
        self.folder = action(
            page, tr("Choose training images…"), "Ctrl+O", tip=tr("A folder of images to train on")
        )
        self.train = action(page, tr("Train"), "Ctrl+Return or Ctrl+Enter", tip=tr("Train on these images"))
        self.pause = action(page, tr("Pause"), "Ctrl+P", tip=tr("Hold with everything loaded"))
        self.stop = action(
            page, tr("Stop"), "Esc", tip=tr("Stop after the current step and save a checkpoint")
        )
        self.steps = []
        for number, (name, explanation) in enumerate(steps):
            visit = action(page, name, f"Alt+{number + 1}", tip=explanation)
            visit.triggered.connect(lambda _=False, number=number: self.step_wanted.emit(number))
            self.steps.append(visit)
        self.follow("idle", at_run=False)

    def entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return {"File": [self.folder], "Train": [self.train, self.pause, self.stop, None, *self.steps]}

    def follow(self, state: str, *, at_run: bool) -> None:
        """What can be done while a training is "idle", "running", "paused" or "stopping".

        `at_run`: whether the run is what is shown. Elsewhere Escape, which leaves lists and fields, must not stop it.
        """
        self.folder.setEnabled(state == "idle")
        self.train.setEnabled(state == "idle")
        holds = state in ("running", "paused")
        self.pause.setEnabled(holds)
        self.stop.setEnabled(holds and at_run)
        self.pause.setText(tr("Resume") if state == "paused" else tr("Pause"))
        self.stop.setText(tr("End run") if state == "paused" else tr("Stop"))
