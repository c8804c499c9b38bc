"""The list of queued generations over the panel: what runs, what waits and what failed, to reorder, cancel and retry."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QScrollArea, QVBoxLayout, QWidget

from diffusion_studio.jobs.queue import QueuedRequest
from diffusion_studio.language import plural, tr
from diffusion_studio.ui.generate.generations import setting_words
from diffusion_studio.ui.generate.queue.queue_runner import QueueRunner
from diffusion_studio.ui.look.buttons import text_button
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.labels import ElidedLabel, plain_label
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S, SPACE_XS
from diffusion_studio.ui.widgets.popover import Popover

WIDTH, TALLEST = 380, 360  # pixels
THOUSAND = 1000


class JobsPopover(Popover):
    """A row for each request, with its buttons."""

    def __init__(self, runner: QueueRunner, parent: QWidget) -> None:
        super().__init__(tr("Queue"), parent)
        self._runner = runner
        self.rows: list[RequestRow] = []
        self.heading = plain_label(tr("Queue"), "heading")
        self.hold = text_button(tr("Pause queue"), tr("Start no further generation after the running one"))
        self.clear = text_button(tr("Clear"), tr("Remove everything that does not run"))
        self._empty = plain_label(tr("Nothing is queued. Add to the queue with Ctrl+Shift+Enter."), "small")
        self._empty.setWordWrap(True)
        self._list = QWidget()
        self._column = QVBoxLayout(self._list)
        self._area = QScrollArea()
        self._lay_out()
        self.hold.clicked.connect(lambda: runner.resume() if runner.paused else runner.pause())
        self.clear.clicked.connect(runner.clear)
        runner.changed.connect(self._follow)

    def show_at(self, corner: QPoint) -> None:
        """Open with the lower left corner there, in pixels of what it lies on."""
        self._runner.refresh()
        self._follow()
        self.setFixedWidth(WIDTH)
        self._area.setFixedHeight(min(self._list.sizeHint().height() + 2, TALLEST))
        self.adjustSize()
        self.move(corner.x(), max(corner.y() - self.height(), SPACE_S))
        self.pop_up(self.hold)

    def show_progress(self) -> None:
        """The running request has come further."""
        for row in self.rows:
            if row.running:
                row.progress.setValue(round(THOUSAND * self._runner.share))

    def _follow(self) -> None:
        if not self.isVisible() and not self.rows and not self._runner.requests:
            return
        paused = self._runner.paused
        self.hold.setText(tr("Resume queue") if paused else tr("Pause queue"))
        self.hold.setAccessibleName(self.hold.text())
        requests = self._runner.requests
        known = [(row.request.id, row.request.state) for row in self.rows]
        if known == [(request.id, request.state) for request in requests]:
            return
        for row in self.rows:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = [RequestRow(request, place, len(requests)) for place, request in enumerate(requests)]
        for row in self.rows:
            self._column.insertWidget(self._column.count() - 1, row)
            self._connect(row)
        self._empty.setVisible(not requests)
        self._area.setVisible(bool(requests))
        self.clear.setEnabled(bool(requests))
        self.show_progress()

    def _connect(self, row: RequestRow) -> None:
        id, runner = row.request.id, self._runner
        row.up.clicked.connect(lambda: runner.move(id, -1))
        row.down.clicked.connect(lambda: runner.move(id, 1))
        row.cancel.clicked.connect(lambda: runner.cancel(id))
        row.retry.clicked.connect(lambda: runner.retry(id))

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.heading, 1)
        head.addWidget(self.hold)
        head.addWidget(self.clear)
        self._column.setContentsMargins(0, 0, SPACE_XS, 0)
        self._column.setSpacing(SPACE_S)
        self._column.addStretch(1)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(self._list)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_M, SPACE_M, SPACE_M, SPACE_M)
        column.setSpacing(SPACE_S)
        column.addLayout(head)
        column.addWidget(self._empty)
        column.addWidget(self._area)


class RequestRow(QFrame):
    """One request: its settings in words, its state, and what can be done with it."""

    def __init__(self, request: QueuedRequest, place: int, count: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.request = request
        self.setObjectName("card")
        title, facts = request_words(request)
        self.title, self.state = ElidedLabel(title), ElidedLabel(facts)
        self.state.setProperty("small", True)
        self.progress = QProgressBar()
        self.progress.setObjectName("thinBar")
        self.progress.setRange(0, THOUSAND)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(4)
        self.progress.setVisible(self.running)
        self.progress.setAccessibleName(tr("Progress of {title}", title=title))
        self.up = IconButton("arrow-up", tr("Move up"), tr("generate this earlier"), self)
        self.down = IconButton("arrow-down", tr("Move down"), tr("generate this later"), self)
        self.retry = IconButton("redo", tr("Retry"), tr("let this wait again"), self)
        self.cancel = IconButton("close", tr("Cancel"), tr("remove this from the queue"), self)
        self.up.setEnabled(place > 0)
        self.down.setEnabled(place < count - 1)
        self.up.setVisible(not self.running)
        self.down.setVisible(not self.running)
        self.retry.setVisible(request.state == "failed")
        words = QVBoxLayout()
        words.setSpacing(2)
        for part in (self.title, self.state, self.progress):
            words.addWidget(part)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_XS, SPACE_XS, SPACE_XS, SPACE_XS)
        row.setSpacing(2)
        row.addLayout(words, 1)
        for button in (self.up, self.down, self.retry, self.cancel):
            button.setFixedSize(QSize(26, 26))
            row.addWidget(button)

    @property
    def running(self) -> bool:
        return self.request.state == "running"


def request_words(request: QueuedRequest) -> tuple[str, str]:
    """“seed 7 · 4 images” and “Waiting · Faces · DPM++ 2M · 20 steps”."""
    own = request.settings
    named = setting_words("prompt", own.prompt) + " · " if own.prompt else ""
    title = (
        named
        + tr("Seed {seed}", seed=own.seed)
        + " · "
        + plural("{count} image", "{count} images", own.count)
    )
    states = {"waiting": tr("Waiting"), "running": tr("Generating"), "failed": tr("Failed")}
    facts = [states[request.state]]
    if request.state == "failed":
        facts.append(request.reason)
    else:
        facts += [setting_words("sampler", own.sampler)]
        facts.append(plural("{count} step", "{count} steps", own.steps))
    return title, " · ".join(filter(None, facts))
