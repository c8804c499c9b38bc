"""A generation as the window sees it: at most one that counts, reported in images, in words and in one of three ends."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from diffusion_studio import events
from diffusion_studio.events import (
    KEEP,
    Finished,
    GenerationEvent,
    LiveEvent,
    NotSaved,
    Preview,
    Saved,
    WarmUpEvent,
)
from diffusion_studio.generation.trajectory import Start, Trajectory
from diffusion_studio.language import plural, tr
from diffusion_studio.pictures.step_views import StepViews
from diffusion_studio.settings.branches import single
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import DEVICES
from diffusion_studio.settings.units import duration
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.pictures.picture import Picture, Views

if TYPE_CHECKING:
    import numpy as np


REPORT_EVERY = (
    0.2  # seconds between words of progress, which nobody reads faster; pictures come as they are made
)


class Generation(QObject):
    """Starts, holds and stops `jobs.generate` on its worker. Once stopped, what a job still reports no longer counts."""

    waiting = Signal(str)  # for what, before the first step
    runs_on = Signal(str)  # device, precision and threads in words
    previewed = Signal(object)  # tuple of Picture
    progressed = Signal(int, int, str)  # step, of how many, in words
    saved = Signal(int, object)  # which of the batch, Picture
    not_saved = Signal(object)  # list of events.NotSaved
    held = Signal()  # it is paused, and its last preview has been reported
    changed = Signal()  # `running` or `paused`
    ended = Signal(str)  # in words: done, stopped or failed
    failed = Signal(str, str)  # sentence, details
    remarked = Signal(str)  # a sentence about what was not done as it was asked for
    timed = Signal(str)  # the name of a model whose time of a step is known now

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker = Worker("generating", self)
        self._job: int | None = None
        self._warming: int | None = None
        self._threads = 0
        self._own: list[GenerationSettings] = []  # of each picture
        self._trajectory: Trajectory | None = None
        self._reported_at = 0.0
        self.paused = False  # or about to be, after the step in hand
        self._shown = False  # whether there was a preview yet
        self.seconds = 0.0  # of work, up to the last preview
        self._held_at: float | None = None
        self._idle = 0.0  # seconds it was held for
        self._first, self._until = 0, 0  # the step it began at, and “Stop at step”
        self._saves = True
        self.step = (0, 0)  # reached, of how many
        self.stopped_at: int | None = None  # where the last one was kept before its end
        self._unsaved: list[NotSaved] = []
        self._last_words = ""
        self.worker.reported.connect(self._on_event)
        self.worker.job_finished.connect(self._on_finished)
        self.worker.job_failed.connect(self._on_failed)
        self.worker.job_held.connect(self._on_held)

    @property
    def running(self) -> bool:
        """Whether there is one, paused or not."""
        return self._job is not None

    @property
    def expected(self) -> float:
        """Seconds of work it takes in all, as far as one can tell; 0 before its first step is done."""
        end = self._until if self.step[0] <= self._until < self.step[1] else self.step[1]
        done, ahead = self.step[0] - self._first, end - self._first
        return self.seconds * ahead / done if done > 0 else 0.0

    def start(
        self,
        settings: GenerationSettings,
        *,
        trajectory: Trajectory | None = None,
        start: Start | None = None,
        save: bool = True,
    ) -> None:
        """Begin, unless one is running already. `trajectory`, `start`, `save`: as `jobs.generate` takes them."""
        if self.running:
            return
        from diffusion_studio.jobs.generate import (
            generate,  # here: it brings numpy and Pillow, which the empty window does without
        )

        self.step, self._unsaved, self._last_words = (0, settings.steps), [], ""
        self.paused, self.seconds, self._held_at, self._idle = False, 0.0, None, 0.0
        self._shown = False
        self._trajectory, self.stopped_at, self._saves = trajectory, None, save
        self._job = self.worker.submit(generate(settings, trajectory=trajectory, start=start, save=save))
        self.changed.emit()

    def pause(self) -> None:
        """Pause after the current step, but not before there is an image to see; `held` says when."""
        if self._job is not None and not self.paused:
            self.paused = True
            if self._shown:
                self.worker.hold(self._job)
            else:
                self.worker.step(self._job)
            self.changed.emit()

    def resume(self) -> None:
        if self._job is not None and self.paused:
            self._count_idle()
            self.paused = False
            self.worker.release(self._job)
            self.changed.emit()

    def single_step(self) -> None:
        """Generate one more step, then pause."""
        if self._job is not None:
            self._count_idle()
            self.paused = True
            self.worker.step(self._job)
            self.changed.emit()

    def keep(self) -> None:
        """End here and save the predicted clean images."""
        if self._job is not None:
            self.worker.answer(self._job, KEEP)
            if self.paused:
                self.resume()

    def warm_up(self, settings: GenerationSettings) -> None:
        """Load the model of these settings before it is asked for. What fails here fails again, and is reported, at start."""
        if self._warming is not None:
            self.worker.cancel(self._warming)
        if not self.running:
            from diffusion_studio.jobs.warm_up import warm_up

            self._warming = self.worker.submit(warm_up(settings))

    def stop(self, *, quietly: bool = False) -> None:
        """Discard the running generation; it ends after its current step, and another may be started at once.

        `quietly`: nobody asked for it, so no message is shown.
        """
        if self._job is not None:
            job, self._job = self._job, None
            self.worker.cancel(job)
            self._over()
            said = tr("Stopped at step {step} of {step2}", step=self.step[0], step2=self.step[1])
            self.ended.emit("" if quietly else said)

    def _on_event(self, job: int, event: GenerationEvent | WarmUpEvent | LiveEvent) -> None:
        match event:
            case events.Ready(device=device, precision=precision, threads=threads):
                self._threads = threads
                self.runs_on.emit(hardware_words(device, precision, threads))
            case events.StepTimed(model=model):
                self.timed.emit(model)
            case events.Saved():
                self._on_saved(event, counts=job == self._job)
            case _ if job != self._job:
                pass
            case events.Preview():
                self._on_preview(event)
            case events.Status(text=text):
                self.waiting.emit(text)
            case events.Started(settings=settings):
                self._own = [single(settings, place) for place in event.pictures]
                self._first, self._until = event.first, settings.until
                self.runs_on.emit(hardware_words(event.device, event.precision, self._threads))
            case events.NotSaved():
                self._unsaved.append(event)
            case events.Finished():
                self.stopped_at = event.stopped_at
                self._last_words = finished_words(self._worked(event), kept=self._saves, total=self.step[1])
                self._say_previews(event)
            case events.Warned() | events.SheetSaved() | events.LiveFrame() | events.SeedImage():
                pass  # of sheets, which the window does not ask for, and of live images, which are shown elsewhere
            case _:
                events.assert_never(event)

    def _on_preview(self, event: Preview) -> None:
        self.step, self._shown = (event.index, event.total), True
        self.seconds = event.seconds - self._idle
        self.previewed.emit(self._pictures(event))
        now = time.monotonic()
        if now - self._reported_at > REPORT_EVERY or event.index == event.total or self.paused:
            self._reported_at = now
            end = self._end_of(event)
            words = progress_words(event, self.seconds, self._first, end)
            self.progressed.emit(event.index, end, words)

    def _end_of(self, event: Preview) -> int:
        """The last step that will be taken: that of “Stop at step” where there is one."""
        return self._until if max(event.index, 1) <= self._until < event.total else event.total

    def _pictures(self, event: Preview) -> tuple[Picture, ...]:
        """The layers that are in memory; the others are decoded from the trajectory when they are viewed."""
        until = event.index if event.index < event.total else 0
        own = [replace(settings, until=until) for settings in self._own]
        steps = self._trajectory
        if steps is None or not len(steps) or event.index < steps.first:
            return tuple(
                Picture({"denoised": event.denoised[place], "noisy": event.noisy[place]}, settings=settings)
                for place, settings in enumerate(own)
            )

        def make(name: str) -> np.ndarray:
            return event.views.view(name) if name in ("denoised", "noisy") else steps.view(event.index, name)

        views = StepViews(make)
        return tuple(Picture(Views(views, place), settings=settings) for place, settings in enumerate(own))

    def _on_held(self, job: int) -> None:
        if job == self._job and self.paused:
            self._held_at = time.monotonic()
            self.progressed.emit(
                *self.step, tr("Paused at step {step} of {step2}", step=self.step[0], step2=self.step[1])
            )
            self.held.emit()

    def _count_idle(self) -> None:
        """What was waited does not count as work."""
        if self._held_at is not None:
            self._idle += time.monotonic() - self._held_at
            self._held_at = None

    def _worked(self, event: Finished) -> Finished:
        steps = event.steps_per_second * event.seconds
        seconds = max(event.seconds - self._idle, 1e-9)
        return replace(event, seconds=seconds, steps_per_second=steps / seconds)

    def _say_previews(self, event: Finished) -> None:
        """What sharp previews took of the time, or why there were none."""
        views = None if self._trajectory is None else self._trajectory.views
        seconds = self._worked(event).seconds
        if views is not None and views.spent and seconds:
            self._last_words += tr(" · previews {share:.0%}", share=min(views.spent / seconds, 1.0))
        if views is not None and views.remark:
            self.remarked.emit(views.remark)

    def _over(self) -> None:
        self.paused = False
        self.changed.emit()

    def _on_saved(self, event: Saved, *, counts: bool) -> None:
        picture = Picture({"denoised": event.picture}, path=event.path, settings=event.settings)
        self.saved.emit(event.index if counts else -1, picture)

    def _on_finished(self, job: int) -> None:
        if job == self._job:
            self._job = None
            self._over()
            if self._unsaved:
                self.not_saved.emit(self._unsaved)
            self.ended.emit(self._last_words)

    def _on_failed(self, job: int, sentence: str, details: str) -> None:
        if job == self._warming:
            return
        self.failed.emit(sentence, details)
        if job == self._job:
            self._job = None
            self._over()
            self.ended.emit("")


def hardware_words(device: str, precision: str, threads: int) -> str:
    """“CPU · bfloat16 · 2 threads”."""
    words = [DEVICES.get(device, device), precision]
    if device == "cpu" and threads:
        words.append(plural("{count} thread", "{count} threads", threads))
    return " · ".join(words)


def progress_words(event: Preview, seconds: float, first: int = 0, end: int | None = None) -> str:
    """“step 13 of 20 · 22.1 it/s · 0.3 s left”; it began at step `first` and ends at `end`."""
    end = event.total if end is None else end
    words = tr("step {index} of {end}", index=event.index, end=end)
    if event.index <= first or seconds <= 0:
        return words
    rate = (event.index - first) / seconds
    return tr(
        "{words} · {rate:.1f} it/s · {time_words} left",
        words=words,
        rate=rate,
        time_words=duration((end - event.index) / rate),
    )


def finished_words(event: Finished, *, kept: bool, total: int = 0) -> str:
    if event.stopped_at is not None:
        words = "Saved" if kept else "Stopped"
        of = f" of {total}" if total else ""
        return tr(
            "{words} at step {stopped_at}{of} after {time_words}",
            words=words,
            stopped_at=event.stopped_at,
            of=of,
            time_words=duration(event.seconds),
        )
    if not event.steps_per_second:
        return tr("Done: there was no step left to take")
    return tr(
        "Done in {time_words} · {steps_per_second:.1f} it/s",
        time_words=duration(event.seconds),
        steps_per_second=event.steps_per_second,
    )
