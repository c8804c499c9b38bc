"""The foot of the panel: a slim progress bar with its words, the split main button, Pause and Stop, and the way to the queue."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import plural, tr
from diffusion_studio.ui.base.page import fill_menu
from diffusion_studio.ui.generate.panel.stop_choices import StopChoices
from diffusion_studio.ui.look.buttons import text_button
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import Line
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.widgets.action_button import HEIGHT, ActionButton

THOUSAND = 1000  # parts of the progress bar
EXPIRES = 12_000  # milliseconds that the outcome of a run is shown
SMALL = 32  # pixels of a square button


class ActionBar(QFrame):
    stop_wanted = Signal()
    queue_wanted = Signal()  # the list of what waits is to be shown

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panelFoot")
        self.button = ActionButton(tr("Generate"), tr("Generate an image (Ctrl+Enter)"))
        self.more = IconButton(
            "chevron-down", tr("More ways to generate"), tr("queue, or keep generating"), self
        )
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.hold = IconButton(
            "pause", tr("Pause"), tr("pause after this step (Ctrl+P)"), self, icon_on="resume"
        )
        self.hold.setCheckable(True)
        self.stop = IconButton("stop", tr("Stop"), tr("stop after this step (Esc)"), self)
        self.choices = StopChoices()
        self.progress = QProgressBar()
        self.line = Line(align=Qt.AlignmentFlag.AlignLeft)
        self.live = text_button(tr("Live"), tr("Generate again while a control moves"))
        self.live.setCheckable(True)
        self.fast = text_button(
            tr("Make it fast…"), tr("Train a model that generates the same in one to four steps")
        )
        self.fast.hide()
        self.queue = text_button(tr("Queue"), tr("Show what waits to be generated (Ctrl+J)"))
        self._name = self.button.text(), self.button.toolTip()
        self._live_words, self._too_slow = self.live.text(), False
        self._running = False
        self._expiry = QTimer(self, singleShot=True, interval=EXPIRES)
        self._expiry.timeout.connect(lambda: self._say(""))
        self._lay_out()
        self.stop.clicked.connect(self.stop_wanted)
        self.queue.clicked.connect(self.queue_wanted)
        self.show_waiting(0)
        self.show_idle()

    @property
    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        own = [self.button, self.more, self.hold, self.stop, *self.choices.controls]
        return [*own, self.fast, self.live, self.queue]

    @property
    def running(self) -> bool:
        return self._running

    def offer(self, actions: Sequence[QAction | None], hold: QAction) -> None:
        """The entries behind the arrow, and the entry that Pause stands for."""
        menu = QMenu(self.more)
        fill_menu(menu, actions)
        self.more.setMenu(menu)
        self.hold.clicked.connect(hold.trigger)
        hold.changed.connect(lambda: self._follow_hold(hold))
        self._follow_hold(hold)

    def offer_live(self, action: QAction) -> None:
        """The entry that the Live button stands for."""
        self.live.clicked.connect(action.trigger)

    def show_live(self, action: QAction, words: str, *, too_slow: bool) -> None:
        """Whether it is on, what it says, and whether the model is too slow for it."""
        keys = action.shortcut().toString()
        self._live_words = words
        self.live.setAccessibleDescription(action.statusTip())
        self.live.setToolTip(tooltip(f"{action.statusTip()} ({keys})"))
        self.live.setEnabled(action.isEnabled())
        self.live.setChecked(action.isChecked() and action.isEnabled())
        self._too_slow = too_slow
        self._share_room()

    def name(self, name: str, explanation: str) -> None:
        """What the main button does while nothing runs."""
        self._name = name, explanation
        if not self._running:
            self.button.name(name, explanation)

    def show_progress(self, share: float, *, queue: bool = True) -> None:
        """Something runs, and `share` of it is done. `queue`: the main button puts further requests into the queue."""
        self._expiry.stop()
        if not self._running:
            self._running = True
            if queue:
                self.button.name(
                    tr("Add to queue"),
                    tr("Generate this when the running generation is done (Ctrl+Shift+Enter)"),
                )
            self.button.setEnabled(queue)
            for part in (self.progress, self.stop):
                part.show()
            self.hold.setVisible(queue)
            self._share_room()
        self.progress.setValue(round(THOUSAND * min(max(share, 0.0), 1.0)))

    def show_idle(self) -> None:
        self._running = False
        self._share_room()
        self.button.name(*self._name)
        focused = any(part.hasFocus() for part in (self.hold, self.stop))
        for part in (self.progress, self.stop, self.hold):
            part.hide()
        self.progress.setValue(0)
        if focused:
            self.button.setFocus()

    def show_outcome(self, words: str) -> None:
        """Say for a while how what ran has ended."""
        self._say(words)
        self._expiry.start()

    def _say(self, words: str) -> None:
        self.line.setText(words)
        self._share_room()

    def close_down(self) -> None:
        self._expiry.stop()

    def show_waiting(self, count: int, *, failed: int = 0) -> None:
        """How many requests wait in the queue, and how many of it failed."""
        words = plural("Queue: {count}", "Queue: {count}", count)
        if failed:
            words = tr("{words} · {failed} failed", words=words, failed=failed)
        self.queue.setText(words)
        self.queue.setAccessibleName(words)
        self.queue.setVisible(count + failed > 0)
        self._share_room()

    def ask_to_stop(self, asking: bool) -> None:
        """Show the choices a stopped run has, in the place of the buttons."""
        focused = any(part.hasFocus() for part in self.controls)
        self.choices.setVisible(asking)
        self._share_room()
        self._actions.setVisible(not asking)
        if focused:
            (self.choices.keep if asking else self.button).setFocus()

    def _share_room(self) -> None:
        """While something runs or waits, what is said of that needs the room of the offers beside it."""
        busy = self._running or not self.queue.isHidden()
        words = tr("Live") if busy and not self.live.isChecked() else self._live_words
        if words != self.live.text():
            self.live.setText(words)
            self.live.setAccessibleName(words)
        offered = self._too_slow and not self._running and self.choices.isHidden()
        self.fast.setVisible(offered and self._fits_beside(self.line.text()))

    def _fits_beside(self, words: str) -> bool:
        """Whether what is said of a run is read whole beside every button; an offer waits until it has been read."""
        shown = [
            tool for tool in (self.fast, self.live, self.queue) if tool is self.fast or not tool.isHidden()
        ]
        taken = sum(tool.sizeHint().width() + SPACE_S for tool in shown)
        return (
            not words
            or self.line.fontMetrics().horizontalAdvance(words) + taken <= self.width() - 2 * SPACE_L
        )

    def _follow_hold(self, hold: QAction) -> None:
        self.hold.setEnabled(hold.isEnabled())
        self.hold.setChecked(hold.isChecked())
        self.hold.setAccessibleName(hold.text())
        self.hold.setToolTip(f"{hold.text()} ({hold.shortcut().toString()})")

    def _lay_out(self) -> None:
        self.progress.setObjectName("thinBar")
        self.progress.setRange(0, THOUSAND)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(4)
        self.progress.setAccessibleName(tr("Progress"))
        keeps = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        keeps.setRetainSizeWhenHidden(True)  # nothing moves when a run begins
        self.progress.setSizePolicy(keeps)
        for button in (self.more, self.hold, self.stop):
            button.setFixedSize(QSize(SMALL, SMALL))
        self._actions = QWidget(self)
        row = QHBoxLayout(self._actions)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_XS)
        row.addWidget(self.button, 1)
        for button in (self.more, self.hold, self.stop):
            row.addWidget(button)
        self._actions.setFixedHeight(HEIGHT)
        words = QHBoxLayout()
        words.setContentsMargins(3, 0, 3, 0)
        words.setSpacing(SPACE_S)
        words.addWidget(self.line, 1)
        for tool in (self.fast, self.live, self.queue):
            tool.setProperty("small", True)
            words.addWidget(tool)
        self.live.setObjectName("liveToggle")
        for tool in (self.fast, self.live, self.queue):
            tool.setFixedHeight(24)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_L - 3, SPACE_S, SPACE_L - 3, SPACE_S)
        column.setSpacing(SPACE_S // 2)
        column.addWidget(self.progress)
        column.addLayout(words)
        column.addWidget(self._actions)
        column.addWidget(self.choices)
        self.setMinimumHeight(HEIGHT + 24 + SPACE_M)
