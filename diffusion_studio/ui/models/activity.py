"""What is being done with a model, how far it is, and in the end what came of it, with the next thing to do."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S

FINE = 1000  # parts of the bar
EXPIRES = 12_000  # milliseconds that what was done is shown


class Activity(QFrame):
    """A line at the foot of the page; hidden where there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("activity")
        self.setAccessibleName(tr("Activity"))
        self.words = plain_label("")
        self.words.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setFixedSize(180, 8)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress"))
        self.cancel = push_button("Cancel", tr("Stop this; nothing is changed"))
        self.action = push_button("Undo", tr("Do what follows"))
        self.close_button = push_button("Dismiss", tr("Put this line away"))
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_L + SPACE_S, SPACE_S, SPACE_L, SPACE_S)
        row.setSpacing(SPACE_M)
        row.addWidget(self.words, 1)
        for part in (self.bar, self.cancel, self.action, self.close_button):
            row.addWidget(part)
        self._do: Callable[[], object] | None = None
        self._expiry = QTimer(self, singleShot=True, interval=EXPIRES)
        self._expiry.timeout.connect(self.hide)
        self.action.clicked.connect(self._act)
        self.close_button.clicked.connect(self.hide)
        self.hide()

    @property
    def controls(self) -> list[QPushButton]:
        return [self.cancel, self.action, self.close_button]

    def begin(self, words: str) -> None:
        self._show(words, busy=True)
        self.bar.setRange(0, 0)

    def say(self, words: str) -> None:
        """What is done now, of unknown length."""
        self.words.setText(words)
        self.bar.setRange(0, 0)

    def advance(self, done: float, total: float) -> None:
        self.bar.setRange(0, FINE)
        self.bar.setValue(round(FINE * done / max(total, 1)))

    def end(
        self, words: str, *, action: str = "", tip: str = "", do: Callable[[], object] | None = None
    ) -> None:
        """What came of it; `action` names the button that calls `do` and puts the line away."""
        self._show(words, busy=False)
        self._do = do
        self.action.setText(action)
        self.action.setAccessibleName(action)
        self.action.setToolTip(tip)
        self.action.setVisible(do is not None)

    def _show(self, words: str, *, busy: bool) -> None:
        self.words.setText(words)
        self.setAccessibleDescription(words)
        for part in (self.bar, self.cancel):
            part.setVisible(busy)
        for part in (self.action, self.close_button):
            part.setVisible(not busy)
        self.show()
        self._expiry.stop()
        if not busy:
            self._expiry.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """What was done is no news any more when the page is visited again."""
        super().hideEvent(event)
        if self._expiry.isActive():
            self._expiry.stop()
            self.hide()

    def _act(self) -> None:
        do, self._do = self._do, None
        self.hide()
        if do is not None:
            do()
