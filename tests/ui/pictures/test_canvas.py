"""The canvas: crisp scales, layers, a cell by itself, zoom, pan, keys, and what it says when there is nothing to show."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication

from diffusion_studio.ui.look.theme import tokens
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.canvas_bar import CanvasBar
from diffusion_studio.ui.pictures.picture import Picture, to_image
from diffusion_studio.ui.pictures.thumbnails import read_thumbnail

COLOURS = [(200, 30, 40), (20, 160, 60), (40, 60, 220), (230, 200, 20), (90, 20, 120)]


def pictures(count=1, size=8, noisy=True):
    result = []
    for index in range(count):
        pixels = np.full((size, size, 3), COLOURS[index % 5], np.uint8)
        layers = {"denoised": pixels, "noisy": 255 - pixels} if noisy else {"denoised": pixels}
        result.append(Picture(layers))
    return result


@pytest.fixture
def canvas(qtbot):
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(600, 500)
    canvas.show()
    qtbot.waitExposed(canvas)
    return canvas


def seen(canvas):
    """What is painted, as an image."""
    return canvas.grab().toImage()


def colour_at(canvas, point):
    return seen(canvas).pixelColor(round(point.x()), round(point.y())).getRgb()[:3]


def wheel(canvas, point, notches):
    event = QWheelEvent(
        point,
        canvas.mapToGlobal(point),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas, event)


def test_an_image_does_not_share_the_arrays_memory(qapp):
    pixels = np.full((2, 2, 3), 7, np.uint8)
    image = to_image(pixels)
    pixels[:] = 99
    assert image.pixelColor(1, 1) == QColor(7, 7, 7)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 1), (7, 7)])
def test_an_image_has_the_arrays_pixels(qapp, shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    image = to_image(pixels[:, ::-1])  # not contiguous
    got = [[image.pixelColor(x, y).getRgb()[:3] for x in range(shape[1])] for y in range(shape[0])]
    assert np.array_equal(got, pixels[:, ::-1])


def test_small_pictures_are_scaled_by_whole_numbers_and_keep_their_exact_colours(canvas):
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    canvas.show_pictures([Picture({"denoised": pixels})])
    assert canvas.scale == int(canvas.scale) > 1
    rect, image = canvas.cell_rect(0), seen(canvas)
    for y in range(8):
        for x in range(8):
            for edge in (0.02, 0.5, 0.98):  # up to the very edge of each enlarged pixel
                point = QPointF(rect.x() + (x + edge) * canvas.scale, rect.y() + (y + edge) * canvas.scale)
                assert image.pixelColor(int(point.x()), int(point.y())).getRgb()[:3] == tuple(pixels[y, x])


def test_smooth_scaling_is_a_choice_and_large_pictures_are_always_smooth(canvas):
    canvas.show_pictures(pictures(size=64))
    assert canvas.crisp and canvas.scale == int(canvas.scale)
    canvas.set_crisp(False)
    assert not canvas.crisp and canvas.scale != int(canvas.scale)
    canvas.set_crisp(True)
    canvas.show_pictures(pictures(size=200))
    assert not canvas.crisp


def test_every_picture_of_a_grid_is_where_it_says(canvas):
    canvas.show_pictures(pictures(5))
    for index in range(5):
        centre = canvas.cell_rect(index).center()
        assert colour_at(canvas, centre) == COLOURS[index]
        assert canvas.cell_at(centre) == index
    assert canvas.cell_at(QPointF(1, 1)) is None


def test_the_layer_shown_can_be_changed(canvas):
    canvas.show_pictures(pictures())
    centre = canvas.cell_rect(0).center()
    canvas.show_layer("noisy")
    assert colour_at(canvas, centre) == tuple(255 - c for c in COLOURS[0])
    canvas.show_layer("denoised")
    assert colour_at(canvas, centre) == COLOURS[0]


def test_a_picture_without_a_noisy_layer_shows_itself(canvas):
    canvas.show_layer("noisy")
    canvas.show_pictures(pictures(noisy=False))
    assert colour_at(canvas, canvas.cell_rect(0).center()) == COLOURS[0]


def test_a_double_click_opens_a_cell_and_another_goes_back(canvas, qtbot):
    canvas.show_pictures(pictures(4))
    small = canvas.scale
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=canvas.cell_rect(2).center().toPoint())
    assert canvas.opened == 2 and canvas.scale > small
    assert colour_at(canvas, canvas.cell_rect(2).center()) == COLOURS[2]
    assert canvas.chosen is canvas.pictures[2]
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=canvas.rect().center())
    assert canvas.opened is None and canvas.scale == small


def test_the_wheel_zooms_about_the_pointer(canvas):
    canvas.show_pictures(pictures(4, size=32))
    point = canvas.cell_rect(3).center()
    before = canvas.scale
    wheel(canvas, point, 3)
    assert canvas.scale > before and not canvas.fitted
    assert canvas.cell_at(point) == 3
    rect = canvas.cell_rect(3)
    assert abs(rect.center().x() - point.x()) <= canvas.scale
    wheel(canvas, point, -3)
    assert canvas.scale == before


def test_part_turns_of_the_wheel_add_up(canvas):
    canvas.show_pictures(pictures(size=32))
    before = canvas.scale
    for _ in range(2):
        wheel(canvas, QPointF(300, 250), 0.5)
    assert canvas.scale > before


def test_dragging_pans_what_is_larger_than_the_canvas(canvas, qtbot):
    canvas.show_pictures(pictures(size=32))
    wheel(canvas, QPointF(300, 250), 4)
    dragged_out = []
    canvas.drag_wanted.connect(lambda: dragged_out.append(True))
    before = canvas.cell_rect(0)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 250))
    for x in (290, 270, 250):
        qtbot.mouseMove(canvas, QPoint(x, 240))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(250, 240))
    after = canvas.cell_rect(0)
    assert (after.x() - before.x(), after.y() - before.y()) == (-50, -10)
    assert not dragged_out
    canvas.fit()
    assert canvas.fitted and not canvas.can_pan


def test_dragging_a_picture_that_is_seen_whole_takes_it_out(canvas, qtbot):
    canvas.show_pictures(pictures(size=32))
    with qtbot.waitSignal(canvas.drag_wanted):
        qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 230))
        qtbot.mouseMove(canvas, QPoint(340, 250))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(340, 250))


def test_the_view_is_kept_from_step_to_step_and_not_for_another_batch(canvas):
    canvas.show_pictures(pictures(4))
    canvas.open_cell(1)
    canvas.zoom(2)
    scale = canvas.scale
    canvas.show_pictures(pictures(4))
    assert (canvas.opened, canvas.scale, canvas.fitted) == (1, scale, False)
    canvas.show_pictures(pictures(5))
    assert canvas.opened is None and canvas.fitted


def test_keys_choose_open_and_zoom(canvas, qtbot):
    canvas.show_pictures(pictures(4))
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    qtbot.keyClick(canvas, Qt.Key.Key_Down)
    assert canvas.selected == 3 and canvas.chosen is canvas.pictures[3]
    qtbot.keyClick(canvas, Qt.Key.Key_Down)
    assert canvas.selected == 3
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert canvas.opened == 3
    scale = canvas.scale
    qtbot.keyClick(canvas, Qt.Key.Key_Plus)
    assert canvas.scale > scale
    qtbot.keyClick(canvas, Qt.Key.Key_Minus)
    assert canvas.scale <= scale
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert canvas.opened is None


def test_resizing_fits_again_unless_the_user_has_zoomed(canvas, qtbot):
    canvas.show_pictures(pictures(size=32))
    before = canvas.scale
    canvas.resize(1000, 900)
    assert canvas.scale > before
    canvas.zoom(2)
    zoomed = canvas.scale
    canvas.resize(700, 600)
    assert canvas.scale == zoomed


def test_an_empty_canvas_says_what_will_be_there(canvas):
    plain = seen(canvas)
    canvas.show_message("Your picture will form here", "Press Generate.")
    with_words = seen(canvas)
    assert with_words != plain
    faint = QImage(64, 64, QImage.Format.Format_RGB32)
    faint.fill(QColor(255, 255, 255))
    canvas.show_message("Your picture will form here", "Press Generate.", faint)
    middle = seen(canvas).pixelColor(300, 200)
    assert QColor(tokens().ground).lightness() < middle.lightness() < 160
    canvas.fit(), canvas.zoom(1), canvas.pan(5, 5), canvas.open_cell(None)  # nothing to act on, no harm
    assert canvas.chosen is None and canvas.cell_at(QPointF(300, 250)) is None


def test_64_pictures_and_a_tiny_canvas(canvas):
    canvas.show_pictures(pictures(64, size=32))
    canvas.resize(240, 200)
    seen(canvas)
    assert 0 < canvas.scale <= 1


class TestBar:
    @pytest.fixture
    def bar(self, canvas):
        return CanvasBar(canvas)

    def test_it_offers_layers_only_where_there_are_two(self, canvas, bar):
        assert not bar.layers["noisy"].isVisible()
        canvas.show_pictures(pictures())
        assert bar.layers["noisy"].isVisible()
        canvas.show_pictures(pictures(noisy=False))
        assert not bar.layers["noisy"].isVisible()

    def test_its_buttons_do_what_they_say(self, canvas, bar):
        canvas.show_pictures(pictures(size=32))
        bar.layers["noisy"].click()
        assert canvas.layer == "noisy" and bar.layers["noisy"].isChecked()
        canvas.zoom(3)
        assert bar.percent.text() == f"{canvas.scale * 100:.0f} %"
        bar.fit.click()
        assert canvas.fitted

    def test_it_stays_inside_when_the_canvas_is_resized(self, canvas, bar):
        canvas.show_pictures(pictures())
        for size in ((900, 700), (300, 240)):
            canvas.resize(*size)
            for button in (bar.layers["denoised"], bar.fit):
                corner = button.mapTo(canvas, button.rect().bottomRight())
                assert canvas.rect().contains(corner)


@pytest.mark.parametrize("crisp", [True, False])
def test_a_tiled_image_is_seen_nine_times_and_stays_one_image(canvas, crisp):
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    canvas.set_crisp(crisp)
    canvas.show_pictures([Picture({"denoised": pixels, "noisy": 255 - pixels // 2})])
    alone = canvas.cell_rect(0)
    canvas.set_tiled(True)
    tile, image = canvas.cell_rect(0), seen(canvas)
    assert tile.width() < alone.width() and canvas.rect().contains(tile.toRect())
    for y in range(-8, 16, 3):
        for x in range(-8, 16):
            point = QPointF(tile.x() + (x + 0.5) * canvas.scale, tile.y() + (y + 0.5) * canvas.scale)
            here = image.pixelColor(int(point.x()), int(point.y())).getRgb()[:3]
            assert np.abs(np.subtract(here, pixels[y % 8, x % 8, :3])).max() <= (0 if crisp else 40)
            assert canvas.cell_at(point) == 0
    canvas.zoom(2)
    canvas.pan(30, 20)
    assert canvas.can_pan and not canvas.fitted
    canvas.set_tiled(False)
    assert canvas.cell_rect(0) == alone


def test_several_tiled_images_lie_apart_in_the_layer_shown(canvas):
    canvas.set_tiled(True)
    canvas.show_pictures(pictures(2))
    canvas.show_layer("noisy")
    first, second = canvas.cell_rect(0), canvas.cell_rect(1)
    assert abs(second.x() - first.x()) + abs(second.y() - first.y()) > 3 * first.width()
    left = first.center() - QPointF(first.width(), 0)
    assert colour_at(canvas, left) == tuple(255 - c for c in COLOURS[0])


def test_tiling_is_offered_by_itself_for_what_was_generated_as_a_tile(canvas):
    from diffusion_studio.settings.generation import GenerationSettings

    bar, plain = CanvasBar(canvas), pictures()[0]
    canvas.show_pictures([plain])
    assert bar.tile.isHidden()
    made = Picture(plain.layers, settings=GenerationSettings(seamless=True))
    other = Picture(plain.layers, settings=GenerationSettings())
    canvas.show_pictures([other])
    assert bar.tile.isHidden()
    canvas.show_pictures([made])  # of the same size, as the next generation is
    assert not bar.tile.isHidden()
    bar.tile.click()
    canvas.show_pictures([other])
    assert canvas.tiled and bar.tile.isChecked() and not bar.tile.isHidden()
    bar.tile.click()
    assert not canvas.tiled and bar.tile.isHidden()


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize(("height", "width"), [(24, 8), (8, 24), (9, 16)])
def test_an_oblong_image_keeps_its_shape_and_is_seen_whole(canvas, count, height, width):
    oblong = [Picture({"denoised": np.full((height, width, 3), COLOURS[k], np.uint8)}) for k in range(count)]
    canvas.show_pictures(oblong)
    places = [canvas.cell_rect(index) for index in range(count)]
    for place in places:
        assert place.width() / place.height() == pytest.approx(width / height, rel=0.01)
        assert canvas.rect().toRectF().contains(place)
    assert len({(place.x(), place.y()) for place in places}) == count
    assert not any(one.intersects(other) for k, one in enumerate(places) for other in places[:k])
    for place, colour in zip(places, COLOURS, strict=False):
        corners = place.adjusted(2, 2, -2, -2)
        assert colour_at(canvas, corners.topLeft()) == colour == colour_at(canvas, corners.bottomRight())


@pytest.mark.parametrize(("height", "width"), [(24, 8), (8, 24)])
def test_a_thumbnail_of_an_oblong_image_is_oblong(tmp_path, height, width):
    to_image(np.full((height, width, 3), 90, np.uint8)).save(str(tmp_path / "oblong.png"))
    thumbnail = read_thumbnail(tmp_path / "oblong.png", 96)
    assert thumbnail.width() * height == thumbnail.height() * width and not thumbnail.isNull()
