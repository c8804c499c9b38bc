"""Carries out jobs (generators of events) in one long-lived thread and reports every event to the window's thread.

Each job ends in exactly one of finished, cancelled or failed. Previews are latest-only and at most one in `PREVIEW_EVERY`:
a slow window skips some and never falls behind, a fast network is not held up by its own pictures; the first and the last of
a run always arrive. Every other event arrives, in order.
"""

from __future__ import annotations

import itertools
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from ..errors import UserError

_running: set[Worker] = set()  # keeps a thread's object for as long as the thread runs
PREVIEW_EVERY = (
    0.08  # seconds; painting each step of 12 ms cost a run of small pictures a third of its speed (measured)
)
STACK = 16 << 20  # bytes; some systems give a second thread too little for a deep network


@dataclass(slots=True)
class _Task:
    id: int
    job: Any
    cancelled: threading.Event = field(default_factory=threading.Event)


class Worker(QThread):
    """A queue of jobs with its thread. All its methods are for the thread that made it; so are its signals."""

    reported = Signal(int, object)  # job, event
    job_finished = Signal(int)
    job_cancelled = Signal(int)
    job_failed = Signal(int, str, str)  # job, sentence, details
    job_ended = Signal(int)  # after any of the three
    idle = Signal()  # nothing is left to do
    _ended = Signal(int, str, str, str)
    _preview_waits = Signal()

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__()  # not Qt's child: deleting a thread that runs ends the process
        if parent is not None:
            parent.destroyed.connect(self._abandon)
        self.setObjectName(name)
        self.setStackSize(STACK)
        self._ids = itertools.count(1)
        self._queue: deque[_Task] = deque()
        self._tasks: dict[int, _Task] = {}  # submitted and not yet reported as ended
        self._wake = threading.Condition()
        self._stopping = False
        self._shown_at = 0.0  # when a preview was last offered
        self._latest: dict[int, Any] = {}  # job -> its newest preview that the window has not taken yet
        self._ended.connect(self._report_end)
        self._preview_waits.connect(self._take_preview)
        self.finished.connect(self._let_go)

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    def submit(self, job: Iterator[Any]) -> int:
        """Carry out a job (a generator) after those already waiting; its number names it in every signal."""
        task = _Task(next(self._ids), job)
        self._tasks[task.id] = task
        with self._wake:
            self._queue.append(task)
            self._wake.notify()
        if not self.isRunning():
            _running.add(self)
            self.start()
        return task.id

    def cancel(self, job: int) -> None:
        """Ask a job to end after its current step, or not to begin. A job that has ended is left alone."""
        task = self._tasks.get(job)
        if task is not None:
            task.cancelled.set()

    def cancel_all(self) -> None:
        for task in self._tasks.values():
            task.cancelled.set()

    def stop(self) -> None:
        """End the thread, after the current step of what it is doing; returns when it has ended."""
        self._abandon()
        self.wait()
        self._stopping = False
        _running.discard(self)

    def _abandon(self) -> None:
        """Let the thread end by itself, after the current step."""
        self.cancel_all()
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def run(self) -> None:
        while (task := self._next()) is not None:
            self._ended.emit(task.id, *self._carry_out(task))
            del task  # a finished job's pictures must not live until the next job

    def _let_go(self) -> None:
        if not self.isRunning():
            _running.discard(self)

    def _next(self) -> _Task | None:
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._stopping)
            return self._queue.popleft() if self._queue else None

    def _carry_out(self, task: _Task) -> tuple[str, str, str]:
        """How the job ended, with a sentence and details where it failed."""
        try:
            with closing(task.job) as events:
                while not task.cancelled.is_set():
                    event = next(events, _END)
                    if event is _END:
                        return "finished", "", ""
                    self._deliver(task.id, event)
            return "cancelled", "", ""
        except BaseException as error:
            return "failed", *describe(error)
        finally:
            task.job = None
            if self._latest:
                self._preview_waits.emit()  # the last one, where the clock held it back

    def _deliver(self, job: int, event: Any) -> None:
        from ..events import Preview  # here: it brings numpy, which the empty window does without

        if not isinstance(event, Preview):
            self.reported.emit(job, event)
            return
        now = time.monotonic()
        due = now - self._shown_at >= PREVIEW_EVERY or event.index in (0, event.total)
        with self._wake:
            self._latest[job] = event
        if due:
            self._shown_at = now
            self._preview_waits.emit()

    def _take_preview(self) -> None:
        with self._wake:
            latest, self._latest = self._latest, {}
        for job, event in latest.items():
            self.reported.emit(job, event)

    def _report_end(self, job: int, outcome: str, sentence: str, details: str) -> None:
        del self._tasks[job]
        if outcome == "finished":
            self.job_finished.emit(job)
        elif outcome == "cancelled":
            self.job_cancelled.emit(job)
        else:
            self.job_failed.emit(job, sentence, details)
        self.job_ended.emit(job)
        if not self._tasks:
            self.idle.emit()


_END = object()


def describe(error: BaseException) -> tuple[str, str]:
    """A sentence for the banner and the details behind it."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, UserError):
        return str(error), "\n\n".join(filter(None, (getattr(error, "details", None), details)))
    if isinstance(error, MemoryError):
        return "There is not enough memory for this. Try a smaller count.", details
    return f"Something went wrong that should not have: {type(error).__name__}: {str(error)[:200]}", details
