"""A place between the noises of four seeds: the request's own seed in one corner of a square, three others in the rest.

Written as `SEED,SEED,SEED,X,Y`: the seeds of the corners top right, bottom left and bottom right, and how far the place is to
the right and down, from 0 to 1. At a corner it is that seed's own image.
"""

from __future__ import annotations

from typing import NamedTuple

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.options import LARGEST_SEED

FORM = "SEED,SEED,SEED,X,Y"
DIGITS = 4  # of a place: finer than any screen


class Blend(NamedTuple):
    """`others`: seeds of the corners top right, bottom left and bottom right; `across`, `down`: in [0, 1]."""

    others: tuple[int, int, int]
    across: float
    down: float

    def __str__(self) -> str:
        places = (f"{round(place, DIGITS):g}" for place in (self.across, self.down))
        return ",".join([*map(str, self.others), *places])

    def seeds(self, first: int) -> tuple[int, int, int, int]:
        """Of the four corners, row by row, where `first` is the request's own seed."""
        return (first, *self.others)

    def nearest(self, first: int) -> int:
        """The seed of the nearest corner."""
        return self.seeds(first)[2 * (self.down > 0.5) + (self.across > 0.5)]

    def shifted(self, index: int) -> Blend:
        """That of image `index` of a batch: every corner counts up, as the seed does."""
        first, second, third = ((seed + index) % (LARGEST_SEED + 1) for seed in self.others)
        return self._replace(others=(first, second, third))


def read_blend(text: str) -> Blend | None:
    """What a setting says; None for "". Raises `UserError` for what is none."""
    if not text.strip():
        return None
    parts = [part.strip() for part in text.split(",")]
    fault = UserError(
        tr(
            "Blend must be three seeds and two numbers from 0 to 1, as in 8,9,10,0.3,0.6, not “{value}”.",
            value=text[:60],
        )
    )
    seeds, places = parts[:3], parts[3:]
    if len(parts) != 5 or not all(seed.isascii() and seed.isdecimal() and len(seed) <= 10 for seed in seeds):
        raise fault
    try:
        across, down = (round(float(place), DIGITS) for place in places)
    except (ValueError, OverflowError):  # a number that is none, or infinite
        raise fault from None
    first, second, third = map(int, seeds)
    if max(first, second, third) > LARGEST_SEED or not (0 <= across <= 1 and 0 <= down <= 1):
        raise fault
    return Blend((first, second, third), across + 0.0, down + 0.0)
