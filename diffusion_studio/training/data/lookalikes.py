"""Images that look the same although their bytes differ: scaled, saved again, a little brighter.

Each picture leaves 64 bits (is a cell of a 9×8 grid of grey darker than its neighbour?) and an 8×8 thumbnail in colour. Two are
alike where few bits differ and the thumbnails hardly do; candidates come from tables by 16 of the bits, so no pair is missed
that differs in three bits or less, and the work for each picture is bounded whatever the folder holds.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

BANDS = 4  # of 16 bits: with at most BANDS - 1 bits different, one band is the same
MOST_COMPARED = 64  # pictures of one band; thousands share the bits of an empty background
CLOSE = 4.0  # mean difference of two thumbnails, of 255


class Lookalikes:
    def __init__(self) -> None:
        self.names: list[str] = []
        self.bits: list[int] = []
        self.thumbnails: list[np.ndarray] = []
        self.tables: list[dict[int, list[int]]] = [{} for _ in range(BANDS)]
        self.like: list[int] = []  # the earliest picture each looks like; itself where there is none

    def add(self, name: str, image: Image.Image) -> None:
        own = len(self.names)
        bits, thumbnail = fingerprint(image)
        keys = [(bits >> (16 * band)) & 0xFFFF for band in range(BANDS)]
        candidates = {
            other for table, key in zip(self.tables, keys, strict=True) for other in table.get(key, ())
        }
        alike = [other for other in candidates if self._alike(bits, thumbnail, other)]
        self.names.append(name)
        self.bits.append(bits)
        self.thumbnails.append(thumbnail)
        self.like.append(min((self.like[other] for other in alike), default=own))
        if not alike:  # its group is already in the tables
            for table, key in zip(self.tables, keys, strict=True):
                row = table.setdefault(key, [])
                if len(row) < MOST_COMPARED:
                    row.append(own)

    def _alike(self, bits: int, thumbnail: np.ndarray, other: int) -> bool:
        if (bits ^ self.bits[other]).bit_count() >= BANDS:
            return False
        return float(np.abs(thumbnail.astype(np.int16) - self.thumbnails[other]).mean()) < CLOSE

    def groups(self) -> list[list[str]]:
        """Names of pictures that look the same, those with at least one other."""
        found: dict[int, list[str]] = {}
        for name, first in zip(self.names, self.like, strict=True):
            found.setdefault(first, []).append(name)
        return [names for names in found.values() if len(names) > 1]


def fingerprint(image: Image.Image) -> tuple[int, np.ndarray]:
    """64 bits and (8, 8, 3) uint8 of an RGB picture."""
    small = image.resize((36, 32), Image.Resampling.BOX, reducing_gap=2.0)
    grey = np.asarray(small.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    darker = (grey[:, 1:] > grey[:, :-1]).ravel()
    thumbnail = np.asarray(small.resize((8, 8), Image.Resampling.BOX))
    return int.from_bytes(np.packbits(darker).tobytes(), "big"), thumbnail
