"""The batch an image was generated in: which row of the network's work was whose.

A processor adds in another order when it works on another number of images, and differently in the last rows of a batch than in
the first. So the bits of an image depend on the size of its batch and on its place there, though not on the other images.
Settings keep both as text: the images row by row, as their places in the batch the settings describe, with “-” for one that
is not among them. Empty: `count` rows in order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

LARGEST = 64  # rows
OTHER = "-"
ROWS = re.compile(rf"((-|\d{{1,2}})(,(-|\d{{1,2}})){{0,{LARGEST - 1}}})?")


def read_batch(value: object) -> str:
    """The text as it is. Raises `UserError` for what is not a batch."""
    if not isinstance(value, str) or not ROWS.fullmatch(value):
        raise UserError(
            tr(
                "A batch must be at most {largest} places of images, or “{other}”, separated by commas.",
                largest=LARGEST,
                other=OTHER,
            )
        )
    return value


def rows(batch: str, count: int) -> list[str]:
    """The image in each row of a batch of `count` images, as text."""
    return batch.split(",") if batch else [str(place) for place in range(count)]


def of_pictures(pictures: Sequence[int]) -> str:
    """A batch of these images, in this order."""
    return ",".join(map(str, pictures))


def alone(batch: str, count: int, index: int) -> str:
    """The batch when its image `index` is the only one that the settings describe."""
    own = ["0" if row == str(index) else OTHER for row in rows(batch, count)]
    return "" if own == ["0"] else ",".join(own)


def places(batch: str, count: int, pictures: Sequence[int]) -> tuple[list[int], int]:
    """The rows of these images and the number of all rows; those of a batch of their own if one is in no row."""
    whole = rows(batch, count)
    wanted = [str(picture) for picture in pictures]
    if not set(wanted) <= set(whole):
        return list(range(len(wanted))), len(wanted)
    return [whole.index(row) for row in wanted], len(whole)
