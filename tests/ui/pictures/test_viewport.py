"""Geometry of the canvas: whole-number scales, zoom about a point, the cell under a point."""

import itertools

import pytest

from diffusion_studio.ui.pictures.viewport import (
    Grid,
    best_grid,
    centred,
    fit_scale,
    fitted,
    moved,
    next_scale,
    zoomed,
)


@pytest.mark.parametrize(
    ("side", "room", "scale"), [(32, 700, 21), (32, 32, 1), (64, 127, 1), (100, 30, 1 / 4)]
)
def test_crisp_pictures_are_scaled_by_whole_numbers(side, room, scale):
    assert fit_scale(Grid(1, side, side, 1, 8), (room, room), crisp=True) == scale


def test_smooth_pictures_fill_the_room():
    assert fit_scale(Grid(1, 256, 256, 1, 8), (640, 900), crisp=False) == 2.5


@pytest.mark.parametrize(
    ("count", "room", "columns"), [(4, (600, 600), 2), (16, (700, 700), 4), (2, (900, 300), 2)]
)
def test_the_grid_makes_pictures_as_large_as_they_can_be(count, room, columns):
    grid = best_grid(count, 32, 32, room, 8, crisp=True)
    assert grid.columns == columns
    best = fit_scale(grid, room, crisp=True)
    for other in range(1, count + 1):
        assert fit_scale(Grid(count, 32, 32, other, 8), room, crisp=True) <= best


@pytest.mark.parametrize("count", range(1, 65))
def test_every_picture_of_a_fitted_grid_lies_inside(count):
    room = (741, 523)
    grid = best_grid(count, 32, 32, (room[0] - 48, room[1] - 48), 8, crisp=True)
    view = fitted(grid, room, 24, crisp=True)
    for index in range(count):
        x, y, width, height = grid.cell(index, view.scale)
        assert view.x + x >= 0 and view.x + x + width <= room[0]
        assert view.y + y >= 0 and view.y + y + height <= room[1]


@pytest.mark.parametrize(("scale", "index"), list(itertools.product((1, 3, 0.5), range(7))))
def test_the_cell_under_a_point(scale, index):
    grid = Grid(7, 32, 20, 3, 8)
    x, y, width, height = grid.cell(index, scale)
    assert grid.hit(x + width / 2, y + height / 2, scale) == index
    assert grid.hit(x, y, scale) == index
    assert grid.hit(x + width + 4, y, scale) is None  # in the gap, or outside
    assert grid.hit(x, y + height + 4, scale) is None


@pytest.mark.parametrize("point", [(-1, 5), (5, -1), (200, 5), (5, 100), (90, 50)])
def test_no_cell_outside_and_none_where_the_last_row_is_short(point):
    assert Grid(5, 32, 20, 3, 8).hit(*point, 1) is None


@pytest.mark.parametrize("point", [(0.0, 0.0), (13.0, 77.0), (150.0, 40.0), (299.0, 299.0)])
@pytest.mark.parametrize("steps", [1, 2, -1, 5])
def test_zooming_keeps_what_is_under_the_pointer(point, steps):
    grid = Grid(4, 32, 32, 2, 8)
    view = centred(grid, (300, 300), 4)
    scale = next_scale(view.scale, steps, crisp=True)
    after = zoomed(view, grid, scale, *point)

    def pixel(view):
        cells, inside = [], []
        for at, corner in zip(point, (view.x, view.y), strict=True):
            cell, rest = divmod(at - corner, 32 * view.scale + 8)
            cells.append(cell)
            inside.append(min(rest / view.scale, 32))
        return cells, inside

    assert pixel(after)[0] == pixel(view)[0]
    assert pixel(after)[1] == pytest.approx(pixel(view)[1], abs=0.6 / min(scale, view.scale))


def test_crisp_zoom_steps_are_whole_numbers_or_their_inverses():
    scale, seen = 1.0, []
    for _ in range(40):
        scale = next_scale(scale, 1, crisp=True)
        seen.append(scale)
    assert all(scale == int(scale) for scale in seen) and seen[-1] == 64 and seen[:3] == [2, 3, 4]
    scale = 1.0
    for _ in range(40):
        scale = next_scale(scale, -1, crisp=True)
        assert 1 / scale == pytest.approx(round(1 / scale))
    assert scale == 1 / 16


def test_zoom_in_and_out_again_comes_back():
    for scale in (1.0, 5.0, 0.25):
        assert next_scale(next_scale(scale, 2, crisp=True), -2, crisp=True) == scale
        assert next_scale(next_scale(scale, 2, crisp=False), -2, crisp=False) == pytest.approx(scale)


def test_panning_never_loses_the_picture():
    grid = Grid(1, 100, 100, 1, 8)
    view = centred(grid, (300, 300), 8)  # 800 across in a room of 300
    right = moved(view, grid, (300, 300), 10_000, 0, 24)
    assert right.x == 24
    left = moved(view, grid, (300, 300), -10_000, 0, 24)
    assert left.x + 800 == 300 - 24
    small = moved(centred(grid, (300, 300), 2), grid, (300, 300), 500, 500, 24)
    assert (small.x, small.y) == (50, 50)  # with room to spare it stays in the middle
