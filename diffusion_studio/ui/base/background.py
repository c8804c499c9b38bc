"""Background work in two lanes: what the user waits for is never queued behind an export that takes minutes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from PySide6.QtCore import QObject, Signal

from diffusion_studio.ui.base.worker import Worker

Event = TypeVar("Event")


@runtime_checkable
class Counted(Protocol):
    """An event that says how far its job is: `done` of `total`."""

    done: int
    total: int


@dataclass(slots=True)
class LongJob:
    """A long job that waits or runs; `fraction` is None while its share is unknown."""

    number: int
    title: str
    fraction: float | None = None


class Background(QObject):
    """Runs jobs (generators of events) off the window's thread. A job has one number, whichever lane it is in."""

    job_failed = Signal(int, str, str)  # job, sentence, details
    job_ended = Signal(int)  # finished, cancelled or failed
    idle = Signal()  # nothing is left to do
    long_changed = Signal()  # a long job was added, came further, or ended

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        numbers = itertools.count(1)
        self._short = Worker("background", self, numbers=numbers)
        self._long = Worker("exports", self, numbers=numbers)
        self.workers = (self._short, self._long)
        self._then: dict[int, Callable[[Any], None]] = {}
        self._long_jobs: dict[int, LongJob] = {}
        for worker in self.workers:
            worker.reported.connect(self._report)
            worker.job_failed.connect(self.job_failed)
            worker.job_ended.connect(self._end)

    @property
    def busy(self) -> bool:
        return any(worker.busy for worker in self.workers)

    @property
    def long_jobs(self) -> list[LongJob]:
        """The long jobs that have not ended; the first one runs."""
        return list(self._long_jobs.values())

    def run(self, job: Iterator[Event], then: Callable[[Event], None], *, title: str = "") -> int:
        """Run a job and return its number; `then` receives each of its events.

        `title` names a job that may take long, as in “Export of 200 images”: it has a lane of its own, and the window
        shows how far it is (events with `done` and `total`) with a button to cancel it.
        """
        number = (self._long if title else self._short).submit(job)
        self._then[number] = then
        if title:
            self._long_jobs[number] = LongJob(number, title)
            self.long_changed.emit()
        return number

    def cancel(self, job: int) -> None:
        """Ask a job to end after its current step; one that has ended is left alone."""
        for worker in self.workers:
            worker.cancel(job)

    def stop(self) -> None:
        """End both threads, after the current step of what they do; returns when they have ended."""
        for worker in self.workers:
            worker.stop()

    def _report(self, job: int, event: object) -> None:
        long = self._long_jobs.get(job)
        if long is not None and isinstance(event, Counted) and event.total:
            long.fraction = event.done / event.total
            self.long_changed.emit()
        then = self._then.get(job)
        if then is not None:
            then(event)

    def _end(self, job: int) -> None:
        self._then.pop(job, None)
        if self._long_jobs.pop(job, None) is not None:
            self.long_changed.emit()
        self.job_ended.emit(job)
        if not self.busy:
            self.idle.emit()
