"""Where images are on a canvas: the grid, the scale, zoom and pan. Plain numbers in device pixels, no Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

SMALL = 128  # pictures up to this side are pixel pictures: scaled by whole numbers, nearest
CRISP_SCALES = (*(1 / n for n in range(16, 1, -1)), 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)
SMOOTH_FACTOR = 1.25
SMOOTH_RANGE = (1 / 16, 64.0)


@dataclass(frozen=True, slots=True)
class Grid:
    """`count` pictures of one size, row by row, with gaps that do not scale."""

    count: int
    width: int  # of one picture, in its own pixels
    height: int
    columns: int
    gap: int  # device pixels

    @property
    def rows(self) -> int:
        return math.ceil(self.count / self.columns)

    def extent(self, scale: float) -> tuple[float, float]:
        """Width and height of the whole grid in device pixels."""
        return (
            self.columns * self.width * scale + (self.columns - 1) * self.gap,
            self.rows * self.height * scale + (self.rows - 1) * self.gap,
        )

    def cell(self, index: int, scale: float) -> tuple[float, float, float, float]:
        """x, y, width, height of a picture relative to the grid's corner."""
        row, column = divmod(index, self.columns)
        width, height = self.width * scale, self.height * scale
        return column * (width + self.gap), row * (height + self.gap), width, height

    def hit(self, x: float, y: float, scale: float) -> int | None:
        """The picture at a point relative to the grid's corner; None in a gap or outside."""
        width, height = self.width * scale + self.gap, self.height * scale + self.gap
        column, row = math.floor(x / width), math.floor(y / height)
        index = row * self.columns + column
        inside = 0 <= column < self.columns and row >= 0 and index < self.count
        return (
            index
            if inside and x - column * width < width - self.gap and y - row * height < height - self.gap
            else None
        )


@dataclass(frozen=True, slots=True)
class View:
    """The scale (device pixels per picture pixel) and the corner of the grid in the widget, device pixels."""

    scale: float
    x: float
    y: float


@lru_cache(maxsize=64)  # asked several times for every picture that is painted
def best_grid(
    count: int, width: int, height: int, room: tuple[float, float], gap: int, *, crisp: bool
) -> Grid:
    """The number of columns that lets the pictures be largest; among equals the grid nearest to a square."""
    grids = [Grid(count, width, height, columns, gap) for columns in range(1, count + 1)]
    return max(
        grids,
        key=lambda g: (
            fit_scale(g, room, crisp=crisp),
            -(g.columns * g.rows - count),
            -abs(g.columns - g.rows),
        ),
    )


def fit_scale(grid: Grid, room: tuple[float, float], *, crisp: bool) -> float:
    """The largest scale at which the grid is seen whole; crisp: a whole number, or one over a whole number."""
    across = (room[0] - (grid.columns - 1) * grid.gap) / (grid.columns * grid.width)
    down = (room[1] - (grid.rows - 1) * grid.gap) / (grid.rows * grid.height)
    scale = max(min(across, down), 1e-3)
    if not crisp:
        return min(scale, SMOOTH_RANGE[1])
    return float(math.floor(scale)) if scale >= 1 else 1 / math.ceil(1 / scale)


def fitted(grid: Grid, size: tuple[float, float], margin: float, *, crisp: bool) -> View:
    """The whole grid in the middle of a widget of this size."""
    scale = fit_scale(grid, (size[0] - 2 * margin, size[1] - 2 * margin), crisp=crisp)
    return centred(grid, size, scale)


def centred(grid: Grid, size: tuple[float, float], scale: float) -> View:
    width, height = grid.extent(scale)
    return View(scale, float(round((size[0] - width) / 2)), float(round((size[1] - height) / 2)))


def next_scale(scale: float, steps: int, *, crisp: bool) -> float:
    """The scale some notches of the wheel further in (positive) or out."""
    if not crisp:
        return min(max(scale * SMOOTH_FACTOR**steps, SMOOTH_RANGE[0]), SMOOTH_RANGE[1])
    scales = CRISP_SCALES
    for _ in range(abs(steps)):
        if steps > 0:
            scale = next((s for s in scales if s > scale * 1.001), scales[-1])
        else:
            scale = next((s for s in reversed(scales) if s < scale * 0.999), scales[0])
    return scale


def zoomed(view: View, grid: Grid, scale: float, x: float, y: float) -> View:
    """The same point of the same picture stays under (x, y) while the scale changes."""
    return View(
        scale,
        *(
            _kept(*axis)
            for axis in (
                (x, view.x, grid.width, grid.gap, view.scale, scale),
                (y, view.y, grid.height, grid.gap, view.scale, scale),
            )
        ),
    )


def _kept(point: float, corner: float, side: int, gap: int, scale: float, new_scale: float) -> float:
    # gaps do not scale, so whole cells, the rest of one, and the way into a gap count apart
    pitch = side * scale + gap
    cells = math.floor((point - corner) / pitch)
    rest = point - corner - cells * pitch
    into_picture, into_gap = min(rest, side * scale), max(rest - side * scale, 0.0)
    return float(
        round(point - cells * (side * new_scale + gap) - into_picture / scale * new_scale - into_gap)
    )


def moved(view: View, grid: Grid, size: tuple[float, float], dx: float, dy: float, margin: float) -> View:
    """Pan, but never so far that the grid leaves the widget; an axis with room to spare stays in the middle."""
    width, height = grid.extent(view.scale)
    return replace(
        view,
        x=_held(view.x + dx, width, size[0], margin),
        y=_held(view.y + dy, height, size[1], margin),
    )


def _held(corner: float, extent: float, room: float, margin: float) -> float:
    if extent <= room:
        return float(round((room - extent) / 2))
    return float(round(min(max(corner, room - extent - margin), margin)))
