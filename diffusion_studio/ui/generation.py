"""A generation as the window sees it: at most one that counts, told in pictures, words and one of three ends."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from ..settings import DEVICES, LARGEST_SEED, GenerationSettings
from .pictures import Picture
from .worker import Worker

if TYPE_CHECKING:
    from ..events import Finished, NotSaved, Preview, Saved


TELL_EVERY = 0.05  # seconds between words of progress; pictures come as they are made


class Generation(QObject):
    """Starts and stops `jobs.generate` on its worker. Once stopped, what a job still says no longer counts."""

    waiting = Signal(str)  # for what, before the first step
    runs_on = Signal(str)  # device, precision and threads in words
    previewed = Signal(object)  # tuple of Picture
    progressed = Signal(int, int, str)  # step, of how many, in words
    saved = Signal(int, object)  # which of the batch, Picture
    not_saved = Signal(object)  # list of events.NotSaved
    ended = Signal(str)  # in words: done, stopped or failed
    failed = Signal(str, str)  # sentence, details

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker = Worker("generating", self)
        self._job: int | None = None
        self._warming: int | None = None
        self._threads = 0
        self._own: list[GenerationSettings] = []  # of each picture
        self._told_at = 0.0
        self.step = (0, 0)  # reached, of how many
        self._unsaved: list[NotSaved] = []
        self._last_words = ""
        self.worker.reported.connect(self._on_event)
        self.worker.job_finished.connect(self._on_finished)
        self.worker.job_failed.connect(self._on_failed)

    @property
    def running(self) -> bool:
        return self._job is not None

    def start(self, settings: GenerationSettings) -> None:
        """Begin, unless one is running already."""
        if self.running:
            return
        from ..jobs import generate  # here: it brings numpy and Pillow, which the empty window does without

        self.step, self._unsaved, self._last_words = (0, settings.steps), [], ""
        self._job = self.worker.submit(generate(settings))

    def warm_up(self, settings: GenerationSettings) -> None:
        """Load the model of these settings before it is asked for. What fails here fails again, and is told, at start."""
        if self._warming is not None:
            self.worker.cancel(self._warming)
        if not self.running:
            from ..jobs import warm_up

            self._warming = self.worker.submit(warm_up(settings))

    def stop(self) -> None:
        """Give up the running generation; it ends after its current step, and another may be started at once."""
        if self._job is not None:
            job, self._job = self._job, None
            self.worker.cancel(job)
            self.ended.emit(f"Stopped at step {self.step[0]} of {self.step[1]}")

    def _on_event(self, job: int, event: Any) -> None:
        from .. import events

        match event:
            case events.Ready(device=device, precision=precision, threads=threads):
                self._threads = threads
                self.runs_on.emit(hardware_words(device, precision, threads))
            case events.Saved():
                self._on_saved(event, counts=job == self._job)
            case _ if job != self._job:
                pass
            case events.Preview():
                self._on_preview(event)
            case events.Status(text=text):
                self.waiting.emit(text)
            case events.Started(settings=settings):
                self._own = own_settings(settings)
                self.runs_on.emit(hardware_words(event.device, event.precision, self._threads))
            case events.NotSaved():
                self._unsaved.append(event)
            case events.Finished():
                self._last_words = finished_words(event)

    def _on_preview(self, event: Preview) -> None:
        self.step = (event.index, event.total)
        layers = zip(event.denoised, event.noisy, self._own, strict=True)
        self.previewed.emit(
            tuple(Picture({"denoised": clean, "noisy": noisy}, settings=own) for clean, noisy, own in layers)
        )
        now = time.monotonic()
        if now - self._told_at > TELL_EVERY or event.index == event.total:
            self._told_at = now
            self.progressed.emit(event.index, event.total, progress_words(event))

    def _on_saved(self, event: Saved, *, counts: bool) -> None:
        picture = Picture({"denoised": event.picture}, path=event.path, settings=event.settings)
        self.saved.emit(event.index if counts else -1, picture)

    def _on_finished(self, job: int) -> None:
        if job == self._job:
            self._job = None
            if self._unsaved:
                self.not_saved.emit(self._unsaved)
            self.ended.emit(self._last_words)

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        if job == self._warming:
            return
        self.failed.emit(sentence, details)
        if job == self._job:
            self._job = None
            self.ended.emit("")


def own_settings(batch: GenerationSettings) -> list[GenerationSettings]:
    """What draws each picture of a batch again by itself."""
    return [
        replace(batch, seed=((batch.seed or 0) + place) % (LARGEST_SEED + 1), count=1)
        for place in range(batch.count)
    ]


def hardware_words(device: str, precision: str, threads: int) -> str:
    """“CPU · bfloat16 · 2 threads”."""
    words = [DEVICES.get(device, device), precision]
    if device == "cpu" and threads:
        words.append("1 thread" if threads == 1 else f"{threads} threads")
    return " · ".join(words)


def progress_words(event: Preview) -> str:
    """“step 13 of 20 · 22.1 it/s · 0.3 s left”."""
    words = f"step {event.index} of {event.total}"
    if event.index == 0 or event.seconds <= 0:
        return words
    rate = event.index / event.seconds
    return f"{words} · {rate:.1f} it/s · {time_words((event.total - event.index) / rate)} left"


def finished_words(event: Finished) -> str:
    return f"Done in {time_words(event.seconds)} · {event.steps_per_second:.1f} it/s"


def time_words(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes}:{rest:02d} min"
