"""Generate images with a model, step by step, and save each."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_studio.errors import UserError
from diffusion_studio.events import (
    KEEP,
    Answer,
    GenerationEvent,
    NotSaved,
    Saved,
    SheetSaved,
    Started,
    Warned,
)
from diffusion_studio.generation.trajectory import Start, Trajectory
from diffusion_studio.jobs.shared import finished, open_named, save_image
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.pictures import start_pictures, writing
from diffusion_studio.pictures.listing import KINDS
from diffusion_studio.settings import batch_rows
from diffusion_studio.settings.branches import in_batch, single
from diffusion_studio.settings.generation import GenerationSettings, with_seeds
from diffusion_studio.settings.options import with_values
from diffusion_studio.settings.saving import SavingSettings

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.generation.model import ImageModel
    from diffusion_studio.models.card import ModelCard


def generate(
    settings: GenerationSettings,
    *,
    folder: Path | None = None,
    sheet: bool = False,
    save: bool = True,
    trajectory: Trajectory | None = None,
    start: Start | None = None,
    saving: SavingSettings | None = None,
) -> Generator[GenerationEvent, Answer | None, None]:
    """Generate `settings.count` images with a `Preview` after every step, and save each as it finishes.

    A `trajectory` keeps the steps. `start` resumes from a step of another generation, with all or some of its images; it
    only saves time, because the settings of a branch hold everything that led to it. Answering a preview with `KEEP` stops
    there and saves the predicted clean images. Closing the generator cancels within one step, and nothing is saved.
    `saving` says how images are written; without it the preferences do.
    """
    card = cards.find(settings.model)
    batch = _batch(settings, start)
    settings = as_carried_out(settings, card, batch)
    model = yield from open_named(settings, card.title)
    own_picture = start_pictures.named_by(settings, model.sides(settings))
    pictures = tuple(range(settings.count)) if start is None else start.pictures
    first = 0 if start is None else start.index
    yield Started(
        settings=settings,
        model_title=card.title,
        device=model.device,
        precision=model.precision,
        total=settings.steps,
        pictures=pictures,
        first=first,
    )
    begun, preview = time.perf_counter(), None
    for preview in model.previews(settings, trajectory=trajectory, start=start, **own_picture):
        answer = yield preview
        if answer == KEEP:
            settings = replace(settings, until=preview.index)
            break
    seconds = time.perf_counter() - begun
    if preview is None:
        raise UserError(tr("The model generated nothing."))
    settings = replace(settings, until=preview.index if preview.index < preview.total else 0)
    if save:
        yield from _save(settings, pictures, model, preview.result, folder, sheet, saving)
    yield finished(seconds, preview.index - first, settings.until)


def as_carried_out(
    settings: GenerationSettings, card: ModelCard, batch: str | None = None
) -> GenerationSettings:
    """These settings with the model named and every seed chosen: they alone generate the same again."""
    batch = _batch(settings, None) if batch is None else batch
    return in_batch(with_seeds(with_values(settings, model=card.name)), batch)


def _batch(settings: GenerationSettings, start: Start | None) -> str:
    """What the network works on at once. One image of a batch, generated again by its seed, takes its place there."""
    if start is not None and start.pictures != tuple(range(settings.count)):
        return batch_rows.of_pictures(start.pictures)
    return settings.batch if settings.count == 1 and settings.seed is not None else ""


def _save(
    settings: GenerationSettings,
    places: Sequence[int],
    model: ImageModel,
    pictures: np.ndarray,
    folder: Path | None,
    sheet: bool,
    saving: SavingSettings | None,
) -> Iterator[Saved | NotSaved | SheetSaved | Warned]:
    lost = writing.loses(pictures[0], KINDS[(saving or writing.kept_saving()).ending])
    if lost:
        yield Warned(text=lost)
    for index, (place, picture) in enumerate(zip(places, pictures, strict=True)):
        own, facts = single(settings, place), model.facts(settings, place)
        yield save_image(index, picture, own, facts, folder=folder, saving=saving)
    if sheet:
        try:
            facts = model.facts(settings, 0)
            path = writing.save_sheet(pictures, settings, facts=facts, folder=folder, saving=saving)
        except UserError as error:
            yield Warned(text=tr("The sheet was not saved: {error}", error=error))
        else:
            yield SheetSaved(path=path)
