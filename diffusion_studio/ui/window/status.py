"""The line at the foot of the window: what the work runs on, how much memory it takes, what was done last."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QStatusBar, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label

EVERY = 2000  # milliseconds
EXPIRES = 12_000  # milliseconds that a message is shown


class StatusLine(QStatusBar):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.device = plain_label("")
        self.device.setToolTip(tr("What the model runs on: device, number format, threads"))
        self.memory = plain_label("")
        self.memory.setToolTip(tr("Memory this application takes"))
        self.told = ElidedLabel()
        self.told.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.addWidget(self.device)
        self.addWidget(self.memory)
        self.addWidget(self.told, 1)
        self._process: Any = None
        self._expiry = QTimer(self, singleShot=True, interval=EXPIRES)
        self._expiry.timeout.connect(self.forget)
        self._timer = QTimer(self, interval=EVERY)
        self._timer.timeout.connect(self.measure)

    def say(self, words: str) -> None:
        """What was just done; it expires."""
        self.told.setText(words)
        self._expiry.start()

    def forget(self) -> None:
        """What was said belongs to another page."""
        self._expiry.stop()
        self.told.setText("")

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()
        self._expiry.stop()

    def measure(self) -> None:
        if self._process is None:
            import psutil  # here: not before the window is on screen

            self._process = psutil.Process()
        self.memory.setText(tr("{rss:,.0f} MB", rss=self._process.memory_info().rss / 2**20))
