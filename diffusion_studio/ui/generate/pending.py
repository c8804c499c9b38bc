"""What was stopped and not decided on the Generate page: saved before anything takes its place, and discarded only with Undo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.trashing import addition
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.generations import Run
from diffusion_studio.ui.generate.next_run import GoingOn
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.saved import save_shown


class Pending(QObject):
    saved = Signal(object, object)  # Path, Picture
    not_saved = Signal(object)  # list of events.NotSaved

    def __init__(self, context: AppContext, steering: Steering, going_on: GoingOn) -> None:
        super().__init__(steering)
        self._context, self._steering, self._going_on = context, steering, going_on
        self._writing: dict[
            int, dict[int, Picture]
        ] = {}  # by job: the images it has not written yet, by place
        steering.put_aside.connect(self._save)
        steering.discarded.connect(self._on_discarded)
        going_on.dropped.connect(self._on_dropped)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Images that are saved nowhere: of a run that is held or on its way, or previews to select from."""
        return self._steering.unsaved or self._going_on.previews

    def save_now(self) -> list[Any]:
        """Save them before the window closes; returns what could not be saved, which goes on waiting."""
        pictures = [*self.pictures]
        for job, rest in self._writing.items():  # closing ends the thread that writes them
            self._context.background.cancel(job)
            pictures += rest.values()
        self._writing.clear()
        if not pictures:
            return []
        lost = [event for event in save_shown(pictures) if hasattr(event, "reason")]
        if not lost:
            if self._steering.unsaved:
                self._steering.generation.stop()
            self._going_on.ticks.end()
        return lost

    def _save(self, pictures: tuple[Picture, ...]) -> None:
        """Save what another run takes the place of, and say so with Undo."""
        paths: list[Path] = []
        lost: list[Any] = []

        def on_event(event: Any) -> None:
            rest.pop(event.index, None)
            if hasattr(event, "reason"):
                lost.append(event)
            else:
                paths.append(event.path)
                picture = Picture({"denoised": event.picture}, path=event.path, settings=event.settings)
                self.saved.emit(event.path, picture)
            if rest:
                return
            self._writing.pop(job, None)
            if paths:
                self._say_saved(paths, pictures)
            if lost:
                self.not_saved.emit(lost)

        rest = dict(enumerate(pictures))
        job = self._context.run(save_shown(pictures), on_event)
        self._writing[job] = rest

    def _say_saved(self, paths: list[Path], pictures: tuple[Picture, ...]) -> None:
        one = len(paths) == 1
        what = "image" if one else tr("{count} images", count=len(paths))
        settings = pictures[0].settings
        step = f" at step {settings.until} of {settings.steps}" if settings is not None else ""
        self._context.done(
            tr(
                "The stopped {what} {value} saved{step}.",
                what=what,
                value="was" if one else "were",
                step=step,
            ),
            addition(self._context, f"saving the stopped {what}", paths),
        )

    def _on_discarded(self, pictures: tuple[Picture, ...]) -> None:
        what = "image" if len(pictures) == 1 else tr("{count} images", count=len(pictures))
        change = Change(f"discard of {what}", lambda: self._save(pictures))
        self._context.undo.push(change)

    def _on_dropped(self, run: Run, pictures: tuple[Picture, ...]) -> None:
        """Previews were left without a choice: Undo shows them again, or saves them where their run is gone."""

        def undo() -> None:
            if run in self._steering.runs.all and not self._steering.generation.running:
                self._steering.look_at_run(run)
            else:
                self._save(pictures)

        self._context.undo.push(Change(f"discard of {len(pictures)} previews", undo))
