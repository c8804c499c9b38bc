"""Whether a generated image was memorised: its nearest training image, and how near training images are to one another.

Distances are root mean squares over small copies of at most 32×32 pixels, 0 (the same) to 1 (black against white). A small
distance alone says nothing, since even surfaces and blurred pictures are near to many; so it is held against the distance
from a training picture to the nearest other one. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status
from diffusion_studio.language import tr
from diffusion_studio.pictures.channels import on_white
from diffusion_studio.pictures.decoding import open_picture
from diffusion_studio.pictures.fitting import fit
from diffusion_studio.pictures.folder_listing import find_pictures, picture_folder, printable
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training_events import Checking

SIDE = 32  # of the small copies, at most
AT_ONCE = 256  # training pictures in one product: what stays in the cache
TRIED = 200  # training pictures whose own neighbours are looked for
COPY = 0.5 / 255  # nearer ones are the same picture, saved twice
REPORT_EVERY = 64  # pictures
Result = TypeVar("Result")


class NearestImages(NamedTuple):
    """Of each asked picture: the row of its nearest, the distance, and whether that one is nearest when mirrored."""

    rows: np.ndarray  # (Q,) int64; -1: there is none
    distances: np.ndarray  # (Q,) float64; inf: there is none
    mirrored: np.ndarray  # (Q,) bool


def nearest(
    asked: np.ndarray,
    pictures: np.ndarray,
    *,
    mirror: bool = False,
    own: np.ndarray | None = None,
) -> Generator[None, None, NearestImages]:
    """The nearest of `pictures` (N, H, W, 3) uint8 to each of `asked` (Q, H, W, 3); yields now and then, to be cancelled.

    `mirror`: the mirrored ones count as well. `own`: the rows that `asked` are themselves; these and their copies are left out.
    """
    queries = [_flat(asked)] + ([_flat(asked[:, :, ::-1])] if mirror else [])
    count = len(asked)
    best, rows = np.full((len(queries), count), np.inf), np.full((len(queries), count), -1)
    for start in range(0, len(pictures), AT_ONCE):
        part = _flat(pictures[start : start + AT_ONCE])
        squares = np.einsum("nd,nd->n", part, part)
        for side, query in enumerate(queries):
            table = query @ part.T
            table *= -2
            table += squares
            table += np.einsum("qd,qd->q", query, query)[:, None]
            if own is not None:
                table[table <= part.shape[1] * (255 * COPY) ** 2] = np.inf
                inside = (own >= start) & (own < start + len(part))
                table[np.flatnonzero(inside), own[inside] - start] = np.inf
            row = table.argmin(axis=1)
            value = table[np.arange(count), row]
            better = value < best[side]
            best[side, better], rows[side, better] = value[better], row[better] + start
        yield
    side = best.argmin(axis=0)
    found = rows[side, np.arange(count)]
    return NearestImages(found, _exactly(asked, pictures, found, side == 1), side == 1)


def _flat(pictures: np.ndarray) -> np.ndarray:
    """Rows about grey, so that squares stay small and their differences exact."""
    return pictures.reshape(len(pictures), -1).astype(np.float32) - 127.5


def _exactly(asked: np.ndarray, pictures: np.ndarray, rows: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """The distances of the pairs found, without what the large products lose."""
    distances = np.full(len(asked), np.inf)
    for index, row in enumerate(rows):
        if row >= 0:
            turned = asked[index][:, ::-1] if mirrored[index] else asked[index]
            difference = turned.astype(np.float64) - pictures[row]
            distances[index] = np.sqrt(np.square(difference).mean()) / 255
    return distances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likeness:
    """One picture against the training pictures."""

    asked: np.ndarray  # (S, S, 3) uint8, as the network would see it
    path: Path  # of the nearest one
    # (S, S, 3) uint8: the nearest one as the network sees it, mirrored where that is nearest
    pixels: np.ndarray
    mirrored: bool
    distance: float
    usual: np.ndarray  # sorted distances of training pictures to their nearest others

    @property
    def median(self) -> float | None:
        """Half of the training pictures have a neighbour nearer than this; None: there are none to compare."""
        return float(np.median(self.usual)) if len(self.usual) else None

    @property
    def nearer(self) -> float | None:
        """The share of training pictures that have a neighbour nearer than this distance."""
        return (
            float(np.searchsorted(self.usual, self.distance) / len(self.usual)) if len(self.usual) else None
        )

    @property
    def measure(self) -> str:
        """“0.113; half of the training images have a neighbour nearer than 0.121”."""
        if self.median is None:
            return tr(
                "{distance:.3f}; there are no two training images to compare that with",
                distance=self.distance,
            )
        return tr(
            "{distance:.3f}; half of the training images have a neighbour nearer than {median:.3f}",
            distance=self.distance,
            median=self.median,
        )

    @property
    def verdict(self) -> str:
        """What that means for whether it was memorised. A distance can only hint, and the words say no more."""
        if self.distance <= COPY:
            return tr("It is that image, pixel for pixel.")
        if self.median is None or self.nearer is None:
            return tr("With one image to learn from, all that can be learned is that image.")
        if self.distance < self.median / 2 and self.nearer <= 0.02:
            return tr("Much nearer than training images are to one another: it looks memorised.")
        if self.nearer <= 0.1:
            return tr(
                "Nearer than most training images are to one another: look closely, parts may be memorised."
            )
        if self.nearer <= 0.9:
            return tr("About as near as training images are to one another: nothing here points to a copy.")
        return tr(
            "Farther than most training images are from one another: no copy, and perhaps not like them yet."
        )


@dataclass(slots=True, eq=False)
class Gallery:
    """Small copies of the training pictures, with the distances to their nearest others once they were asked for."""

    folder: Path
    size: int
    pad: bool = False
    mirror: bool = False
    pictures: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1, 3), np.uint8))
    paths: Sequence[Path] = ()
    usual: np.ndarray | None = None

    @staticmethod
    def of(settings: TrainingSettings) -> Gallery:
        """What a training with these settings learns from; nothing is read yet."""
        folder = Path(settings.folder)
        return Gallery(folder, settings.size, pad=settings.fit == "pad", mirror=settings.flip)

    def ask(self, picture: np.ndarray | Path) -> Iterator[Checking | Status | Likeness]:
        """A job: reads the folder where that was not done yet, and ends with the `Likeness` of a drawn picture or a file."""
        if not self.paths:
            yield from self.read()
        yield from self.compare(self.seen(picture) if isinstance(picture, Path) else picture, picture)

    def seen(self, path: Path) -> np.ndarray:
        """A file as the network sees it."""
        try:
            return as_seen(path, self.size, pad=self.pad)
        except Refused as reason:
            raise UserError(f"{printable(path)}: {reason}.") from None

    def read(self) -> Iterator[Checking]:
        """Look at every picture as the network sees it. Raises `UserError` where there is none."""
        found = [path for path, _ in find_pictures(picture_folder(self.folder))]
        side = min(self.size, SIDE)
        small = np.empty((len(found), side, side, 3), np.uint8)
        paths: list[Path] = []
        for done, path in enumerate(found):
            if done % REPORT_EVERY == 0:
                yield Checking(done=done, total=len(found))
            try:
                small[len(paths)] = shrink(as_seen(path, self.size, pad=self.pad))
            except Refused:
                continue
            paths.append(path)
        if not paths:
            raise UserError(
                tr("There is no image that can be used in {folder}.", folder=printable(self.folder))
            )
        self.pictures, self.paths = small[: len(paths)], paths

    def compare(self, picture: np.ndarray, itself: object = None) -> Iterator[Status | Likeness]:
        """Ends with the `Likeness` of a picture (S, S, C) uint8, on white where it is transparent.

        `itself`: its file, which may be one of them.
        """
        picture = on_white(picture)
        if self.usual is None:
            yield Status(text=tr("Comparing the training images with one another…"))
            self.usual = yield from _waiting(self._measure())
        rows = [
            row for row, path in enumerate(self.paths) if isinstance(itself, Path) and _same(path, itself)
        ]
        kept = np.delete(np.arange(len(self.paths)), rows)
        if not len(kept):
            raise UserError(tr("There is no other image to compare it with."))
        others = self.pictures[kept] if rows else self.pictures
        found = yield from _waiting(nearest(shrink(picture)[None], others, mirror=self.mirror))
        path, mirrored = self.paths[int(kept[found.rows[0]])], bool(found.mirrored[0])
        pixels = self.seen(path)
        yield Likeness(
            asked=picture,
            path=path,
            pixels=pixels[:, ::-1] if mirrored else pixels,
            mirrored=mirrored,
            distance=float(found.distances[0]),
            usual=self.usual,
        )

    def _measure(self) -> Generator[None, None, np.ndarray]:
        draw = np.random.default_rng(0)
        count = len(self.pictures)
        rows = np.sort(draw.choice(count, min(count, TRIED), replace=False))
        found = yield from nearest(self.pictures[rows], self.pictures, mirror=self.mirror, own=rows)
        return np.sort(found.distances[np.isfinite(found.distances)])


def _waiting(steps: Generator[None, None, Result]) -> Generator[Status, None, Result]:
    """Gives the caller of a long product a chance to stop."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield Status(text=tr("Comparing with the training images…"))


def _same(path: Path, other: Path) -> bool:
    try:
        return path.name == other.name and path.samefile(other)
    except OSError:
        return False


def as_seen(path: Path, size: int, *, pad: bool = False) -> np.ndarray:
    """A file as the network sees it, (size, size, 3) uint8. Raises `Refused`."""
    return fit(open_picture(path, least=size).image, size, pad=pad).transpose(1, 2, 0)


def shrink(picture: np.ndarray) -> np.ndarray:
    """A small copy, each pixel the mean of those it replaces; an image that is small enough as it is."""
    if max(picture.shape[:2]) <= SIDE:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))
