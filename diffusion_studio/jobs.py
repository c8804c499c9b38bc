"""The work the window and the command line share: generators of events. Making one runs nothing.

Torch is imported when a job starts to run, in whichever thread iterates it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import cards, outputs
from .errors import UserError
from .events import Finished, NotSaved, Preview, Ready, Saved, SheetSaved, Started, Status, Warned
from .settings import LARGEST_SEED, GenerationSettings, TrainingSettings

Event = Any  # one of the dataclasses of events.py


def generate(
    settings: GenerationSettings, *, folder: Path | None = None, sheet: bool = False, save: bool = True
) -> Iterator[Event]:
    """Draw `settings.count` pictures, a Preview after every step, and save each as it finishes.

    Closing the generator cancels within one step; nothing is saved then.
    """
    card = cards.find(settings.model)
    seed = secrets.randbelow(LARGEST_SEED + 1 - settings.count) if settings.seed is None else settings.seed
    settings = replace(settings, model=card.name, seed=seed)
    yield Status(text=f"Loading {card.title}…")
    from .models import open_model  # here: torch takes seconds to import

    model = open_model(card, device=settings.device, precision=settings.precision)
    yield Started(
        settings=settings,
        model_title=card.title,
        device=model.device,
        precision=model.precision,
        total=settings.steps,
    )
    begun, frame = time.perf_counter(), None
    for frame in model.frames(settings):
        yield Preview(**frame._asdict(), seconds=time.perf_counter() - begun)
    seconds = time.perf_counter() - begun
    if frame is None:
        raise UserError("The model drew nothing.")
    if save:
        yield from _save(settings, model, frame.denoised, folder, sheet)
    yield Finished(seconds=seconds, steps_per_second=settings.steps / max(seconds, 1e-9))


def _save(
    settings: GenerationSettings, model: Any, pictures: Any, folder: Path | None, sheet: bool
) -> Iterator[Event]:
    for index, picture in enumerate(pictures):
        own = replace(settings, seed=((settings.seed or 0) + index) % (LARGEST_SEED + 1), count=1)
        try:
            path = outputs.save(picture, own, facts=model.facts(settings, index), folder=folder)
        except UserError as error:
            yield NotSaved(index=index, settings=own, picture=picture, reason=str(error))
        else:
            yield Saved(path=path, index=index, settings=own, picture=picture)
    if sheet:
        try:
            path = outputs.save_sheet(pictures, settings, facts=model.facts(settings, 0), folder=folder)
        except UserError as error:
            yield Warned(text=f"The sheet was not saved: {error}")
        else:
            yield SheetSaved(path=path)


def warm_up(settings: GenerationSettings) -> Iterator[Event]:
    """Make the next generation start at once: import torch, open the model these settings name, take one step. Saves nothing.

    `Ready` comes when the model is loaded; each `Status` is a chance to be cancelled.
    """
    card = cards.find(settings.model)
    yield Status(text=f"Loading {card.title}…")
    import torch

    yield Status(text=f"Loading {card.title}…")
    from .models import open_model

    model = open_model(card, device=settings.device, precision=settings.precision)
    yield Ready(device=model.device, precision=model.precision, threads=torch.get_num_threads())
    for _ in model.frames(replace(settings, steps=1, count=1, seed=0)):
        yield Status(text=f"{card.title} is loaded.")


def train(settings: TrainingSettings, *, resume: str | None = None) -> Iterator[Event]:
    """Train a model on a folder of pictures, or go on with the run called `resume`; ends with `Published`.

    Not asking for the next event pauses: everything stays loaded and the time does not count. Closing the generator finishes
    the step in hand and saves a checkpoint, from whatever made you close it: a click, Ctrl-C, SIGTERM.
    """
    from .training.session import train as sit

    yield from sit(settings, resume=resume)


def publish(run: str) -> Iterator[Event]:
    """Make a model of the newest checkpoint of a run, finished or not; ends with `Published`."""
    from .training.publish import publish as write

    yield from write(run)


def estimate(settings: TrainingSettings) -> Iterator[Event]:
    """Measure a few real training steps; ends with `Estimated`: time, memory, parameters, batch."""
    from .training.estimate import estimate as measure

    yield from measure(settings)


def check(folder: Path, *, size: int = 32) -> Iterator[Event]:
    """Look at every picture of a folder as if to train on it at `size`; ends with `Checked`. Needs no torch."""
    from .training.check import check as look

    yield from look(folder, size=size)
