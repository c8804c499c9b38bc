"""Films: the steps of a generation, or the images of a morph, shown one after the other at their own timing."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from diffusion_studio.errors import UserError
from diffusion_studio.events import FilmEvent, FilmProgress, FilmSaved
from diffusion_studio.language import plural, tr
from diffusion_studio.models.made_by import known_facts
from diffusion_studio.pictures import film_formats
from diffusion_studio.pictures.grid import sheet
from diffusion_studio.pictures.metadata import block, parameters_line
from diffusion_studio.settings.branches import single
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import to_dict
from diffusion_studio.storage.atomic import open_atomic
from diffusion_studio.storage.paths import check_path

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.generation.trajectory import Trajectory

USUAL_SIDE = 640  # pixels, where no scale is asked for
SAMPLES = 6  # frames that are encoded to guess how large a film becomes
VIEWS = {"denoised": ("denoised",), "noisy": ("noisy",), "both": ("denoised", "noisy")}


@dataclass(frozen=True)
class Film:
    """`draw(k)` is image k, (H, W, 3) uint8 or 4 with alpha, made when it is asked for; it stays `ticks[k]` moments."""

    ticks: Sequence[int]
    rate: int  # moments a second
    size: tuple[int, int]  # width, height
    draw: Callable[[int], np.ndarray]
    alpha: bool = False  # whether its images are of 4 channels

    @property
    def seconds(self) -> float:
        return sum(self.ticks) / self.rate


def of_trajectory(trajectory: Trajectory, settings: FilmSettings, *, detailed: bool = False) -> Film:
    """The steps that are kept of a generation, one image of the batch or all as a sheet.

    `detailed`: shown as well as they can be, which of a model of latents may take a second each.
    """
    count = len(trajectory.pictures)
    if not trajectory.kept():
        raise UserError(tr("There is no step to film yet."))
    check_picture(settings, count)
    shots = pace(trajectory, settings)
    place = settings.picture - 1 if settings.picture else None if count > 1 else 0

    def small(index: int) -> np.ndarray:
        seen = [trajectory.view(index, view, detailed=detailed) for view in VIEWS[settings.view]]
        pictures = [sheet(view) if place is None else view[place] for view in seen]
        return pictures[0] if len(pictures) == 1 else sheet(pictures, columns=2)

    return _scaled([ticks for _, ticks in shots], lambda k: small(shots[k][0]), settings)


def of_pictures(pictures: Sequence[np.ndarray], settings: FilmSettings) -> Film:
    """Each image for one moment; the last one is held."""
    ticks = [1] * len(pictures)
    ticks[-1] += round(settings.hold * settings.frame_rate)
    return _scaled(ticks, lambda k: pictures[k], settings)


def _scaled(ticks: list[int], small: Callable[[int], np.ndarray], settings: FilmSettings) -> Film:
    from diffusion_studio.pictures.channels import shown, with_channels

    height, width, channels = shown(small(len(ticks) - 1)).shape
    scale = settings.scale or max(USUAL_SIDE // max(width, height), 1)

    def draw(k: int) -> np.ndarray:
        frame = with_channels(shown(small(k)), channels)
        return frame.repeat(scale, axis=0).repeat(scale, axis=1)

    return Film(ticks, settings.frame_rate, (width * scale, height * scale), draw, channels == 4)


def pace(trajectory: Trajectory, settings: FilmSettings) -> list[tuple[int, int]]:
    """(step, moments it is shown) from the first step to the last, the hold included."""
    kept = trajectory.kept()
    moments = max(round(settings.seconds * settings.frame_rate), 1)
    if settings.easing == "change":
        places = _even_in_change(trajectory, settings, kept, moments)
    else:
        places = [int(_eased(settings.easing, k / moments) * len(kept)) for k in range(moments)]
    places = [0, *places[1:-1], len(kept) - 1] if moments > 1 else [len(kept) - 1]
    shots = [(kept[place], len(list(same))) for place, same in groupby(places)]
    step, ticks = shots[-1]
    return [*shots[:-1], (step, ticks + round(settings.hold * settings.frame_rate))]


def _eased(easing: str, time: float) -> float:
    """How much of the way is done at a share of the time, both from 0 to 1."""
    if easing == "slow_start":
        return time**2
    if easing == "slow_end":
        return 1 - (1 - time) ** 2
    return time


def _even_in_change(
    trajectory: Trajectory, settings: FilmSettings, kept: Sequence[int], moments: int
) -> list[int]:
    """Places in `kept` by how much the predicted image has changed until then."""
    import numpy as np

    facts = trajectory.facts()
    own = slice(None) if not settings.picture else slice(settings.picture - 1, settings.picture)
    steps = [0.0 if fact.change is None else float(np.mean(fact.change[own])) for fact in facts]
    if sum(steps) == 0:
        steps = [1.0] * len(steps)
    until = np.cumsum(steps)[[index - facts[0].index for index in kept]]
    wanted = until[0] + (np.arange(moments) + 0.5) / moments * (until[-1] - until[0])
    return [int(place) for place in np.abs(until[None, :] - wanted[:, None]).argmin(axis=1)]


# Writing --------------------------------------------------------------------------------------------------------------


def check_target(path: Path) -> None:
    """Raises `UserError` before the work where a film cannot be written."""
    check_path(path)
    if path.is_dir():
        raise UserError(tr("{path} is a folder; a film needs a file name.", path=path))
    film_formats.writer_for(path.suffix)
    folder = path.absolute().parent
    if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise UserError(tr("Nothing can be saved in {folder}. Choose another folder.", folder=folder))


def check_picture(settings: FilmSettings, count: int) -> None:
    """Raises `UserError` before the work where a batch of `count` has no such image."""
    if settings.picture > count:
        raise UserError(
            plural(
                "Image {picture} cannot be filmed; there is {count} image.",
                "Image {picture} cannot be filmed; the batch has {count} images.",
                count,
                picture=settings.picture,
            )
        )


def film(trajectory: Trajectory, path: Path, settings: FilmSettings) -> Generator[FilmEvent, None, None]:
    """Film the steps of a generation as APNG, WebP, GIF or MP4, by the ending of `path`; ends with `FilmSaved`.

    The metadata says what made the images and how they were filmed.
    """
    check_target(path)
    frames = of_trajectory(trajectory, settings, detailed=True)
    made = trajectory.settings
    place = settings.picture - 1 if settings.picture else 0 if len(trajectory.pictures) == 1 else None
    if place is not None:
        made = single(made, trajectory.pictures[place])
    yield from save(frames, path, made, {"sheet": place is None, "film": to_dict(settings)})


def save(
    film: Film, path: Path, settings: GenerationSettings, facts: Mapping[str, Any]
) -> Iterator[FilmEvent]:
    """Write a film and report progress; ends with `FilmSaved`."""
    for done, total in write(film, path, settings, {**facts, **known_facts(settings, film.size)}):
        yield FilmProgress(done=done, total=total)
    yield FilmSaved(path=path, frames=len(film.ticks), seconds=film.seconds)


def write(
    film: Film, path: Path, settings: GenerationSettings, facts: Mapping[str, Any]
) -> Iterator[tuple[int, int]]:
    """Write the film as the ending of `path` says, which is replaced if it exists; yields (frames done, of how many).

    Closing the iterator before its end leaves what was there before. Only one frame is in memory at a time.
    """
    kind = film_formats.writer_for(path.suffix)
    if max(film.size) > kind.longest_side:
        width, height = film.size
        raise UserError(
            tr(
                "A film with the ending {suffix} is at most {longest_side} pixels wide and high, and this one would "
                "be {width}×{height}; choose a smaller scale.",
                suffix=path.suffix,
                longest_side=kind.longest_side,
                width=width,
                height=height,
            )
        )
    with open_atomic(path) as file:
        yield from _encode(kind, file, film, parameters_line(settings, facts), block(settings, facts))


def _encode(
    kind: type[film_formats.FilmWriter], file: BinaryIO, film: Film, line: str, own: str
) -> Iterator[tuple[int, int]]:
    writer = kind(file, film.size, film.ticks, film.rate, line, own, alpha=film.alpha)
    if isinstance(writer, film_formats.Apng):
        writer.show_still(film.draw(len(film.ticks) - 1))
    for place, ticks in enumerate(film.ticks):
        writer.add(film.draw(place), ticks)
        yield place + 1, len(film.ticks)
    writer.finish()


def guess_bytes(film: Film, ending: str) -> int:
    """About how large the file becomes, from a few of its frames."""
    kind = film_formats.writer_for(ending)
    count = len(film.ticks)
    places = sorted({round(k * (count - 1) / max(SAMPLES - 1, 1)) for k in range(SAMPLES)})
    some = Film([1] * len(places), film.rate, film.size, lambda k: film.draw(places[k]), film.alpha)
    file = io.BytesIO()
    writer = kind(file, film.size, some.ticks, film.rate, "", "", alpha=film.alpha)
    for place in range(len(places)):
        writer.add(some.draw(place), 1)
    writer.finish()
    return round(len(file.getvalue()) * count / len(places))
