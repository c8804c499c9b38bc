"""Morph between seeds: all noise is turned step by step from one seed's towards the next one's, with an image for each."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_studio.errors import UserError
from diffusion_studio.events import FilmEvent, MorphEvent, MorphImage, MorphStarted, Preview
from diffusion_studio.generation.text.prompts import blend_of
from diffusion_studio.jobs.film import check_target, of_pictures, save
from diffusion_studio.jobs.shared import finished, open_named, save_image
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.pictures import start_pictures
from diffusion_studio.settings import batch_rows
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED, to_dict

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.generation.model import ImageModel

BATCH = 8  # images at a time: nearly as fast for each as more, and something to see soon
MOST_FRAMES = 1000  # from one seed to the next
MOST_SEEDS = 500
MOST_BYTES = 512 << 20  # of all images together, which are held until the film is written


def morph(
    settings: GenerationSettings,
    seeds: Sequence[int],
    *,
    prompts: Sequence[str] = (),
    frames: int = 24,
    loop: bool = False,
    path: Path | None = None,
    film: FilmSettings | None = None,
    folder: Path | None = None,
) -> Generator[MorphEvent, None, None]:
    """`frames` images from each seed to the next, with `loop` back to the first; at a seed, its own image.

    `prompts`: one for each seed, between which the conditioning is blended too; without, the prompt of the settings for all.

    Previews come while a few are generated, `MorphImage` for each image, `Saved` if there is a `folder`, and at the end the
    film at `path`, if there is one, with `FilmSaved`.
    """
    check(seeds, frames)
    if path is not None:
        check_target(path)
    card = cards.find(settings.model)
    plans = plan(replace(settings, model=card.name), seeds, frames, loop, card.classes, prompts)
    size = (settings.width or card.size) * (settings.height or card.size) * 3
    if len(plans) * size > MOST_BYTES:
        most = MOST_BYTES // size
        raise UserError(
            tr(
                "A morph of {title} can have at most {most} images, not {count}.",
                title=card.title,
                most=most,
                count=len(plans),
            )
        )
    model = yield from open_named(plans[0], card.title)
    started = MorphStarted(
        settings=plans[0],
        seeds=tuple(seeds),
        total=len(plans),
        model_title=card.title,
        device=model.device,
        precision=model.precision,
        facts={
            "walk": {
                "seeds": list(seeds),
                "frames": frames,
                "loop": loop,
                **({"prompts": list(prompts)} if prompts else {}),
            },
            **model.facts(plans[0], 0),
        },
    )
    yield started
    pictures: list[np.ndarray] = []
    begun, steps, preview = time.perf_counter(), 0, None
    for event in generate_all(model, plans):
        yield event
        if isinstance(event, Preview):
            preview = event
            continue
        if preview is not None:  # the last of these images' steps
            steps, preview = steps + preview.index, None
        pictures.append(event.picture)
        if folder is not None:
            facts = model.facts(event.settings, 0)
            yield save_image(event.index, event.picture, event.settings, facts, folder=folder)
    seconds = time.perf_counter() - begun
    if path is not None:
        yield from save_film(pictures, started, path, film or FilmSettings())
    yield finished(seconds, steps)


def save_film(
    images: Sequence[np.ndarray], started: MorphStarted, path: Path, film: FilmSettings
) -> Generator[FilmEvent, None, None]:
    """Save the images of a morph, (H, W, 3) uint8 each, as a film; ends with `FilmSaved`.

    Fewer images than were planned are saved as they are. Raises `UserError` for a place that cannot be written.
    """
    check_target(path)
    facts = {**started.facts, "film": to_dict(film)}
    yield from save(of_pictures(images, film), path, started.settings, facts)


def check(seeds: Sequence[int], frames: int) -> None:
    if not 2 <= len(seeds) <= MOST_SEEDS:
        raise UserError(
            tr(
                "A morph takes 2 to {most_seeds} seeds, not {count}.",
                most_seeds=MOST_SEEDS,
                count=len(seeds),
            )
        )
    wrong = next((seed for seed in seeds if type(seed) is not int or not 0 <= seed <= LARGEST_SEED), None)
    if wrong is not None:
        raise UserError(
            tr(
                "A seed must be a whole number from 0 to {largest_seed}, not {wrong}.",
                largest_seed=LARGEST_SEED,
                wrong=str(wrong)[:40],
            )
        )
    if not 1 <= frames <= MOST_FRAMES:
        raise UserError(
            tr(
                "There can be 1 to {most_frames} images from one seed to the next, not {frames}.",
                most_frames=MOST_FRAMES,
                frames=frames,
            )
        )


def plan(
    settings: GenerationSettings,
    seeds: Sequence[int],
    frames: int,
    loop: bool,
    classes: Sequence[str] = (),
    prompts: Sequence[str] = (),
) -> list[GenerationSettings]:
    """The settings of every image of the morph; each makes its image again alone.

    Without a class in the settings a seed chooses one; in between, the nearer seed does. `prompts`: as `morph` takes them.
    """
    if prompts and len(prompts) != len(seeds):
        raise UserError(
            tr(
                "A morph of prompts takes one for each of its {seeds} seeds, not {prompts}.",
                seeds=len(seeds),
                prompts=len(prompts),
            )
        )
    if settings.history:
        raise UserError(tr("A morph goes from one first noise to another, so a branch cannot be morphed."))

    said = list(prompts) or [settings.prompt] * len(seeds)

    def picture(place: int, strength: float) -> GenerationSettings:
        seed, last = seeds[place], place == len(seeds) - 1 and not loop
        following = (place + 1) % len(seeds)
        towards = None if last else seeds[following]
        nearer = seed if towards is None or strength < 0.5 else towards
        return replace(
            settings,
            seed=seed,
            prompt=blend_of(said[place], said[following], strength),
            variation_seed=towards if strength else None,
            variation_strength=strength,
            blend="",
            class_label=settings.class_label or (classes[nearer % len(classes)] if classes else ""),
            count=1,
            batch="",
        )

    starts = range(len(seeds) if loop else len(seeds) - 1)
    way = [picture(place, k / frames) for place in starts for k in range(frames)]
    return way if loop else [*way, picture(len(seeds) - 1, 0.0)]


def generate_all(model: ImageModel, plans: Sequence[GenerationSettings]) -> Iterator[Preview | MorphImage]:
    """Previews, and a `MorphImage` for each of these settings, which differ in their noise, class and prompt only."""
    from diffusion_studio.generation.sampling import draw_of

    begun, done = time.perf_counter(), 0
    for _, alike in groupby(plans, key=lambda own: (own.class_label, own.prompt)):
        together = list(alike)
        for start in range(0, len(together), BATCH):
            batch = together[start : start + BATCH]
            shared = replace(batch[0], count=len(batch))
            own_picture = start_pictures.named_by(shared, model.sides(shared))
            draws = [draw_of(own, 0) for own in batch]
            for preview in model.previews(shared, draws=draws, **own_picture):
                yield replace(preview, seconds=time.perf_counter() - begun)
            for place, (own, picture) in enumerate(zip(batch, preview.result, strict=True)):
                own = replace(
                    own, batch=batch_rows.alone(shared.batch, shared.count, place)
                )  # to make the same bits alone
                yield MorphImage(index=done, total=len(plans), settings=own, picture=picture.copy())
                done += 1
