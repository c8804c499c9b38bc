"""Holding, scrubbing, stopping, branching and choosing on the Generate page, over a job that draws without torch."""

from threading import Event

import numpy as np
import pytest
from PySide6.QtCore import Qt

from diffusion_studio.pictures import reading
from diffusion_studio.settings.branches import branch, parts
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import to_dict


@pytest.fixture
def page(window, draw):
    draw.forming = True
    return window.page


@pytest.fixture
def steering(page):
    return page.steering


def ask(page, **values):
    page.request.show(GenerationSettings(**{"model": "faces", "steps": 20, "seed": 7, **values}))


def run(qtbot, page, **values):
    """Generate with these settings and wait until it has ended."""
    ask(page, **values)
    finish(qtbot, page)


def finish(qtbot, page):
    with qtbot.waitSignal(page.generation.ended, timeout=10_000):
        page.generate()


def begin(qtbot, page, draw, **values):
    """Generate, and wait until it is well on its way."""
    draw.pause = 0.01
    ask(page, **{"steps": 500, **values})
    page.generate()
    qtbot.waitUntil(lambda: page.generation.step[0] > 3)


def held(qtbot, page):
    qtbot.waitUntil(lambda: page.generation._held_at is not None)
    return page.generation.step[0]


def pixel(page, cell=0, layer="denoised"):
    return page.canvas.pictures[cell].image(layer).pixelColor(0, 0).getRgb()[:3]


def formed(draw, seed, index, total):
    return tuple((draw.picture(seed)[0, 0] * (index / total)).astype(np.uint8))


# --- looking ---


def test_every_step_can_be_looked_at_after_the_run(page, steering, draw, qtbot):
    run(qtbot, page, count=3)
    timeline = steering.timeline
    assert timeline.track.index == 20 and timeline.readout.text().startswith("step 20 of 20")
    for index in (0, 13, 20):
        timeline.step_wanted.emit(index)
        assert timeline.track.index == index
        assert [pixel(page, k) for k in range(3)] == [formed(draw, 7 + k, index, 20) for k in range(3)]
    timeline.step_wanted.emit(13)
    page.bar.layers["noisy"].click()
    assert pixel(page, 1, "noisy") == tuple(255 - np.array(formed(draw, 8, 13, 20)))
    assert "noise that is still in it" in timeline.sentence.text()
    page.bar.layers["difference"].click()
    end, now = np.array(formed(draw, 8, 20, 20)), np.array(formed(draw, 8, 13, 20))
    assert pixel(page, 1, "difference") == tuple(end - now)
    assert page.canvas.pictures[1].settings.until == 13
    assert page.canvas.pictures[1].path is None  # the file is of the last step
    timeline.last.click()
    assert page.canvas.pictures[1].path is not None and page.canvas.pictures[1].settings.until == 0


def test_scrubbing_while_it_runs_stays_until_live_is_pressed(page, steering, draw, qtbot):
    begin(qtbot, page, draw)
    assert steering.timeline.live.isChecked()
    steering.timeline.step_wanted.emit(2)
    step = page.generation.step[0]
    qtbot.waitUntil(lambda: page.generation.step[0] > step + 3)
    assert steering.timeline.track.index == 2 and pixel(page) == formed(draw, 7, 2, 500)
    qtbot.waitUntil(lambda: steering.timeline.track.course.newest > step)  # the track goes on growing
    steering.timeline.live.click()
    assert steering.timeline.track.index > 2 and steering.timeline.live.isChecked()
    page.generation.stop()
    assert not steering.timeline.live.isEnabled()


def test_keys_on_the_canvas_go_through_the_steps_where_it_has_no_use_for_them(page, steering, qtbot):
    run(qtbot, page)
    page.canvas.setFocus()
    for key, step in (
        (Qt.Key.Key_Left, 19),
        (Qt.Key.Key_Home, 0),
        (Qt.Key.Key_Right, 1),
        (Qt.Key.Key_End, 20),
    ):
        qtbot.keyClick(page.canvas, key)
        assert steering.timeline.track.index == step
    qtbot.keyClick(page.canvas, Qt.Key.Key_Space)
    assert steering.timeline.play.isChecked()
    steering.timeline.stop_playing()
    run(qtbot, page, count=2)
    page.canvas.setFocus()
    qtbot.keyClick(page.canvas, Qt.Key.Key_Right)  # chooses a picture
    assert page.canvas.selected == 0 and steering.timeline.track.index == 20


def test_the_curve_follows_the_chosen_picture(page, steering, qtbot):
    run(qtbot, page, count=3)
    mean = steering.timeline.track.course.changes
    page.canvas.select(2)
    assert steering.timeline.track.course.changes != mean
    page.canvas.select(None)
    assert steering.timeline.track.course.changes == mean
    page.canvas.open_cell(1)
    steering.timeline.step_wanted.emit(5)
    assert page.canvas.opened == 1  # scrubbing leaves the view as it is


def test_another_picture_on_the_canvas_leaves_the_timeline_ready(page, steering, qtbot):
    run(qtbot, page, count=2)
    page.saved.show(page.strip.model.paths[0])
    qtbot.waitUntil(lambda: len(page.canvas.pictures) == 1)
    assert steering.timeline.track.index is None and not steering.branch_action.isEnabled()
    steering.timeline.step_wanted.emit(4)
    assert len(page.canvas.pictures) == 2 and steering.branch_action.isEnabled()


def test_play_shows_the_steps_on_the_canvas(page, steering, draw, qtbot, monkeypatch):
    monkeypatch.setattr("diffusion_studio.ui.generate.timeline.timeline.PLAYED_IN", 0)
    run(qtbot, page)
    seen = set()
    steering.timeline.step_wanted.connect(lambda index: seen.add(pixel(page)))
    steering.timeline.play.click()
    qtbot.waitUntil(lambda: not steering.timeline.play.isChecked())
    assert len(seen) == len({formed(draw, 7, index, 20) for index in range(21)})


def test_everything_fits_the_smallest_window(window, page, steering, draw, qtbot):
    run(qtbot, page, count=2, seed=4_294_967_200)
    steering.timeline.step_wanted.emit(12)
    steering.branch_action.trigger()
    page.request.show(branch(steering.run.settings, 12, seed=1, sampler="heun", guidance=3.25))
    finish(qtbot, page)
    window.resize(*window.minimumSize().toTuple())
    qtbot.waitUntil(lambda: window.width() == window.minimumWidth())
    assert window.contents.minimumSizeHint().width() <= window.width()
    assert page.bar._left.geometry().right() < page.bar._right.geometry().left()


# --- holding ---


def test_pause_step_and_resume(page, steering, draw, qtbot):
    begin(qtbot, page, draw, steps=40)
    steering.hold_action.trigger()
    index = held(qtbot, page)
    assert page.panel.foot.line.text() == f"Paused at step {index} of 40"
    assert steering.hold_action.text() == "Resume" and steering.timeline.hold.isChecked()
    assert pixel(page) == formed(draw, 7, index, 40)  # the very last preview is on the canvas
    steering.step_action.trigger()
    qtbot.waitUntil(lambda: page.generation.step[0] == index + 1)
    assert held(qtbot, page) == index + 1
    with qtbot.waitSignal(page.generation.ended):
        steering.hold_action.trigger()
    assert page.panel.foot.line.text().startswith("Done") and not steering.hold_action.isEnabled()
    assert steering.hold_action.text() == "Pause" and len(page.strip.model.paths) == 1


def test_pause_before_there_is_a_picture_holds_at_the_first(page, steering, draw, qtbot):
    ask(page, steps=40)
    before = Event()

    def busy():
        before.wait(10)
        yield

    page.generation.worker.submit(busy())
    page.generate()
    steering.hold_action.trigger()
    before.set()
    assert held(qtbot, page) == 0
    assert page.canvas.pictures and steering.timeline.track.index == 0
    with qtbot.waitSignal(page.generation.ended):
        steering.hold_action.trigger()


def test_single_step_of_a_running_run_pauses_it(page, steering, draw, qtbot):
    begin(qtbot, page, draw)
    steering.timeline.step.click()
    held(qtbot, page)
    assert page.generation.paused
    page.generation.stop()
    qtbot.waitUntil(lambda: not page.generation.worker.busy)


def test_what_was_waited_does_not_count_as_work(page, steering, draw, qtbot):
    begin(qtbot, page, draw)
    steering.toggle_pause()
    held(qtbot, page)
    page.generation._held_at -= 1000  # long ago
    steering.single_step()
    assert page.generation._idle > 999
    page.generation.stop()
    qtbot.waitUntil(lambda: not page.generation.worker.busy)


def test_closing_while_paused(window, page, steering, draw, qtbot):
    begin(qtbot, page, draw)
    steering.toggle_pause()
    held(qtbot, page)
    with qtbot.waitSignal(window.closed, timeout=5_000):
        window.close()
    assert draw.closed == 1


# --- stopping ---


def test_stop_holds_and_offers_three_ways(window, page, steering, draw, qtbot):
    begin(qtbot, page, draw)
    page.panel.foot.stop.setFocus()
    page.panel.foot.stop.click()
    index = held(qtbot, page)
    choices = page.panel.foot.choices
    assert choices.isVisible() and choices.keep.hasFocus() and not page.panel.foot.button.isVisible()
    qtbot.wait(30)
    assert page.generation.step[0] == index and page.generation.running
    page.generation.stop()
    assert not choices.isVisible() and page.panel.foot.button.hasFocus()


def test_keep_saves_the_picture_as_it_is(page, steering, draw, qtbot):
    begin(qtbot, page, draw, count=2)
    page.stop()
    index = held(qtbot, page)
    with qtbot.waitSignal(page.generation.ended):
        page.panel.foot.choices.keep.click()
    assert page.panel.foot.line.text().startswith(f"Saved at step {index}")
    kept = reading.read(page.canvas.pictures[1].path)
    assert kept.settings.until == index and kept.settings.seed == 8
    assert tuple(kept.pixels()[0, 0]) == formed(draw, 8, index, 500)


def test_finish_goes_on_to_the_end(page, steering, draw, qtbot):
    begin(qtbot, page, draw, steps=40)
    page.stop()
    held(qtbot, page)
    with qtbot.waitSignal(page.generation.ended):
        page.panel.foot.choices.finish.click()
    assert page.panel.foot.line.text().startswith("Done") and len(page.strip.model.paths) == 1


def test_esc_twice_discards(window, page, draw, qtbot):
    begin(qtbot, page, draw)
    window.activateWindow()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert page.generation.running and page.panel.foot.choices.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not page.generation.running and page.panel.foot.button.isVisible()
    qtbot.waitUntil(lambda: draw.closed == 1)
    assert not page.strip.model.paths


def test_a_short_run_is_stopped_without_asking(page, draw, qtbot):
    draw.pause = 0.02
    ask(page, steps=15)  # 1.5 s, as its job says
    page.generate()
    qtbot.waitUntil(lambda: page.generation.step[0] > 3)
    page.stop()
    assert not page.generation.running and not page.panel.foot.choices.isVisible()
    assert page.panel.foot.line.text().startswith("Stopped at step")
    assert page.steering.run.newest >= 3 and page.steering.branch_action.isEnabled()  # its steps stay


def test_pause_again_after_stop_means_go_on(page, steering, draw, qtbot):
    begin(qtbot, page, draw, steps=60)
    page.stop()
    held(qtbot, page)
    with qtbot.waitSignal(page.generation.ended):
        steering.hold_action.trigger()
    assert not page.panel.foot.choices.isVisible() and page.panel.foot.line.text().startswith("Done")


# --- branching ---


def test_a_branch_goes_on_from_the_step_that_is_shown(page, steering, draw, qtbot):
    run(qtbot, page, count=3, guidance=2.5)
    parent = steering.run
    ask(page, steps=33, seed=1234)  # the form has moved on meanwhile
    steering.timeline.step_wanted.emit(12)
    steering.branch_action.trigger()
    value = page.request.value()
    assert (value.steps, value.seed, value.guidance, value.count) == (20, 7, 2.5, 3)
    assert parts(value) == [(parent.settings, 12)]
    assert page.panel.note.title.text() == "Branching from step 12 of seed 7"
    assert page.panel.foot.button.text() == "Branch" and not page.panel.form.fields["count"].isEnabled()
    page.request.lock_seed(99)
    finish(qtbot, page)
    asked, start = draw.asked[-1], draw.starts[-1]
    assert asked == branch(parent.settings, 12, seed=99)
    assert start.index == 12 and start.pictures == (0, 1, 2) and start.settings == parent.settings
    saved = reading.read(page.canvas.pictures[1].path).settings
    assert saved.seed == 100 and saved.history and parts(saved)[0][0].seed == 8
    timeline = steering.timeline
    assert timeline.track.course.first == 12 and timeline.track.index == 20
    timeline.step_wanted.emit(5)
    assert pixel(page) == formed(draw, 7, 5, 20)  # the parent's


def test_the_chain_leads_back_to_the_parent_and_forth(page, steering, draw, qtbot):
    run(qtbot, page, count=2)
    steering.timeline.step_wanted.emit(12)
    steering.branch_action.trigger()
    page.request.lock_seed(99)
    finish(qtbot, page)
    links = steering.timeline._links
    assert [link.text() for link in links] == ["seed 7", "step 12 ▸ seed 99"]
    assert links[1].isChecked() and not links[0].isChecked()
    links[0].click()
    assert page.canvas.pictures[0].settings.seed == 7 and page.canvas.pictures[0].path is not None
    assert steering.timeline.track.course.first == 0
    steering.timeline._links[1].click()
    assert page.canvas.pictures[0].settings.seed == 99


def test_cancel_brings_the_form_back(window, page, steering, qtbot):
    run(qtbot, page)
    ask(page, steps=33, seed=1234)
    before = page.request.value()
    steering.branch_action.trigger()
    assert page.request.value() != before
    page.panel.note.close_button.click()
    assert page.request.value() == before and not page.panel.note.isVisible()
    assert page.panel.foot.button.text() == "Generate" and page.panel.form.fields["count"].isEnabled()
    steering.branch_action.trigger()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert page.request.value() == before


def test_the_opened_picture_is_branched_alone(page, steering, draw, qtbot):
    run(qtbot, page, count=4)
    page.canvas.open_cell(2)
    steering.timeline.step_wanted.emit(6)
    steering.branch_action.trigger()
    assert page.panel.note.title.text() == "Branching from step 6 of seed 7, image 3 of 4"
    finish(qtbot, page)
    assert draw.starts[-1].pictures == (2,) and len(page.canvas.pictures) == 1
    assert page.canvas.pictures[0].settings.seed == 9
    steering.timeline.step_wanted.emit(3)
    assert pixel(page) == formed(draw, 9, 3, 20)


def test_a_branch_of_a_branch_and_of_its_parents_part(page, steering, draw, qtbot):
    run(qtbot, page)
    root = steering.run
    for step, seed in ((6, 50), (12, 60)):
        steering.timeline.step_wanted.emit(step)
        steering.branch_action.trigger()
        page.request.lock_seed(seed)
        finish(qtbot, page)
    assert [step for _, step in parts(draw.asked[-1])] == [6, 12]
    steering.timeline.step_wanted.emit(3)  # before both branches
    steering.branch_action.trigger()
    finish(qtbot, page)
    assert draw.asked[-1] == branch(root.settings, 3) and steering.run.parent is root


def test_a_branch_from_a_paused_run(page, steering, draw, qtbot):
    begin(qtbot, page, draw)
    assert not steering.branch_action.isEnabled()
    steering.toggle_pause()
    index = held(qtbot, page)
    steering.timeline.step_wanted.emit(2)
    assert steering.branch_action.isEnabled()
    steering.branch_action.trigger()
    assert not page.generation.running and page.panel.foot.button.text() == "Branch"
    assert steering.run.newest == index
    page.panel.form.fields["steps"].show_value(20)
    finish(qtbot, page)
    assert draw.starts[-1].index == 2


def test_a_picture_with_a_past_brings_it_to_the_form(page, steering, draw, qtbot):
    run(qtbot, page, count=2)
    steering.timeline.step_wanted.emit(12)
    steering.branch_action.trigger()
    page.request.lock_seed(99)
    finish(qtbot, page)
    path, settings = page.canvas.pictures[1].path, page.canvas.pictures[1].settings
    page.panel.note.close_button.click()
    assert not page.request.value().history
    page.saved.use_settings(path)
    qtbot.waitUntil(lambda: bool(page.request.value().history))
    assert page.request.value() == settings
    assert page.panel.note.isVisible() and page.panel.note.title.text() == "Branch of seed 8 at step 12"
    page.request.lock_seed(5)
    assert parts(page.request.value())[0][0].seed == 8  # what was walked stays walked with its own seed
    page.reuse.use({"seed": 6})
    assert page.panel.note.isVisible() and page.request.value().seed == 6
    page.panel.note.close_button.click()
    assert not page.request.value().history and page.request.value().seed == 6
    page.reuse.use({"model": "faces", "steps": 9})
    assert not page.request.value().history


def test_a_picture_of_a_batch_keeps_its_place_there_until_a_setting_changes(page, draw, qtbot, window):
    run(qtbot, page, count=3)
    picture = page.canvas.pictures[1]
    page.saved.use_settings(picture.path)
    qtbot.waitUntil(lambda: page.request.value() == picture.settings)
    assert page.request.value().batch == "-,0,-"
    assert "a batch of 3" in window.status.message.text()
    steps = page.panel.form.fields["steps"]
    steps.show_value(9)
    assert page.request.value().batch == ""
    steps.show_value(picture.settings.steps)
    assert page.request.value() == picture.settings
    page.reuse.use({"seed": 6})
    assert page.request.value().batch == ""
    for other in ({"seed": None}, {"model": "gone"}):
        window.status.message.setText("")
        page.reuse.use({**to_dict(picture.settings), **other})
        assert page.request.value().batch == "" and not window.status.message.text()


def test_the_past_does_not_come_back_at_the_next_start(make_window, draw, qtbot):
    first = make_window()
    first.page.request.show(branch(GenerationSettings(model="faces", seed=3), 4, seed=5))
    with qtbot.waitSignal(first.closed):
        first.close()
    value = make_window().page.request.value()
    assert value.seed == 5 and not value.history


# --- few steps first ---


def test_the_step_to_stop_at_outlasts_the_typing_of_another_number_of_steps(page, qtbot):
    few, steps = page.panel.few_steps, page.panel.form.fields["steps"].number
    ask(page, count=4, steps=20)
    assert few.number.value() == 6  # a share of the steps
    few.check.click()
    few.number.setValue(5)
    steps.setFocus()
    steps.selectAll()
    qtbot.keyClicks(steps, "30")  # is 3 for a moment
    assert few.number.value() == 5 and page.request.value().until == 5
    page.request.show(GenerationSettings(model="faces", steps=20, count=4))
    assert few.number.value() == 6 and not few.check.isChecked()


def test_choosing_which_pictures_of_a_batch_to_finish(page, steering, draw, qtbot):
    few = page.panel.few_steps
    ask(page, count=1)
    assert not few.check.isVisible()
    ask(page, count=4)
    assert few.check.isVisible() and few.number.value() == 6
    few.check.click()
    few.number.setValue(5)
    finish(qtbot, page)
    assert draw.asked[-1].until == 5 and draw.saving == [False]
    ticks = page.next_run.ticks
    assert len(ticks.ticks) == 4 and all(tick.isVisible() for tick in ticks.ticks)
    assert not page.panel.foot.button.isEnabled() and page.panel.note.isVisible()
    assert ticks.ticks[3].geometry().contains(page.canvas.cell_rect(3).center().toPoint())
    qtbot.mouseClick(ticks.ticks[3], Qt.MouseButton.LeftButton)
    qtbot.keyClick(ticks.ticks[1], Qt.Key.Key_Space)
    assert page.panel.foot.button.text() == "Finish 2 of 4"
    finish(qtbot, page)
    assert draw.asked[-1].until == 0 and draw.starts[-1].pictures == (1, 3) and draw.saving[-1]
    assert [picture.settings.seed for picture in page.canvas.pictures] == [8, 10]
    assert not page.canvas.pictures[0].settings.history  # the same as drawn in one go
    assert (
        not ticks.asking and page.panel.foot.button.text() == "Generate" and not page.panel.note.isVisible()
    )
    assert steering.timeline.track.course.first == 5
    assert [link.text() for link in steering.timeline._links] == ["seed 7", "2 selected at step 5"]
    steering.timeline._links[0].click()  # and others of them
    assert ticks.asking and len(page.canvas.pictures) == 4


def test_ticks_all_none_keys_and_cancel(page, steering, draw, qtbot):
    run(qtbot, page, count=4, until=5)
    ticks, note = page.next_run.ticks, page.panel.note
    note.all.click()
    assert ticks.chosen == (0, 1, 2, 3) and page.panel.foot.button.text() == "Finish 4 of 4"
    note.none.click()
    assert ticks.chosen == () and not page.panel.foot.button.isEnabled()
    page.activateWindow()
    ticks.ticks[0].setFocus()
    qtbot.waitUntil(ticks.ticks[0].hasFocus)
    qtbot.keyClick(ticks.ticks[0], Qt.Key.Key_Right)
    qtbot.keyClick(ticks.ticks[1], Qt.Key.Key_Down)
    assert ticks.ticks[3].hasFocus()
    assert len({tick.accessibleName() for tick in ticks.ticks}) == 4
    page.canvas.open_cell(2)
    assert [tick.isVisible() for tick in ticks.ticks] == [False, False, True, False]
    page.canvas.open_cell(None)
    note.close_button.click()
    assert (
        not ticks.asking
        and page.panel.foot.button.text() == "Generate"
        and page.panel.foot.button.isEnabled()
    )


def test_ticks_hide_while_another_picture_is_looked_at(page, steering, draw, qtbot):
    run(qtbot, page, seed=100)
    path = page.strip.model.paths[0]
    run(qtbot, page, count=4, until=5)
    page.saved.show(path)
    qtbot.waitUntil(lambda: len(page.canvas.pictures) == 1)
    assert not any(tick.isVisible() for tick in page.next_run.ticks.ticks)
    steering.timeline.step_wanted.emit(2)
    assert all(tick.isVisible() for tick in page.next_run.ticks.ticks)


def test_one_picture_stopped_early_is_simply_kept(page, steering, draw, qtbot):
    run(qtbot, page, until=5)
    assert draw.saving == [True] and not page.next_run.ticks.asking
    assert reading.read(page.canvas.pictures[0].path).settings.until == 5
