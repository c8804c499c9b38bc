"""Comparing in the window: axes, the sheet as it fills, its cells' settings, two pictures against each other, files."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt

from diffusion_studio import events
from diffusion_studio.jobs import generate as generate_jobs
from diffusion_studio.pictures import reading
from diffusion_studio.pictures.listing import newest
from diffusion_studio.settings.axes import Axis, parse_axis
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.compare.layout import GAP, LABEL, arrange, zoomed
from diffusion_studio.ui.compare.painting import DONE, FAILED, WAITING
from diffusion_studio.ui.pictures.pair import PairView, alike, difference
from diffusion_studio.ui.pictures.picture import Picture
from tests.shown import shown_views


def pixels(level, size=8):
    return np.full((size, size, 3), level, np.uint8)


@pytest.fixture
def drawing(monkeypatch):
    """Stands in for the models: `jobs.compare` fills its cells as the real one does."""
    control = SimpleNamespace(asked=[], pause=0.0, faults={}, closed=0)

    def compare(comparison, *, save=True, folder=None, cells=False):
        control.asked.append(comparison)
        try:
            yield events.Status(text="Loading Faces…")
            for number, place in enumerate(comparison.places()):
                yield from cell(comparison, place, number)
            yield events.Finished(seconds=2.0, steps_per_second=9.0)
        finally:
            control.closed += 1

    def cell(comparison, place, number):
        column, row = place
        own, at = comparison.cells[place], {"column": column, "row": row}
        yield events.CellStarted(**at, settings=own.settings)
        for index in range(3):
            shown = pixels(number)[None]
            yield events.CellPreview(
                **at,
                index=index,
                total=2,
                sigma=1.0,
                timestep=1.0,
                views=shown_views(shown, shown),
                seconds=0.1,
            )
            time.sleep(control.pause)
        if place in control.faults:
            own.reason = control.faults[place]
            yield events.CellFailed(**at, settings=own.settings, reason=own.reason)
        else:
            own.picture = pixels(10 * number)
            yield events.CellDone(**at, settings=own.settings, picture=own.picture, seconds=0.1, steps=2)

    monkeypatch.setattr("diffusion_studio.ui.compare.view.compare", compare)
    return control


@pytest.fixture
def page(window, drawing):
    window.page.compare.action.trigger()
    return window.page


def choose(page, across, down=None):
    head = page.compare.view.head
    head.columns.show_axis(parse_axis(across))
    head.rows.show_axis(parse_axis(down) if down else None)


def finish(page, qtbot):
    with qtbot.waitSignal(page.compare.view.ended, timeout=10_000):
        page.generate()
    return page.compare.view


def click(sheet, qtbot, place, *, modifier=Qt.KeyboardModifier.NoModifier):
    point = sheet.cell_rect(place).center().toPoint()
    qtbot.mouseClick(sheet.viewport(), Qt.MouseButton.LeftButton, modifier, point)


# Three by three


def test_three_by_three_is_driven_from_the_axes_to_the_settings_of_a_cell(page, qtbot, drawing):
    choose(page, "sampler=ddim,dpmpp_2m,heun", "steps=5,10,20")
    assert page.panel.foot.button.text() == "Compare 9 images"
    page.request.lock_seed(42)
    view = finish(page, qtbot)
    comparison = drawing.asked[0]
    assert {cell.settings.seed for cell in comparison.cells.values()} == {42}
    assert [cell.state for cell in view.sheet.cells.values()] == [DONE] * 9
    assert view.sheet.cells[2, 1].settings.sampler == "heun"
    assert view.sheet.cells[2, 1].settings.steps == 10
    assert np.array_equal(view.sheet.cells[2, 1].picture.pixels, pixels(50))
    assert page.panel.foot.line.text() == "9 of 9 images in 2.0 s"
    click(view.sheet, qtbot, (2, 1))
    shown = page.request.value()
    assert (shown.sampler, shown.steps, shown.seed) == ("heun", 10, 42)
    assert page.request.locked and page.compare.shown


def test_the_sheet_shows_each_picture_in_its_row_and_column_as_large_as_it_can(page, qtbot):
    choose(page, "steps=5,10", "guidance=1,2,3")
    sheet = finish(page, qtbot).sheet
    image = sheet.viewport().grab().toImage()
    for number, place in enumerate((column, row) for row in range(3) for column in range(2)):
        middle = sheet.cell_rect(place).center().toPoint()
        assert image.pixelColor(middle).red() == 10 * number
        assert sheet.viewport().rect().contains(sheet.cell_rect(place).toAlignedRect())
    assert sheet.layout_.scale >= 8 and sheet.layout_.scale == int(sheet.layout_.scale)


def test_a_random_seed_is_drawn_once_and_shown_in_the_panel(page, qtbot, drawing):
    page.request.lock_seed(None)
    choose(page, "steps=5,10")
    finish(page, qtbot)
    assert drawing.asked[0].settings.seed == page.request.settings.seed is not None


def test_stop_keeps_what_is_done_and_compare_can_begin_again(page, qtbot, drawing):
    drawing.pause = 0.1
    choose(page, "seed=1,2,3,4,5,6")
    page.generate()
    view = page.compare.view
    qtbot.waitUntil(lambda: [cell.state for cell in view.sheet.cells.values()][:2] == [DONE, DONE])
    assert page.panel.foot.stop.isVisible() and not page.panel.foot.button.isEnabled() and page.working
    page.panel.foot.stop.click()
    states = [cell.state for cell in view.sheet.cells.values()]
    assert states[:2] == [DONE, DONE] and states[-1] == WAITING and not page.working
    assert page.panel.foot.button.text() == "Compare 6 images" and view.save_sheet.isVisible()
    drawing.pause = 0.0
    qtbot.waitUntil(lambda: drawing.closed == 1)
    finish(page, qtbot)
    assert view._comparison.done == 6


def test_a_fault_stands_in_its_cell(page, qtbot, drawing):
    drawing.faults = {(1, 0): "Faces has no class “nothing”."}
    choose(page, "class=beard,glasses", "steps=5,10")
    sheet = finish(page, qtbot).sheet
    assert sheet.cells[1, 0].state == FAILED and "no class" in sheet.cells[1, 0].words
    assert [cell.state for cell in sheet.cells.values()].count(DONE) == 3
    assert page.panel.foot.line.text().startswith("3 of 4 images")


# Axes


def test_what_can_differ_follows_the_model(page):
    def offered():
        editor = page.compare.view.head.columns.setting
        return {editor.itemData(row) for row in range(editor.count())}

    assert {"sampler", "steps", "model", "class_label", "guidance"} <= offered()
    assert not {"strength", "variation_strength", "resamples"} & offered()
    page.request.choose_model("plain")
    assert not {"class_label", "guidance"} & offered() and "sampler" in offered()


def test_choices_are_ticked_and_numbers_are_typed(page, qtbot):
    head = page.compare.view.head
    choose(page, "sampler=ddim", "steps=5")
    item = next(
        item
        for k in range(head.columns.checks.list.count())
        if (item := head.columns.checks.list.item(k)).text() == "Heun"
    )
    item.setCheckState(Qt.CheckState.Checked)
    assert head.columns.axis() == Axis("sampler", ("ddim", "heun"))
    head.rows.numbers.clear()
    qtbot.keyClicks(head.rows.numbers, "5, 10..30:10")
    assert head.axes()[1] == Axis("steps", (5, 10, 20, 30))
    assert page.panel.foot.button.text() == "Compare 8 images"
    head.columns.setting.show_value("spacing")
    head.columns.setting.show_value("sampler")
    assert head.columns.axis().values == ("ddim", "heun")  # what was chosen is not forgotten


@pytest.mark.parametrize(
    ("across", "text", "sentence"),
    [
        ("steps", "0", "between 1 and 1000"),
        ("seed", "x", "whole number"),
        ("seed", "1..500", "400 are the most"),
    ],
)
def test_what_cannot_be_compared_is_said_at_once(page, qtbot, across, text, sentence):
    head = page.compare.view.head
    head.columns.setting.show_value(across)
    head.columns.numbers.clear()
    qtbot.keyClicks(head.columns.numbers, text)
    assert sentence in head.summary.text() and not page.panel.foot.button.isEnabled()


def test_random_seeds_are_as_many_as_before(page):
    choose(page, "seed=1,2,3,4,5")
    head = page.compare.view.head
    head.columns.dice.click()
    drawn = head.columns.axis().values
    assert len(drawn) == 5 and drawn != (1, 2, 3, 4, 5)


# Going back and forth


def test_escape_goes_from_two_pictures_to_the_sheet_and_to_the_canvas(page, qtbot):
    choose(page, "steps=5,10")
    view = finish(page, qtbot)
    assert not page.strip.isVisible() and page.view.middle.currentWidget() is view
    click(view.sheet, qtbot, (0, 0))
    click(view.sheet, qtbot, (1, 0), modifier=Qt.KeyboardModifier.ControlModifier)
    assert view.two.isVisible()
    assert page.toast_floor().isAncestorOf(view.save_sheet)
    view.two.click()
    assert view.stack.currentWidget() is view.pair
    assert page.toast_floor().isAncestorOf(view.pair.back), "toasts lie above its buttons"
    assert np.array_equal(view.pair.left.pixels, pixels(0)) and view.pair.names[1] == "Steps 10"
    page.generate_commands.stop.trigger()
    assert view.stack.currentWidget() is view.sheet and page.compare.shown
    page.generate_commands.stop.trigger()
    assert not page.compare.shown and page.view.middle.currentIndex() == 0 and page.strip.isVisible()
    assert page.panel.foot.button.text() == "Generate"


def test_generating_goes_on_as_usual_afterwards(page, qtbot, draw):
    choose(page, "steps=5,10")
    finish(page, qtbot)
    page.compare.action.trigger()
    with qtbot.waitSignal(page.generation.ended, timeout=10_000):
        page.generate()
    assert len(draw.asked) == 1 and len(page.canvas.pictures) == 1


def test_leaving_stops_what_is_drawn(page, qtbot, drawing):
    drawing.pause = 0.1
    choose(page, "seed=1..50")
    page.generate()
    qtbot.waitUntil(lambda: page.compare.view._comparison.done >= 1)
    page.compare.action.trigger()
    assert not page.working
    qtbot.waitUntil(lambda: drawing.closed == 1)


def test_a_cell_is_shown_on_the_canvas(page, qtbot):
    choose(page, "steps=5,10")
    view = finish(page, qtbot)
    view._show_alone((1, 0))
    assert not page.compare.shown and page.canvas.pictures[0].settings.steps == 10


def test_keys_go_through_the_cells(page, qtbot):
    choose(page, "steps=5,10", "guidance=1,2")
    view = finish(page, qtbot)
    for key, place in (
        (Qt.Key.Key_Right, (0, 0)),
        (Qt.Key.Key_Right, (1, 0)),
        (Qt.Key.Key_Down, (1, 1)),
        (Qt.Key.Key_Down, (1, 1)),
        (Qt.Key.Key_Left, (0, 1)),
    ):
        qtbot.keyClick(view.sheet, key)
        assert view.sheet.selected == [place]
    qtbot.keyClick(view.sheet, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert view.sheet.selected == [(0, 1), (1, 1)]
    qtbot.keyClick(view.sheet, Qt.Key.Key_Return)
    assert page.request.value().steps == 10 and page.request.value().guidance == 2
    assert "Steps 10" in view.sheet.accessibleDescription()


# Files


def test_the_sheet_and_its_pictures_are_saved(page, qtbot, tmp_path, choose_file, window):
    choose(page, "sampler=ddim,heun", "steps=5,10")
    page.request.lock_seed(9)
    view = finish(page, qtbot)
    target = tmp_path / "sheet.png"
    choose_file(target)
    with qtbot.waitSignal(window.context.background.idle, timeout=10_000):
        view.save_sheet.click()
    record = reading.read(target)
    assert record.settings.seed == 9 and not record.refused
    assert [axis["setting"] for axis in record.facts["compare"]] == ["sampler", "steps"]
    choose_file(tmp_path / "cells")
    with qtbot.waitSignal(window.context.background.idle, timeout=10_000):
        view.save_cells.click()
    saved = [reading.read(path) for path in newest(tmp_path / "cells")]
    assert sorted((r.settings.sampler, r.settings.steps) for r in saved) == [
        ("ddim", 5),
        ("ddim", 10),
        ("heun", 5),
        ("heun", 10),
    ]


# Where cells lie


def test_one_axis_goes_on_in_the_next_row_and_is_hit_where_it_lies():
    laid = arrange(10, None, (8, 8), (800, 500), left=16, top=16, ratio=1.0, crisp=True)
    assert laid.wrapped and laid.columns == 5 and laid.scale == int(laid.scale)
    for number in range(10):
        x, y, width, height = laid.rect((number, 0))
        assert x >= 0 and x + width <= 800 and y >= 0 and y + height <= 500
        assert laid.hit(x + width / 2, y + height / 2) == (number, 0)
        assert laid.hit(x + width + GAP / 2, y) is None
        assert laid.hit(x + width / 2, y - LABEL / 2) is None


def test_many_cells_scroll_instead_of_vanishing_and_labels_take_no_clicks():
    laid = arrange(400, 20, (32, 32), (600, 400), left=80, top=60, ratio=1.0, crisp=True)
    assert laid.cell[0] >= 32 and laid.extent[0] > 600 and laid.extent[1] > 400
    scrolled = arrange(
        400, 20, (32, 32), (600, 400), left=80, top=60, ratio=1.0, crisp=True, scrolled=(100, 100)
    )
    x, y, _, _ = scrolled.rect((5, 5))
    assert (x, y) == tuple(value - 100 for value in laid.rect((5, 5))[:2])
    assert scrolled.hit(40, 200) is None and scrolled.hit(300, 30) is None
    assert zoomed(3.0, -5, (32, 32), crisp=True) == 1.0 and zoomed(3.0, 2, (32, 32), crisp=True) == 5.0


# Two pictures


@pytest.fixture
def pair(qtbot, qapp):
    view = PairView(Picture({"denoised": pixels(100)}), Picture({"denoised": pixels(160)}), names=("a", "b"))
    qtbot.addWidget(view)
    view.resize(600, 400)
    view.show()
    qtbot.waitExposed(view)
    return view


def seen(pair, area, x):
    point = QPoint(int(area.left() + x * area.width()), int(area.center().y() - 40))
    return pair.grab().toImage().pixelColor(point).red()


def test_side_by_side_slider_and_difference_show_what_they_say(pair, qtbot):
    left, right = pair.areas()
    assert (seen(pair, left, 0.5), seen(pair, right, 0.5)) == (100, 160)
    assert "60.0 / 255" in pair.words.text()
    qtbot.keyClick(pair, Qt.Key.Key_2)
    (area,) = pair.areas()
    assert (seen(pair, area, 0.25), seen(pair, area, 0.75)) == (100, 160)
    qtbot.mousePress(
        pair,
        Qt.MouseButton.LeftButton,
        pos=QPoint(int(area.left() + 0.9 * area.width()), int(area.center().y())),
    )
    assert pair.position == pytest.approx(0.9, abs=0.01) and seen(pair, area, 0.75) == 100
    qtbot.keyClick(pair, Qt.Key.Key_Home)
    assert pair.position == 0 and seen(pair, area, 0.25) == 160
    pair.buttons["difference"].click()
    assert seen(pair, area, 0.5) == 128 + 2 * 60


def test_pictures_of_two_sizes_are_shown_equally_large(pair):
    pair.show_pictures(Picture({"denoised": pixels(5, 16)}), Picture({"denoised": pixels(5, 8)}))
    left, right = pair.areas()
    assert left.size() == right.size() and pair.words.text() == "Identical"
    pair.show_pictures(Picture({"denoised": pixels(5, 9)}), Picture({"denoised": pixels(5, 8)}))
    assert pair.words.text() == ""
    for mode in pair.buttons:
        pair.show_mode(mode)
        assert not pair.grab().isNull()


def test_what_is_alike_is_grey():
    same = alike(pixels(7, 8), pixels(7, 16))
    assert same is not None and (difference(*same) == 128).all()
    assert alike(pixels(1, 8), pixels(1, 12)) is None


# The real thing


@pytest.mark.slow
def test_it_compares_with_a_real_model_what_generating_draws(own_folders, monkeypatch, tmp_path, qtbot, qapp):
    from diffusion_studio.events import Preview
    from diffusion_studio.generation import opening as models
    from diffusion_studio.models import cards
    from diffusion_studio.ui.base.settings_file import SettingsFile
    from diffusion_studio.ui.look.theme import Theme
    from diffusion_studio.ui.window.window import MainWindow
    from tests.model_folders import save

    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "no-resources")
    save(own_folders / "models" / "tiny")

    def rest(window):
        for worker in window.workers():
            worker.cancel_all()
        qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=60_000)

    window = MainWindow(Theme(qapp), SettingsFile())
    qtbot.addWidget(window, before_close_func=rest)
    window.fill()
    window.show()
    qtbot.waitExposed(window)
    page = window.page
    page.request.show(GenerationSettings(model="tiny", seed=5, precision="float32"))
    page.compare.action.trigger()
    choose(page, "sampler=ddim,dpmpp_2m,heun", "steps=2,3,4")
    with qtbot.waitSignal(page.compare.view.ended, timeout=120_000):
        page.generate()
    for cell in page.compare.view.sheet.cells.values():
        drawn = [e for e in generate_jobs.generate(cell.settings, save=False) if isinstance(e, Preview)][-1]
        assert np.array_equal(cell.picture.pixels, drawn.denoised[0])
    models._opened.clear()


# What the panel has to say meanwhile


def test_an_unlocked_seed_is_that_of_the_image_on_the_canvas(page, qtbot, drawing):
    shown = Picture({"denoised": pixels(1)}, settings=GenerationSettings(model="faces", seed=4711))
    page.steering.show_elsewhere(shown)
    page.request.change(seed=5)
    page.request.lock(False)
    choose(page, "sampler=ddim,heun", "steps=5,10")
    finish(page, qtbot)
    assert {cell.settings.seed for cell in drawing.asked[0].cells.values()} == {4711}
    assert page.request.settings.seed == 4711 and not page.request.locked


def test_what_the_axes_decide_is_disabled_in_the_panel(page, qtbot):
    fields = page.panel.form.fields
    choose(page, "sampler=ddim,heun", "steps=5,10")
    assert not any(fields[name].isEnabled() for name in ("sampler", "steps", "count"))
    assert fields["guidance"].isEnabled()
    choose(page, "guidance=1,2", "steps=5,10")
    assert fields["sampler"].isEnabled() and not fields["guidance"].isEnabled()
    page.request.lock_seed(3)  # any change of the panel leaves them as they are
    assert not fields["count"].isEnabled()
    page.compare.action.setChecked(False)
    assert all(fields[name].isEnabled() for name in ("sampler", "steps", "count", "guidance"))


def test_an_empty_comparison_says_what_will_be_there_and_a_cell_what_it_applied(page, qtbot, window):
    said = []
    window.context.status.connect(said.append)
    view = page.compare.view
    assert view.sheet.message.title == "Your comparison grid will appear here"
    names = [editor.setting.accessibleName() for editor in (view.head.columns, view.head.rows)]
    assert names == ["Columns: setting", "Rows: setting"]
    choose(page, "sampler=ddim,dpmpp_2m", "steps=1,10")
    assert view.head.summary.text().startswith("4 images of one seed")
    finish(page, qtbot)
    click(view.sheet, qtbot, (0, 1))
    assert said[-1] == "Applied: DPM++ 2M, 10 steps"
    click(view.sheet, qtbot, (1, 0))
    assert said[-1] == "Applied: DDIM, 1 step"


def test_the_same_setting_for_columns_and_rows_is_refused_in_a_sentence(page):
    choose(page, "steps=1,2", "steps=3,4")
    words = page.compare.view.head.summary.text()
    assert words == "Columns and rows both vary Steps. Choose another setting for one of them."
    assert page.compare.view.head.count == 0
