"""Images that were stopped and not decided: saved before anything takes their place, and discarded only with Undo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from diffusion_studio.language import plural
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.trashing import addition
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.generations import GenerationRun
from diffusion_studio.ui.generate.next_run import NextRun
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.saved import save_shown


class Pending(QObject):
    saved = Signal(object, object)  # Path, Picture
    not_saved = Signal(object)  # list of events.NotSaved

    def __init__(self, context: AppContext, steering: Steering, next_run: NextRun) -> None:
        super().__init__(steering)
        self._context, self._steering, self._next_run = context, steering, next_run
        self._writing: dict[
            int, dict[int, Picture]
        ] = {}  # by job: the images it has not written yet, by place
        steering.put_aside.connect(self._save)
        steering.discarded.connect(self._on_discarded)
        next_run.dropped.connect(self._on_dropped)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Images that are saved nowhere: of a run that is held or on its way, or previews to select from."""
        return self._steering.unsaved or self._next_run.previews

    def save_now(self) -> list[Any]:
        """Save them before the window closes; returns what could not be saved, which stays pending."""
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
            self._next_run.ticks.end()
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
        settings = pictures[0].settings
        sentence = plural(
            "{count} stopped image was saved.", "{count} stopped images were saved.", len(paths)
        )
        if settings is not None:
            sentence = plural(
                "{count} stopped image was saved at step {until} of {steps}.",
                "{count} stopped images were saved at step {until} of {steps}.",
                len(paths),
                until=settings.until,
                steps=settings.steps,
            )
        name = plural("saving of {count} stopped image", "saving of {count} stopped images", len(paths))
        self._context.done(sentence, addition(self._context, name, paths))

    def _on_discarded(self, pictures: tuple[Picture, ...]) -> None:
        name = plural("discard of {count} image", "discard of {count} images", len(pictures))
        change = Change(name, lambda: self._save(pictures))
        self._context.undo.push(change)

    def _on_dropped(self, run: GenerationRun, pictures: tuple[Picture, ...]) -> None:
        """Previews were left without a choice: Undo shows them again, or saves them where their run is gone."""

        def undo() -> None:
            if run in self._steering.runs.all and not self._steering.generation.running:
                self._steering.look_at_run(run)
            else:
                self._save(pictures)

        self._context.undo.push(
            Change(plural("discard of {count} preview", "discard of {count} previews", len(pictures)), undo)
        )
