"""The mask and the brush that paints it: pixels touched, strokes undone, pointer and keys, and what is drawn over the picture."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from diffusion_studio.ui.generate.start.brush import Brush
from diffusion_studio.ui.generate.start.mask import Mask, footprint, outlines
from diffusion_studio.ui.generate.start.mask_overlay import MaskOverlay
from diffusion_studio.ui.look.theme import tokens
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import Picture

SIZE = 8


def painted(mask):
    """The pixels drawn anew, as (x, y)."""
    return {(int(x), int(y)) for y, x in np.argwhere(mask.values)}


def stroke(mask, start, to, diameter=1, *, erase=False):
    mask.begin()
    mask.line(start, to, diameter, erase=erase)
    mask.end()


# The mask -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("diameter", "touched"), [(1, 1), (2, 4), (3, 5), (4, 12), (5, 21)])
def test_a_brush_is_round_and_as_wide_as_it_says(diameter, touched):
    brush = footprint(diameter)
    assert brush.shape == (diameter, diameter) and brush.sum() == touched
    assert np.array_equal(brush, brush[::-1]) and np.array_equal(brush, brush.T)
    assert brush.any(0).all()


def test_a_dab_touches_the_pixel_it_is_in():
    for x, y in ((0.01, 0.99), (3.0, 3.0), (3.5, 4.99), (7.99, 7.99)):
        mask = Mask(SIZE)
        stroke(mask, (x, y), (x, y))
        assert painted(mask) == {(int(x), int(y))}


def test_a_line_has_no_gaps_and_a_brush_past_the_edge_is_cut_off():
    mask = Mask(SIZE)
    stroke(mask, (0.5, 0.5), (7.5, 7.5))
    assert painted(mask) == {(k, k) for k in range(SIZE)}
    stroke(mask, (-20, 4), (-3, 4), 5)
    stroke(mask, (30, 30), (30, 30), 5)
    assert painted(mask) == {(k, k) for k in range(SIZE)}
    stroke(mask, (8, 0), (8, 0), 4)
    assert (7, 0) in painted(mask) and (0, 1) not in painted(mask)


def test_erasing_takes_away_and_a_rectangle_follows_its_corner():
    mask = Mask(SIZE)
    mask.begin()
    mask.rectangle((6.5, 6.5), (0, 0), erase=False)
    mask.rectangle((6.5, 6.5), (4.2, 5.9), erase=False)
    mask.end()
    assert painted(mask) == {(x, y) for x in (4, 5, 6) for y in (5, 6)}
    stroke(mask, (4.5, 5.5), (6.5, 5.5), erase=True)
    assert painted(mask) == {(x, 6) for x in (4, 5, 6)}


def test_every_stroke_is_undone_and_done_again_as_a_whole():
    mask = Mask(SIZE)
    states = [mask.values.copy()]
    for change in (
        lambda: stroke(mask, (1, 1), (6, 1), 2),
        lambda: stroke(mask, (1, 5), (6, 5), 3),
        mask.invert,
        mask.clear,
    ):
        change()
        states.append(mask.values.copy())
    stroke(mask, (2, 2), (2, 2), erase=True)  # changes nothing: nothing to undo
    for state in reversed(states[:-1]):
        assert mask.can_undo
        mask.undo()
        assert np.array_equal(mask.values, state)
    assert not mask.can_undo
    mask.undo()
    for state in states[1:]:
        mask.redo()
        assert np.array_equal(mask.values, state)
    assert not mask.can_redo
    mask.undo()
    stroke(mask, (0, 0), (0, 0))
    assert not mask.can_redo, "a new stroke ends what was undone"


def test_feather_softens_the_edge_alone():
    mask = Mask(32)
    mask.begin()
    mask.rectangle((8, 8), (23, 23), erase=False)
    mask.end()
    assert np.array_equal(mask.soft(), mask.values)
    mask.feather = 1.5
    soft = mask.soft()
    assert soft[16, 16] == 255 and soft[0, 0] == 0 and 0 < soft[8, 16] < 255 and 0 < soft[6, 16] < soft[8, 16]
    assert mask.share == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("size", [4, 16, 24])
def test_the_area_goes_along_to_a_model_of_another_size(size):
    mask = Mask(SIZE)
    mask.begin()
    mask.rectangle((4, 0), (7, 7), erase=False)
    mask.end()
    other = mask.resized(size)
    assert other.size == size and not other.can_undo
    assert np.array_equal(other.values > 0, np.arange(size)[None].repeat(size, 0) >= size / 2)


def test_outlines_run_round_every_area_once():
    inside = np.zeros((4, 4), bool)
    inside[1:3, 1:3] = True
    assert sorted(outlines(inside)) == [(1, 1, 1, 3), (1, 1, 3, 1), (1, 3, 3, 3), (3, 1, 3, 3)]
    inside[:] = True
    assert sorted(outlines(inside)) == [(0, 0, 0, 4), (0, 0, 4, 0), (0, 4, 4, 4), (4, 0, 4, 4)]
    assert outlines(np.zeros((3, 3), bool)) == []


# The brush on the canvas ----------------------------------------------------------------------------------------------


@pytest.fixture
def canvas(qtbot):
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(500, 460)
    canvas.show()
    qtbot.waitExposed(canvas)
    canvas.show_pictures([Picture({"denoised": np.full((SIZE, SIZE, 3), 128, np.uint8)})])
    return canvas


@pytest.fixture
def brush(canvas):
    brush = Brush(canvas, lambda place: True)
    brush.mask, brush.grid = Mask(SIZE), SIZE
    brush.resize(1)
    brush.activate(True)
    return brush


def at(canvas, x, y):
    """The middle of a pixel on the canvas."""
    area = canvas.cell_rect(0)
    return QPoint(
        round(area.x() + (x + 0.5) * area.width() / SIZE), round(area.y() + (y + 0.5) * area.height() / SIZE)
    )


def drag(canvas, *pixels, button=Qt.MouseButton.LeftButton, keys=Qt.KeyboardModifier.NoModifier):
    QTest.mousePress(canvas, button, keys, at(canvas, *pixels[0]))
    for pixel in pixels[1:]:
        move(canvas, pixel, button, keys)
    QTest.mouseRelease(canvas, button, keys, at(canvas, *pixels[-1]))


def move(canvas, pixel, button=Qt.MouseButton.NoButton, keys=Qt.KeyboardModifier.NoModifier):
    point = QPointF(at(canvas, *pixel))
    event = QMouseEvent(
        QEvent.Type.MouseMove, point, canvas.mapToGlobal(point), Qt.MouseButton.NoButton, button, keys
    )
    QApplication.sendEvent(canvas, event)


def test_a_drag_paints_and_the_right_button_or_alt_erases(canvas, brush, qtbot):
    with qtbot.waitSignals([brush.painted, brush.ended]):
        drag(canvas, (1, 2), (5, 2))
    assert painted(brush.mask) == {(x, 2) for x in range(1, 6)}
    drag(canvas, (1, 2), (2, 2), button=Qt.MouseButton.RightButton)
    drag(canvas, (5, 2), keys=Qt.KeyboardModifier.AltModifier)
    assert painted(brush.mask) == {(3, 2), (4, 2)}
    drag(canvas, (0, 0), (2, 1), keys=Qt.KeyboardModifier.ShiftModifier)
    assert painted(brush.mask) == {(3, 2), (4, 2)} | {(x, y) for x in range(3) for y in range(2)}
    brush.activate(True, erasing=True)
    drag(canvas, (0, 0), (2, 0))
    drag(canvas, (7, 7), button=Qt.MouseButton.RightButton)  # what the eraser's other button does
    assert painted(brush.mask) == {(3, 2), (4, 2), (7, 7)} | {(x, 1) for x in range(3)}
    for _ in range(6):
        brush.mask.undo()
    assert not painted(brush.mask)


def test_the_brush_leaves_the_canvas_its_wheel_and_its_middle_button(canvas, brush):
    canvas.zoom(6)
    before = canvas.cell_rect(0).topLeft()
    QTest.mousePress(canvas, Qt.MouseButton.MiddleButton, pos=QPoint(200, 200))
    for x in (230, 260):
        point = QPointF(x, 220)
        QApplication.sendEvent(
            canvas,
            QMouseEvent(
                QEvent.Type.MouseMove,
                point,
                canvas.mapToGlobal(point),
                Qt.MouseButton.NoButton,
                Qt.MouseButton.MiddleButton,
                Qt.KeyboardModifier.NoModifier,
            ),
        )
    QTest.mouseRelease(canvas, Qt.MouseButton.MiddleButton, pos=QPoint(260, 220))
    assert canvas.cell_rect(0).topLeft() != before and brush.mask.empty
    drag(canvas, (3, 3))
    assert painted(brush.mask) == {(3, 3)}, "and paints where the picture has gone"


def test_the_keys_move_the_brush_and_space_paints(canvas, brush):
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Left)
    assert brush.at == (SIZE / 2 - 1, SIZE / 2)
    QTest.keyPress(canvas, Qt.Key.Key_Space)
    QTest.keyClick(canvas, Qt.Key.Key_Up)
    QTest.keyClick(canvas, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyRelease(canvas, Qt.Key.Key_Space)
    assert painted(brush.mask) == {(3, 4), *((x, 3) for x in range(3, 8))}
    QTest.keyClick(canvas, Qt.Key.Key_Up)
    assert (7, 2) not in painted(brush.mask)


def test_the_right_button_opens_no_menu_while_the_brush_is_in_hand(canvas, brush, qtbot):
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at(canvas, 1, 1), QPoint(0, 0))
    asked = []
    canvas.menu_wanted.connect(asked.append)
    QApplication.sendEvent(canvas, event)
    assert not asked
    brush.activate(False)
    QApplication.sendEvent(canvas, event)
    assert asked
    drag(canvas, (1, 1), (3, 3))
    assert brush.mask.empty


def test_a_picture_that_may_not_be_painted_on_stays_as_it_is(canvas):
    asked = []
    brush = Brush(canvas, lambda place: asked.append(place))
    brush.mask, brush.grid = Mask(SIZE), SIZE
    brush.activate(True)
    drag(canvas, (1, 1), (4, 4))
    assert asked == [0] and brush.mask.empty and not brush.painting


def test_mask_and_brush_are_drawn_to_the_pixel_over_the_picture(canvas, brush):
    overlay = MaskOverlay(canvas, brush, lambda: ((0,), 0))
    overlay.show()
    drag(canvas, (2, 2), (3, 2))
    QApplication.sendEvent(canvas, QEvent(QEvent.Type.Leave))
    overlay.show_mask(brush.mask.values, brush.mask.soft())

    def colours():
        image = canvas.grab().toImage()
        return {
            (x, y): image.pixelColor(at(canvas, x, y)).getRgb()[:3] for x in range(SIZE) for y in range(SIZE)
        }

    def seen():
        return {pixel for pixel, colour in colours().items() if colour != (128, 128, 128)}

    assert seen() == {(2, 2), (3, 2)}
    red, green, _ = colours()[2, 2]
    assert red < green, "tinted in the accent"
    edge = at(canvas, 2, 2) - QPoint(round(canvas.cell_rect(0).width() / SIZE / 2), 0)
    image = canvas.grab().toImage()
    near = [image.pixelColor(edge.x() + dx, edge.y()).name() for dx in range(-3, 4)]
    assert tokens().ground_accent in near
    brush.activate(False)
    assert not seen(), "the tint goes with the brush"
    assert tokens().ground_accent in [
        canvas.grab().toImage().pixelColor(edge.x() + dx, edge.y()).name() for dx in range(-3, 4)
    ]
    brush.activate(True)
    overlay.shown = False
    overlay.update()
    assert not seen()
