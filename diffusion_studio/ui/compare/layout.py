"""Where the cells of a comparison lie: how large, in how many columns, scrolled how far. Plain numbers, no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

Place = tuple[int, int]  # column, row
Rect = tuple[float, float, float, float]  # x, y, width, height
GAP, EDGE = 8, 16
LABEL = 22  # height of a line of labels
SMALLEST = 40  # of a cell, below which the sheet scrolls


@dataclass(frozen=True, slots=True)
class Layout:
    """In logical pixels of the room; `scale` alone is device pixels per pixel of a picture.

    With `wrapped`, one axis continues in the next row, and every cell has its label over it; else labels are over the first
    row and left of the first column, `left` and `top` wide.
    """

    count: int
    columns: int
    side: tuple[int, int]  # of a picture, in its own pixels
    scale: float
    ratio: float  # device pixels per logical pixel
    room: tuple[int, int]
    left: int
    top: int
    wrapped: bool
    scrolled: tuple[int, int] = (0, 0)

    @property
    def rows(self) -> int:
        return ceil(self.count / max(self.columns, 1))

    @property
    def cell(self) -> tuple[float, float]:
        return self.side[0] * self.scale / self.ratio, self.side[1] * self.scale / self.ratio

    @property
    def over(self) -> int:
        return LABEL if self.wrapped else 0

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height of everything."""
        width, height = self.cell
        return (
            self.left + self.columns * (width + GAP) - GAP + EDGE,
            self.top + self.rows * (height + GAP + self.over) - GAP + EDGE,
        )

    @property
    def origin(self) -> tuple[int, int]:
        """The corner of the first cell; what is smaller than the room is centred in it."""
        width, height = self.extent
        x = max((self.room[0] - width) / 2, 0) + self.left - self.scrolled[0]
        y = max((self.room[1] - height) / 2, 0) + self.top - self.scrolled[1]
        return round(x), round(y)

    @property
    def header(self) -> tuple[int, int]:
        """Right edge of the labels beside, lower edge of those above: they stay in sight while cells scroll under them."""
        return max(self.origin[0], self.left) - 2, max(self.origin[1], self.top) - 2

    def rect(self, place: Place) -> Rect:
        column, row = place
        if self.wrapped:
            row, column = divmod(column, self.columns)
        (x, y), (width, height) = self.origin, self.cell
        return x + column * (width + GAP), y + row * (height + GAP + self.over) + self.over, width, height

    def hit(self, x: float, y: float) -> Place | None:
        """The cell at a point; None beside all of them, or under the labels."""
        right, bottom = self.header
        if not self.wrapped and (x < right or y < bottom):
            return None
        (left, top), (width, height) = self.origin, self.cell
        column, row = int((x - left) // (width + GAP)), int((y - top) // (height + GAP + self.over))
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            return None
        place = (row * self.columns + column, 0) if self.wrapped else (column, row)
        cell_x, cell_y, _, _ = self.rect(place)
        inside = cell_x <= x < cell_x + width and cell_y <= y < cell_y + height
        return place if inside and place[0] < (self.count if self.wrapped else self.columns) else None


def arrange(
    count: int,
    columns: int | None,
    side: tuple[int, int],
    room: tuple[int, int],
    *,
    left: int,
    top: int,
    ratio: float,
    crisp: bool,
    scale: float | None = None,
    scrolled: tuple[int, int] = (0, 0),
) -> Layout:
    """`columns` None: as many as let the cells be largest; `scale` None: so that all is seen, if it does not get too small."""

    def laid(columns_: int) -> Layout:
        own = _fitted(count, columns_, side, room, left, top, ratio, crisp, columns is None)
        return Layout(count, columns_, side, scale or own, ratio, room, left, top, columns is None, scrolled)

    if columns is not None:
        return laid(columns)
    choices = [laid(number) for number in range(1, max(count, 1) + 1)]
    if scale is None:
        best = max(choice.scale for choice in choices)
        choices = [choice for choice in choices if choice.scale == best]
    else:
        inside = [choice for choice in choices if choice.extent[0] <= room[0]]
        choices = inside[-1:] or choices[:1]
    return min(choices, key=lambda choice: (-count % choice.columns, abs(choice.columns - choice.rows)))


def _fitted(
    count: int,
    columns: int,
    side: tuple[int, int],
    room: tuple[int, int],
    left: int,
    top: int,
    ratio: float,
    crisp: bool,
    wrapped: bool,
) -> float:
    """The scale at which all is seen, whole for crisp pictures; never below what can be made out."""
    rows = ceil(count / max(columns, 1))
    room_x = room[0] - left - EDGE - (columns - 1) * GAP
    room_y = room[1] - top - EDGE - (rows - 1) * GAP - (rows * LABEL if wrapped else 0)
    scale = max(
        min(room_x / (columns * side[0]), room_y / (max(rows, 1) * side[1])) * ratio,
        SMALLEST * ratio / max(side),
    )
    return float(int(scale)) if crisp and scale >= 1 else scale


def zoomed(scale: float, steps: int, side: tuple[int, int], *, crisp: bool) -> float:
    """The scale some notches further in (positive) or out."""
    for _ in range(abs(steps)):
        if crisp and scale >= 1:
            scale = max(scale + (1 if steps > 0 else -1), 1.0)
        else:
            scale *= 1.25 if steps > 0 else 0.8
    return min(max(scale, 16 / max(side)), 64.0)
