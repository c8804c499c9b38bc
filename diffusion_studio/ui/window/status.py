"""The line at the foot of the window: what the work runs on, how much memory it takes, what was done last."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QStatusBar, QWidget

from diffusion_studio.language import plural, tr
from diffusion_studio.ui.base.background import Background
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_S, SPACE_XS

EVERY = 2000  # milliseconds
EXPIRES = 12_000  # milliseconds that a message is shown


class StatusLine(QStatusBar):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.device = plain_label("")
        self.device.setToolTip(tr("What the model runs on: device, number format, threads"))
        self.memory = plain_label("")
        self.memory.setToolTip(tr("Memory this application takes"))
        self.message = ElidedLabel()
        self.message.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.addWidget(self.device)
        self.addWidget(self.memory)
        self.addWidget(self.message, 1)
        self.job = LongJobLine(context.background, self)
        self.addPermanentWidget(self.job)
        self._process: Any = None
        self._expiry = QTimer(self, singleShot=True, interval=EXPIRES)
        self._expiry.timeout.connect(self.forget)
        self._timer = QTimer(self, interval=EVERY)
        self._timer.timeout.connect(self.measure)
        context.status.connect(self.say)
        context.device_known.connect(self.device.setText)
        context.saved.connect(lambda path: self.say(tr("Saved to {path}", path=readable(path))))

    def say(self, sentence: str) -> None:
        """What was just done; it expires."""
        self.message.setText(sentence)
        self._expiry.start()

    def forget(self) -> None:
        """What was said belonged to another page."""
        self._expiry.stop()
        self.message.setText("")

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


class LongJobLine(QWidget):
    """The long background job that runs: what it is, how far it is, and a button to cancel it. Hidden while there is none."""

    def __init__(self, background: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self.title = plain_label("")
        self.bar = QProgressBar()
        self.bar.setObjectName("thinBar")
        self.bar.setTextVisible(False)
        self.bar.setFixedSize(96, 6)
        self.bar.setAccessibleName(tr("Progress"))
        self.cancel = IconButton("close", tr("Cancel"), tr("end this after the current file"), self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, SPACE_S, 0)
        row.setSpacing(SPACE_XS)
        for part in (self.title, self.bar, self.cancel):
            row.addWidget(part)
        self.cancel.clicked.connect(self._cancel)
        background.long_changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        jobs = self._background.long_jobs
        self.setVisible(bool(jobs))
        if jobs:
            waiting = len(jobs) - 1
            more = plural(" (1 more waiting)", " ({count} more waiting)", waiting) if waiting else ""
            self.title.setText(jobs[0].title + more)
            self.bar.setRange(0, 0 if jobs[0].fraction is None else 100)
            self.bar.setValue(round(100 * (jobs[0].fraction or 0)))

    def _cancel(self) -> None:
        for job in self._background.long_jobs[:1]:
            self._background.cancel(job.number)
