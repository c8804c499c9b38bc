"""A mask at the pixels of a model's picture, white where the image is regenerated: painted in strokes that can be undone.

Plain numbers, no Qt. x and y are in pixels of the picture, from its upper left corner.
"""

from __future__ import annotations

import math

import numpy as np

HISTORY = 100  # strokes that can be undone


class Mask:
    """`values` (size, size) uint8: 255 where the image is regenerated, 0 where it is kept. `feather`: softness of the edge."""

    def __init__(self, size: int, values: np.ndarray | None = None, feather: float = 0.0) -> None:
        self.values = np.zeros((size, size), np.uint8) if values is None else values.astype(np.uint8)
        self.feather = feather
        self._before: list[np.ndarray] = []
        self._after: list[np.ndarray] = []

    @property
    def size(self) -> int:
        return self.values.shape[0]

    @property
    def empty(self) -> bool:
        return not self.values.any()

    @property
    def share(self) -> float:
        """How much of the image is regenerated."""
        return float(self.soft().mean()) / 255

    def soft(self) -> np.ndarray:
        """The values with their edge feathered: what the model is given."""
        if not self.feather or self.empty:
            return self.values
        from PIL import Image, ImageFilter

        blurred = Image.fromarray(self.values).filter(ImageFilter.GaussianBlur(self.feather))
        return np.asarray(blurred, dtype=np.uint8)

    def resized(self, size: int) -> Mask:
        """The same area at the pixels of another model; its strokes can no longer be undone."""
        picked = (np.arange(size) + 0.5) * self.size // size
        rows = picked.astype(int)
        return Mask(size, self.values[rows][:, rows], self.feather)

    # --- painting ---

    def begin(self) -> None:
        """A stroke begins: what is painted until the next one is undone at once."""
        self._before = [*self._before[-HISTORY + 1 :], self.values.copy()]
        self._after = []

    def end(self) -> None:
        """The stroke is over; one that changed nothing is not remembered."""
        if self._before and np.array_equal(self._before[-1], self.values):
            self._before.pop()

    def line(
        self, start: tuple[float, float], to: tuple[float, float], diameter: int, *, erase: bool
    ) -> None:
        """Draw a round brush from one point to another."""
        length = math.hypot(to[0] - start[0], to[1] - start[1])
        steps = max(math.ceil(2 * length), 1)
        for step in range(steps + 1):
            share = step / steps
            self._dab(
                start[0] + share * (to[0] - start[0]),
                start[1] + share * (to[1] - start[1]),
                diameter,
                0 if erase else 255,
            )

    def rectangle(self, start: tuple[float, float], to: tuple[float, float], *, erase: bool) -> None:
        """Fill the pixels between two corners, both included; instead of what this stroke has painted before."""
        self.values = self._before[-1].copy()
        left, right = _span(start[0], to[0], self.size)
        top, bottom = _span(start[1], to[1], self.size)
        self.values[top:bottom, left:right] = 0 if erase else 255

    def clear(self) -> None:
        self._change(np.zeros_like(self.values))

    def invert(self) -> None:
        self._change(255 - self.values)

    def _change(self, values: np.ndarray) -> None:
        self.begin()
        self.values = values
        self.end()

    def _dab(self, x: float, y: float, diameter: int, value: int) -> None:
        brush = footprint(diameter)
        left, top = corner(x, diameter), corner(y, diameter)
        rows = slice(max(top, 0), max(min(top + diameter, self.size), 0))
        columns = slice(max(left, 0), max(min(left + diameter, self.size), 0))
        inside = brush[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        if inside.size:
            self.values[rows, columns][inside] = value

    # --- undo ---

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._after)

    def undo(self) -> None:
        if self._before:
            self._after.append(self.values)
            self.values = self._before.pop()

    def redo(self) -> None:
        if self._after:
            self._before.append(self.values)
            self.values = self._after.pop()


def footprint(diameter: int) -> np.ndarray:
    """(diameter, diameter) bool: the pixels a round brush touches."""
    way = np.arange(diameter) - (diameter - 1) / 2
    touched: np.ndarray = way[:, None] ** 2 + way**2 <= (diameter / 2 - 0.1) ** 2  # 3 pixels wide: a cross
    return touched


def corner(place: float, diameter: int) -> int:
    """The first pixel under a brush whose middle is there."""
    return math.floor(place - diameter / 2 + 0.5)


def outlines(inside: np.ndarray) -> list[tuple[int, int, int, int]]:
    """The edges between the True and the False pixels of (H, W) bool, as lines x0, y0, x1, y1; the border counts as False."""
    padded = np.pad(inside, 1)
    lines = [
        (begin, row, end, row)
        for row, edge in enumerate(padded[1:, 1:-1] != padded[:-1, 1:-1])
        for begin, end in _runs(edge)
    ]
    lines += [
        (column, begin, column, end)
        for column, edge in enumerate((padded[1:-1, 1:] != padded[1:-1, :-1]).T)
        for begin, end in _runs(edge)
    ]
    return lines


def _runs(row: np.ndarray) -> list[tuple[int, int]]:
    """Where a row of bool is True: first, and first after."""
    if not row.any():
        return []
    edges = np.flatnonzero(np.diff(np.pad(row, 1).astype(np.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _span(a: float, b: float, size: int) -> tuple[int, int]:
    low, high = sorted((math.floor(a), math.floor(b)))
    return max(low, 0), max(min(high + 1, size), 0)
