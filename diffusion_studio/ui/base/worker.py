"""Carries out jobs (generators of events) in one long-lived thread and reports every event to the window's thread.

Each job ends in exactly one of finished, cancelled or failed. Previews are latest-only and at most one in `PREVIEW_EVERY`:
a slow window skips some and never falls behind, a fast network is not held up by its own images; the first and the last of
a run always arrive, and so does the one a job is held at. Every other event arrives, in order.

A job can be held: it is not asked for its next event until it is released, taken one step on, or cancelled.
"""

from __future__ import annotations

import inspect
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

from diffusion_studio.errors import UserError
from diffusion_studio.events import LiveFrame, Preview
from diffusion_studio.language import tr
from diffusion_studio.storage.log import log_fault

_running: set[Worker] = set()  # keeps a thread's object for as long as the thread runs
PREVIEW_EVERY = (
    0.08  # seconds; painting each step of 12 ms cost a run of small pictures a third of its speed (measured)
)
PATIENCE = 8  # events a job may yet report before it has done what a hold asks for first
STACK = 16 << 20  # bytes; some systems give a second thread too little for a deep network


@dataclass(slots=True)
class _Task:
    id: int
    job: Any
    cancelled: threading.Event = field(default_factory=threading.Event)
    held: bool = False
    steps: int = 0  # previews to come before it is held again
    answer: object = None  # for its next event
    ask: object = None  # the answer it gets before it is held ...
    until: tuple[type, ...] = ()  # ... until it reports one of these
    patience: int = 0

    @property
    def waits(self) -> bool:
        """Whether it is not to be continued now."""
        return self.held and not self.steps and not self.patience


class Worker(QThread):
    """A queue of jobs with its thread. All its methods are for the thread that made it; so are its signals."""

    reported = Signal(int, object)  # job, event
    job_finished = Signal(int)
    job_cancelled = Signal(int)
    job_failed = Signal(int, str, str)  # job, sentence, details
    job_ended = Signal(int)  # after any of the three
    job_held = Signal(int)  # it waits now, and its last preview has been reported
    idle = Signal()  # nothing is left to do
    _ended = Signal(int, str, str, str)
    _preview_waits = Signal()

    def __init__(
        self, name: str, parent: QObject | None = None, *, numbers: Iterator[int] | None = None
    ) -> None:
        """`numbers`: where jobs get theirs from, for workers that share them."""
        super().__init__()  # not Qt's child: deleting a thread that runs ends the process
        if parent is not None:
            parent.destroyed.connect(self._abandon)
        self.setObjectName(name)
        self.setStackSize(STACK)
        self._ids = numbers or itertools.count(1)
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

    def submit(self, job: Iterator[object]) -> int:
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
            with self._wake:
                task.cancelled.set()
                self._wake.notify()

    def cancel_all(self) -> None:
        for job in self._tasks:
            self.cancel(job)

    def hold(self, job: int, *, ask: object = None, until: tuple[type, ...] = ()) -> None:
        """Hold a job after its current step, with everything loaded.

        With `ask`, that is the answer to its next events first, until it has reported one of the events `until` names.
        """
        task = self._tasks.get(job)
        if task is not None and not task.held:
            with self._wake:
                task.held, task.steps = True, 0
                task.ask, task.until, task.patience = ask, until, PATIENCE if until else 0

    def release(self, job: int) -> None:
        """Resume a held job."""
        task = self._tasks.get(job)
        if task is not None:
            with self._wake:
                task.held, task.steps, task.patience = False, 0, 0
                self._wake.notify()

    def step(self, job: int) -> None:
        """Run a held job up to its next preview and hold it there."""
        task = self._tasks.get(job)
        if task is not None:
            with self._wake:
                task.held, task.steps, task.patience = True, task.steps + 1, 0
                self._wake.notify()

    def answer(self, job: int, value: object) -> None:
        """Send a value into a job in answer to the event it reported last, or to its next one."""
        task = self._tasks.get(job)
        if task is not None:
            with self._wake:
                task.answer = value

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
                while self._may_continue(task):
                    try:
                        event = events.send(self._answer(task))
                    except StopIteration:
                        return "finished", "", ""
                    self._deliver(task.id, event)
                    self._count(task, event)
            return "cancelled", "", ""
        except BaseException as error:
            log_fault(tr("A job of “{objectname}” failed", objectname=self.objectName()), error)
            return "failed", *describe(error)
        finally:
            task.job = None
            self._show_latest()

    def _may_continue(self, task: _Task) -> bool:
        """Waits for as long as the task is held; False once it is cancelled."""
        with self._wake:
            waits = task.waits
        if waits and not task.cancelled.is_set():
            self._show_latest()
            self.job_held.emit(task.id)
            with self._wake:
                self._wake.wait_for(lambda: not task.waits or task.cancelled.is_set())
        return not task.cancelled.is_set()

    def _answer(self, task: _Task) -> object:
        """What is sent to the job next; the first value sent to a generator must be None."""
        with self._wake:
            if inspect.getgeneratorstate(task.job) == inspect.GEN_CREATED:
                return None
            if task.patience:
                return task.ask
            value, task.answer = task.answer, None
            return value

    def _count(self, task: _Task, event: object) -> None:
        """What an event does to a hold."""
        with self._wake:
            if task.patience:
                task.patience = 0 if isinstance(event, task.until) else task.patience - 1
            elif task.steps and isinstance(event, Preview):
                task.steps -= 1

    def _show_latest(self) -> None:
        """Offer the last preview, where the clock held it back."""
        with self._wake:
            latest = list(self._latest.values())
        for event in latest:
            if isinstance(event, Preview):
                event.views.view("denoised")  # made here, as in `_deliver`
        if latest:
            self._preview_waits.emit()

    def _deliver(self, job: int, event: object) -> None:
        if isinstance(event, LiveFrame):  # each is wanted at once, and none once there is a newer one
            with self._wake:
                self._latest[job] = event
            self._preview_waits.emit()
            return
        if not isinstance(event, Preview):
            self._show_latest()  # what came before it is seen before it
            self.reported.emit(job, event)
            return
        now = time.monotonic()
        due = now - self._shown_at >= PREVIEW_EVERY or event.index in (0, event.total)
        with self._wake:
            self._latest[job] = event
        if due:
            # made here: of a picture on a graphics card the window would wait for it
            event.views.view("denoised")
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


def describe(error: BaseException) -> tuple[str, str]:
    """A sentence for the banner and the details behind it."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, UserError):
        return str(error), "\n\n".join(filter(None, (getattr(error, "details", None), details)))
    if isinstance(error, MemoryError):
        return tr("There is not enough memory for this. Try a smaller count."), details
    return tr("Unexpected error: {name}: {error}", name=type(error).__name__, error=str(error)[:200]), details
