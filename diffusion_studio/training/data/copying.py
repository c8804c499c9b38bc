"""Whether a model copies what it learned from: how near generated images are to training images.

The copy ratio is the median distance of generated images to the nearest training image over that of training images to their
nearest others: 1 where they are as new as those, 0 where they are copies. Blurred images are near to many, so a copy is also
asked to be much nearer to one image than to its next neighbours. Distances are root mean squares over small copies. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

SIDE = 32  # of the small copies, at most
MOST = 2_000  # images, above which nothing is measured: that many are not memorized
LEAST = 3  # images
TRIED = 200  # training images whose own neighbours are looked for
SAME = 1 / 255  # a distance, in [-1, 1], below which images are the same
NEIGHBOURS = 5  # after the nearest
COPIES = 0.9  # a ratio below which images may be copies


class CopyRatio(NamedTuple):
    ratio: float
    copies: bool


class Nearness(NamedTuple):
    """Of each image: the distance to the nearest training image, and that over the distance of its next neighbours."""

    distance: np.ndarray
    peak: np.ndarray


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """`images` (N, C, H, W) in whole numbers. `mirror`: the mirrored ones were learned as well."""

    images: np.ndarray
    mirror: bool = False

    @property
    def few(self) -> bool:
        """Whether copying is a danger, and can be measured."""
        return LEAST <= len(self.images) <= MOST

    @cached_property
    def usual(self) -> Nearness:
        """Of training images among the others."""
        rows = np.random.default_rng(0).permutation(len(self.images))[:TRIED]
        return self._nearness(self._small[rows], rows)

    def measure(self, generated: np.ndarray) -> CopyRatio | None:
        """Of generated images (Q, C, H, W); None where the training images are copies of each other."""
        usual = float(np.median(self.usual.distance))
        if not usual > SAME:
            return None
        found = self._nearness(_flat(generated), None)
        ratio = float(np.median(found.distance)) / usual
        sharp = float(np.median(found.peak)) < COPIES * float(np.median(self.usual.peak))
        return CopyRatio(ratio, ratio < COPIES and sharp)

    @cached_property
    def _small(self) -> np.ndarray:
        return _flat(self.images)

    def _nearness(self, asked: np.ndarray, own: np.ndarray | None) -> Nearness:
        """`own`: the rows that the asked ones are themselves."""
        squares = [self._squares(asked)]
        if self.mirror:
            width = self._width
            squares.append(
                self._squares(asked.reshape(len(asked), -1, width)[:, :, ::-1].reshape(len(asked), -1))
            )
        table = np.sqrt(np.minimum.reduce(squares))
        if own is not None:
            table[np.arange(len(own)), own] = np.inf
        table.sort(axis=1)
        finite = len(self.images) - (own is not None)
        next_ones = table[:, 1 : min(finite, 1 + NEIGHBOURS)]
        peak = (
            table[:, 0] / np.maximum(next_ones.mean(axis=1), 1e-9) if next_ones.size else np.zeros(len(table))
        )
        return Nearness(table[:, 0], peak)

    def _squares(self, asked: np.ndarray) -> np.ndarray:
        """(Q, N) mean squares."""
        known = self._small
        table = -2 * asked @ known.T
        table += np.einsum("nd,nd->n", known, known)
        table += np.einsum("qd,qd->q", asked, asked)[:, None]
        return np.asarray(table.clip(min=0) / known.shape[1])

    @property
    def _width(self) -> int:
        side = int(self.images.shape[-1])
        return side // _factor(side)


def _flat(images: np.ndarray) -> np.ndarray:
    """(N, K) float32 in [-1, 1] of small copies, each pixel the mean of those it replaces."""
    count, channels, height, width = images.shape
    factor = _factor(width)
    top = 65535.0 if images.dtype == np.uint16 else 255.0
    parts = images.reshape(count, channels, height // factor, factor, width // factor, factor)
    return np.asarray(parts.mean(axis=(3, 5), dtype=np.float32).reshape(count, -1) * (2 / top) - 1)


def _factor(side: int) -> int:
    """The least whole factor that makes a side small."""
    factor = -(-side // SIDE)
    while side % factor:
        factor += 1
    return factor
