"""The mask: painting what is regenerated, undo, keys, and what is kept."""

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from diffusion_studio.errors import UserError
from diffusion_studio.pictures import reading, start_pictures
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.start import mask_tools
from diffusion_studio.ui.generate.start.mask import Mask
from diffusion_studio.ui.generate.start.start_picture import Levels, StartPicture
from tests.model_folders import save
from tests.ui.generate.start.conftest import COSINE, SIZE, generate, paint, pixels
from tests.ui.pictures.test_canvas import seen


def test_only_what_is_painted_drowns():
    start, levels = StartPicture("", pixels(), ""), Levels.of(COSINE)
    start.fit(SIZE, 3)
    start.noise = np.random.default_rng(0).standard_normal((SIZE, SIZE, 3))
    start.take_mask(np.kron([[0, 255], [0, 0]], np.ones((4, 4))).astype(np.uint8))
    seen = start.seen(levels, 1.0)
    changed = (seen != start.fitted).any(2)
    assert not changed[:, :4].any() and not changed[4:].any() and changed[:4, 4:].any()


def test_what_is_painted_is_kept_as_the_settings_mask_when_generating(opened, page, draw, qtbot):
    opened.section.paint_button.click()
    paint(opened, (2, 3), (5, 5))
    assert page.request.value().strength == 1, "what is painted is forgotten"
    assert "3%" in opened.section.masked.text() and opened.section._mask.isVisible()
    opened.section.resamples.setValue(4)
    generate(page, qtbot)
    asked = draw.asked[-1]
    mask = start_pictures.load_mask(asked.mask)
    assert {(int(x), int(y)) for y, x in np.argwhere(mask)} == {(2, 3), (5, 5)} and asked.resamples == 4
    assert asked.source == opened.digests[0]
    assert opened.masked == [0] and not opened.view.shown, "its outline lies on the result"
    opened.tools.clear_action.trigger()
    assert page.request.value().strength == pytest.approx(0.6)
    generate(page, qtbot)
    assert draw.asked[-1].mask == ""


def test_a_strength_the_user_has_chosen_stays(opened, page):
    opened.section.strength.number.setValue(0.3)
    opened.tools.brush_action.trigger()
    paint(opened, (2, 3))
    assert page.request.value().strength == pytest.approx(0.3)


def test_feather_is_seen_and_kept(opened, page):
    opened.tools.brush_action.trigger()
    paint(opened, (4, 4))
    hard = opened.picture.mask.soft().copy()
    opened.section.feather.number.setValue(1.0)
    page.start.settle()
    kept = start_pictures.load_mask(page.request.value().mask)
    assert np.array_equal(kept, opened.picture.mask.soft()) and (kept != hard).any()


def test_undo_redo_invert_and_clear_by_keys_and_menu(opened, page, window):
    page.canvas.setFocus()
    tools = opened.tools
    assert {
        name: entry.shortcut().toString()
        for name, entry in (("brush", tools.brush_action), ("eraser", tools.eraser_action))
    } == {"brush": "B", "eraser": "E"}
    assert not tools.undo_action.isEnabled()
    tools.brush_action.trigger()
    paint(opened, (1, 1), (2, 2))
    mask = opened.picture.mask
    tools.undo_action.trigger()
    assert np.argwhere(mask.values).tolist() == [[1, 1]]
    tools.redo_action.trigger()
    assert mask.values.sum() == 2 * 255 and not tools.redo_action.isEnabled()
    tools.invert_action.trigger()
    assert mask.values.sum() == (SIZE * SIZE - 2) * 255
    tools.undo_action.trigger()
    tools.clear_action.trigger()
    assert mask.empty and not tools.clear_action.isEnabled()
    tools.undo_action.trigger()
    assert mask.values.sum() == 2 * 255
    before = tools.brush.size
    tools.larger_action.trigger()
    assert tools.brush.size == before + 1 == opened.section.brush.value()
    tools.smaller_action.trigger()
    tools.smaller_action.trigger()
    assert tools.brush.size == max(before - 1, 1)
    tools.eraser_action.trigger()
    assert tools.brush.erasing and tools.eraser_action.isChecked() and not tools.brush_action.isChecked()
    paint(opened, (1, 1))
    assert np.argwhere(mask.values).tolist() == [[2, 2]]
    tools.eraser_action.trigger()
    assert tools.brush.active and not tools.brush.erasing
    tools.brush_action.trigger()
    assert not tools.brush.active


def test_the_buttons_on_the_canvas_are_the_actions(opened, page):
    bar, tools = opened.tools.bar, opened.tools
    visible = lambda: {name for name, button in bar.buttons.items() if button.isVisible()}  # noqa: E731
    entry = page.toolbar.buttons["mask"]
    assert not visible() and entry.isVisible() and entry in page.controls()
    entry.click()
    assert tools.brush.active and visible() == set(bar.buttons)
    bar.buttons["eraser"].click()
    assert tools.brush.erasing and bar.buttons["eraser"].isChecked() and not bar.buttons["brush"].isChecked()
    frame = bar.buttons["brush"].parentWidget()
    for width in (500, 900):
        page.canvas.resize(width, 500)
        assert not page.canvas.cell_rect(0).intersects(frame.geometry().toRectF()), "nothing is covered"
    assert not bar.buttons["undo"].isEnabled()
    for button in bar.buttons.values():
        assert button.accessibleName() and button.toolTip()


def test_escape_puts_the_brush_down_but_stops_a_run_first(opened, page):
    page.canvas.setFocus()
    opened.tools.brush_action.trigger()
    QTest.keyClick(page.canvas, Qt.Key.Key_Escape)
    assert not opened.tools.brush.active


def test_the_mask_can_be_hidden_to_look(opened, page):
    opened.tools.brush_action.trigger()
    paint(opened, (4, 4))
    masked = seen(page.canvas)
    opened.tools.show_action.trigger()
    assert seen(page.canvas) != masked
    assert np.array_equal(page.canvas.pictures[0].pixels, pixels())
    opened.tools.brush_action.trigger()
    opened.tools.brush_action.trigger()
    assert opened.tools.shown, "taking the brush shows what it paints"


def test_painting_on_a_result_makes_it_the_start_picture(own, page, qtbot, draw):
    page.panel.form.fields["count"].show_value(4)
    generate(page, qtbot)
    results = page.canvas.pictures
    told = []
    page._context.status.connect(told.append)
    own.tools.brush_action.trigger()
    assert told[-1] == mask_tools.PICK
    area = page.canvas.cell_rect(2)
    QTest.mouseClick(page.canvas, Qt.MouseButton.LeftButton, pos=area.center().toPoint())
    assert page.canvas.opened == 2 and own.picture is None, "of several, the one to paint on is opened first"
    paint(own, (3, 3))
    assert np.array_equal(own.picture.fitted, results[2].pixels) and own.view.shown
    assert np.argwhere(own.picture.mask.values).tolist() == [[3, 3]]
    assert page.request.value().strength == 1
    page.panel.form.fields["count"].show_value(1)
    generate(page, qtbot)
    assert draw.asked[-1].source == own.digests[0] and draw.asked[-1].mask
    paint(own, (4, 3))  # more of it, on the result
    assert np.argwhere(own.picture.mask.values).tolist() == [[3, 3], [3, 4]]
    assert np.array_equal(own.picture.fitted, draw.picture(draw.asked[-1].seed))


def test_how_to_paint_is_told_on_this_page_only(opened, window):
    opened.tools.brush_action.trigger()
    assert window.status.message.text() == mask_tools.HOW
    window.contents.visit(1)
    assert window.status.message.text() == ""
    window.contents.visit(0)
    assert window.status.message.text() == mask_tools.HOW
    opened.tools.brush_action.trigger()
    window.contents.visit(1)
    window.contents.visit(0)
    assert window.status.message.text() == ""


def test_nothing_is_painted_on_a_picture_that_forms(own, page, qtbot, draw):
    draw.pause = 0.05
    page.generate()
    qtbot.waitUntil(lambda: bool(page.canvas.pictures))
    own.tools.brush_action.trigger()
    paint(own, (3, 3))
    assert own.picture is None and page.canvas.pictures[0].settings is not None
    page.generation.stop()


def test_a_mask_that_is_gone_is_said_so(own, page, qtbot):
    source = start_pictures.keep(pixels())
    with qtbot.waitSignal(page._context.status, check_params_cb=lambda text: "mask" in text):
        page.request.show(GenerationSettings(source=source, mask="cd" * 32))
    assert page.request.value().mask == "" and page.request.value().source == source


def test_a_mask_that_can_not_be_kept_stops_nothing_but_this(opened, page, draw, monkeypatch, qtbot):
    opened.tools.brush_action.trigger()
    paint(opened, (1, 1))

    def fail(*_):
        raise UserError("The disk is full.")

    monkeypatch.setattr(start_pictures, "keep_mask", fail)
    with qtbot.waitSignal(page._context.fault) as fault:
        page.generate()
    assert "full" in fault.args[0] and not draw.asked and not page.generation.running


@pytest.fixture
def real(own_folders, monkeypatch, tmp_path, qtbot, qapp):
    from diffusion_studio.generation import opening as models
    from diffusion_studio.models import cards
    from diffusion_studio.storage.places import models_dir
    from diffusion_studio.ui.base.settings_file import SettingsFile
    from diffusion_studio.ui.look.theme import Theme
    from diffusion_studio.ui.window.window import MainWindow

    def finish(window):
        for worker in window.workers():
            worker.cancel_all()
        qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=60_000)

    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "no-resources")
    save(models_dir() / "tiny", schedule="cosine", prediction="v_prediction")
    window = MainWindow(Theme(qapp), SettingsFile())
    qtbot.addWidget(window, before_close_func=finish)
    window.fill()
    window.show()
    qtbot.waitExposed(window)
    yield window.page
    models._opened.clear()


@pytest.mark.slow
def test_a_real_model_draws_only_what_is_painted(real, qtbot, tmp_path):
    page, own = real, real.start
    path = tmp_path / "mine.png"
    Image.fromarray(pixels(7)).save(path)
    page.request.show(GenerationSettings(model="tiny", steps=4, seed=3, precision="float32", sampler="ddim"))
    own.open(path)
    qtbot.waitUntil(lambda: own.picture is not None and own.picture.noise is not None, timeout=60_000)
    own.section.strength.number.setValue(0)
    with qtbot.waitSignal(page.generation.ended, timeout=60_000):
        page.generate()
    assert np.abs(page.canvas.pictures[0].pixels.astype(int) - pixels(7)).max() <= 1
    own.section.strength.number.setValue(0.8)
    drowned = page.canvas.pictures[0].pixels
    own.look()
    own.tools.brush_action.trigger()
    own.tools.brush.resize(3)
    own.picture.mask.begin()
    own.picture.mask.rectangle((4, 0), (7, 7), erase=False)
    own.picture.mask.end()
    own.tools._changed()
    assert np.array_equal(page.canvas.pictures[0].pixels[:, 4:], drowned[:, 4:])
    with qtbot.waitSignal(page.generation.ended, timeout=60_000):
        page.generate()
    result = page.canvas.pictures[0]
    assert np.abs(result.pixels[:, :4].astype(int) - pixels(7)[:, :4]).max() <= 1
    assert (result.pixels[:, 4:] != pixels(7)[:, 4:]).any()
    record = reading.read(result.path)
    assert np.array_equal(start_pictures.load_mask(record.settings.mask), own.picture.mask.values)
    assert Mask(SIZE, start_pictures.load_mask(record.settings.mask)).share == pytest.approx(0.5)
    page.steering.timeline.step_wanted.emit(0)
    first = page.canvas.pictures[0].layers["noisy"]
    assert np.abs(first[:, 4:].astype(int) - drowned[:, 4:]).max() <= 1, (
        "what was shown is what it began with"
    )
