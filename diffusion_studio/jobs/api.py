"""The work the window and the command line share: generators of events. Making one runs nothing.

Torch is imported when a job starts to run, in whichever thread iterates it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.errors import UserError
from diffusion_studio.events import (
    KEEP,
    Finished,
    NotSaved,
    Preview,
    Ready,
    Saved,
    SheetSaved,
    Started,
    Status,
    Warned,
)
from diffusion_studio.generation.trajectory import Start, Trajectory
from diffusion_studio.language import tr
from diffusion_studio.machine.torch_libraries import load_libraries
from diffusion_studio.models import cards
from diffusion_studio.pictures import start_pictures
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings import batch_rows
from diffusion_studio.settings.branches import in_batch, single
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED
from diffusion_studio.settings.saving import SavingSettings
from diffusion_studio.settings.training import TrainingSettings

if TYPE_CHECKING:
    from diffusion_studio.jobs.compare import Comparison

Event = Any  # one of the dataclasses of events.py


def generate(
    settings: GenerationSettings,
    *,
    folder: Path | None = None,
    sheet: bool = False,
    save: bool = True,
    trajectory: Trajectory | None = None,
    start: Start | None = None,
    saving: SavingSettings | None = None,
) -> Generator[Event, Any, None]:
    """Draw `settings.count` pictures, a Preview after every step, and save each as it finishes.

    A `trajectory` keeps the steps. `start` goes on from a step of another one, with all or some of its pictures; it only
    saves time, for the settings of a branch hold all that was walked before. Answering an event with `KEEP` ends the walk
    there and saves the predicted clean pictures. Closing the generator cancels within one step; nothing is saved then.
    `saving` says how pictures are written; without, the preferences do.
    """
    card = cards.find(settings.model)
    seed = secrets.randbelow(LARGEST_SEED + 1 - settings.count) if settings.seed is None else settings.seed
    settings = in_batch(replace(settings, model=card.name, seed=seed), _batch(settings, start))
    if settings.variation_strength > 0 and settings.variation_seed is None:
        settings = replace(settings, variation_seed=secrets.randbelow(LARGEST_SEED + 1))
    yield Status(text=tr("Loading {title}…", title=card.title))
    load_libraries()
    from diffusion_studio.generation.model import open_model  # here: torch takes seconds to import

    model = open_model(card, device=settings.device, precision=settings.precision)
    own_picture = start_pictures.named_by(settings, model.shape[1:])
    pictures = tuple(range(settings.count)) if start is None else start.pictures
    yield Started(
        settings=settings,
        model_title=card.title,
        device=model.device,
        precision=model.precision,
        total=settings.steps,
        pictures=pictures,
        first=0 if start is None else start.index,
    )
    begun, frame = time.perf_counter(), None
    for frame in model.frames(settings, trajectory=trajectory, start=start, **own_picture):
        answer = yield Preview(**frame._asdict(), seconds=time.perf_counter() - begun)
        if answer == KEEP:
            settings = replace(settings, until=frame.index)
            break
    seconds = time.perf_counter() - begun
    if frame is None:
        raise UserError(tr("The model drew nothing."))
    walked = frame.index - (0 if start is None else start.index)
    settings = replace(settings, until=frame.index if frame.index < frame.total else 0)
    if save:
        yield from _save(settings, pictures, model, frame.denoised, folder, sheet, saving)
    yield Finished(
        seconds=seconds,
        steps_per_second=walked / max(seconds, 1e-9),
        stopped_at=settings.until or None,
    )


def _batch(settings: GenerationSettings, start: Start | None) -> str:
    """What the network is to work on at once. One picture of a batch, drawn again by its seed, takes its place there."""
    if start is not None and start.pictures != tuple(range(settings.count)):
        return batch_rows.of_pictures(start.pictures)
    return settings.batch if settings.count == 1 and settings.seed is not None else ""


def _save(
    settings: GenerationSettings,
    places: Sequence[int],
    model: Any,
    pictures: Any,
    folder: Path | None,
    sheet: bool,
    saving: SavingSettings | None,
) -> Iterator[Event]:
    for index, (place, picture) in enumerate(zip(places, pictures, strict=True)):
        own = single(settings, place)
        facts: dict[str, Any] = {}
        try:
            facts = model.facts(settings, place)
            path = outputs.save(picture, own, facts=facts, folder=folder, saving=saving)
        except UserError as error:
            yield NotSaved(index=index, settings=own, picture=picture, reason=str(error), facts=facts)
        else:
            yield Saved(path=path, index=index, settings=own, picture=picture)
    if sheet:
        try:
            facts = model.facts(settings, 0)
            path = outputs.save_sheet(pictures, settings, facts=facts, folder=folder, saving=saving)
        except UserError as error:
            yield Warned(text=tr("The sheet was not saved: {error}", error=error))
        else:
            yield SheetSaved(path=path)


def walk(
    settings: GenerationSettings,
    seeds: Sequence[int],
    *,
    frames: int = 24,
    loop: bool = False,
    path: Path | None = None,
    film: FilmSettings | None = None,
    folder: Path | None = None,
) -> Generator[Event, Any, None]:
    """Draw the pictures on the way from seed to seed, `frames` from one to the next; a film at `path`, each in `folder`."""
    from diffusion_studio.jobs.walk import walk as go

    yield from go(settings, seeds, frames=frames, loop=loop, path=path, film=film, folder=folder)


def compare(
    comparison: Comparison, *, folder: Path | None = None, save: bool = True, cells: bool = False
) -> Generator[Event, Any, None]:
    """Draw one picture for each pair of values of a `Comparison(settings, x, y)`, and save them as one labelled sheet."""
    from diffusion_studio.jobs.compare import compare as draw

    yield from draw(comparison, folder=folder, save=save, cells=cells)


def film(trajectory: Trajectory, path: Path, settings: FilmSettings) -> Generator[Event, Any, None]:
    """Write the steps of a generation as APNG, WebP, GIF or MP4, by the ending of `path`; ends with `FilmSaved`."""
    from diffusion_studio.jobs.film import export

    yield from export(trajectory, path, settings)


def warm_up(settings: GenerationSettings) -> Iterator[Event]:
    """Make the next generation start at once: import torch, open the model these settings name, take one step. Saves nothing.

    `Ready` comes when the model is loaded; each `Status` is a chance to be cancelled.
    """
    card = cards.find(settings.model)
    yield Status(text=tr("Loading {title}…", title=card.title))
    load_libraries()
    import torch

    yield Status(text=tr("Loading {title}…", title=card.title))
    from diffusion_studio.generation.model import open_model

    model = open_model(card, device=settings.device, precision=settings.precision)
    yield Ready(device=model.device, precision=model.precision, threads=torch.get_num_threads())
    alone = GenerationSettings(steps=1, seed=0, device=settings.device, precision=settings.precision)
    for _ in model.frames(replace(alone, guidance=settings.guidance, count=settings.count)):
        yield Status(text=tr("{title} is loaded.", title=card.title))


def train(
    settings: TrainingSettings,
    *,
    resume: str | None = None,
    given: Collection[str] | None = None,
    changed_data: bool = False,
) -> Iterator[Event]:
    """Train a model on a folder of pictures, or go on with the run called `resume`; ends with `Published`.

    `given`: the settings that were asked for of a run that goes on, by name; None: those that differ from the defaults.
    A `folder` among them says where the pictures of that run are now; `changed_data` allows others than it learned from.
    Not asking for the next event pauses: everything stays loaded and the time does not count. Closing the generator finishes
    the step in hand and saves a checkpoint, from whatever made you close it: a click, Ctrl-C, SIGTERM.
    """
    from diffusion_studio.machine import malloc

    malloc.keep()  # before torch is loaded: its threads decide where they take memory from when they first do
    load_libraries()
    from diffusion_studio.training.run_training import train as sit

    yield from sit(settings, resume=resume, given=given, changed_data=changed_data)


def publish(run: str) -> Iterator[Event]:
    """Make a model of the newest checkpoint of a run, finished or not; ends with `Published`."""
    from diffusion_studio.training.publish import publish as write

    yield from write(run)


def estimate(settings: TrainingSettings) -> Iterator[Event]:
    """Measure a few real training steps; ends with `Estimated`: time, memory, parameters, batch."""
    from diffusion_studio.training.estimate import estimate as measure

    yield from measure(settings)


def check(folder: Path, *, size: int = 32) -> Iterator[Event]:
    """Look at every picture of a folder as if to train on it at `size`; ends with `Checked`. Needs no torch."""
    from diffusion_studio.training.folder_report import check as look

    yield from look(folder, size=size)
