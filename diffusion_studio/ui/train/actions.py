"""The menu entries of the Train page, with their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import action


class TrainActions(QObject):
    tab_wanted = Signal(int)

    def __init__(self, page: QWidget, tabs: Sequence[tuple[str, str]]) -> None:
        """`tabs`: (label, explanation)."""
        super().__init__(page)
        self.folder = action(page, tr("Choose a folder…"), "Ctrl+O", tip="The pictures to learn from")
        self.train = action(page, tr("Train"), "Ctrl+Return or Ctrl+Enter", tip="Learn from these pictures")
        self.pause = action(page, tr("Pause"), "Ctrl+P", tip="Hold still with everything loaded")
        self.stop = action(
            page, tr("Stop"), "Esc", tip="Stop after the current step and keep what was learned"
        )
        self.tabs = []
        for number, (name, explanation) in enumerate(tabs):
            visit = action(page, name, f"Alt+{number + 1}", tip=explanation)
            visit.triggered.connect(lambda _=False, number=number: self.tab_wanted.emit(number))
            self.tabs.append(visit)
        self.follow("idle")

    def entries(self) -> Mapping[str, Sequence[QAction | None]]:
        return {"File": [self.folder], "Train": [self.train, self.pause, self.stop, None, *self.tabs]}

    def follow(self, state: str) -> None:
        """What can be done while a training is "idle", "running", "paused" or "stopping"."""
        self.folder.setEnabled(state == "idle")
        self.train.setEnabled(state == "idle")
        for entry in (self.pause, self.stop):
            entry.setEnabled(state in ("running", "paused"))
        self.pause.setText(tr("Go on") if state == "paused" else tr("Pause"))
