"""Queued generations in the window: added while one runs, reordered, cancelled, failed and retried, and kept over a restart."""

import pytest
from PySide6.QtCore import Qt

from diffusion_studio.errors import UserError
from diffusion_studio.jobs.queue import GenerationQueue
from diffusion_studio.settings.generation import GenerationSettings


@pytest.fixture
def page(window, draw):
    draw.forming = True
    return window.page


def compose(page, **values):
    page.request.show(GenerationSettings(**{"model": "faces", "steps": 20, **values}))


def running(page, draw, qtbot):
    """A long generation on its way."""
    draw.pause = 0.01
    compose(page, seed=1, steps=500)
    page.generate()
    qtbot.waitUntil(lambda: page.generation.step[0] > 1)


def add(page, *seeds, **values):
    for seed in seeds:
        compose(page, seed=seed, **values)
        page.add_to_queue()


def seeds(page):
    return [request.settings.seed for request in page.queue.requests]


def ended(qtbot, page):
    qtbot.waitUntil(lambda: not page.generation.running and not page.queue.requests, timeout=10_000)


def test_what_is_queued_while_one_runs_follows_it(page, draw, qtbot):
    running(page, draw, qtbot)
    compose(page, seed=2)
    qtbot.mouseClick(page.panel.foot.button, Qt.MouseButton.LeftButton)
    assert len(draw.asked) == 1 and seeds(page) == [2] and page.panel.foot.queue.isVisible()
    assert page.panel.foot.queue.text() == "Queue: 1"
    draw.pause = 0.0
    ended(qtbot, page)
    assert [settings.seed for settings in draw.asked] == [1, 2]
    assert not page.panel.foot.queue.isVisible()


def test_a_queue_with_nothing_running_begins_at_once(page, draw, qtbot):
    add(page, 5, count=3, until=4)
    ended(qtbot, page)
    assert draw.asked[0].seed == 5 and draw.asked[0].until == 0, "a preview would wait for a selection"
    assert len(page.strip.model.paths) == 3


def test_the_list_reorders_cancels_and_shows_progress(page, draw, qtbot):
    running(page, draw, qtbot)
    add(page, 2, 3, 4, steps=300)
    page.generate_commands.jobs.trigger()
    jobs = page.jobs
    assert jobs.isVisible() and [row.title.text() for row in jobs.rows] == [
        "Seed 2 · 1 image",
        "Seed 3 · 1 image",
        "Seed 4 · 1 image",
    ]
    assert not jobs.rows[0].up.isEnabled() and not jobs.rows[2].down.isEnabled()
    jobs.rows[2].up.click()
    assert seeds(page) == [2, 4, 3]
    jobs.rows[0].cancel.click()
    assert seeds(page) == [4, 3]
    undo = page._context.undo
    undo.undo()
    assert seeds(page) == [2, 4, 3]
    undo.undo()
    assert seeds(page) == [2, 3, 4], "the move is undone as well"
    undo.redo(), undo.redo()
    assert seeds(page) == [4, 3]
    jobs.hold.click()
    assert page.queue.paused and jobs.hold.text() == "Resume queue"
    page.generation.stop()
    qtbot.wait(50)
    assert seeds(page) == [4, 3] and len(draw.asked) == 1
    draw.pause = 0.02
    jobs.hold.click()
    qtbot.waitUntil(lambda: page.queue.current is not None and page.generation.step[0] > 2)
    row = jobs.rows[0]
    assert row.running and not row.up.isVisible()
    qtbot.waitUntil(lambda: row.progress.value() > 0)
    jobs.clear.click()
    assert seeds(page) == [4]
    undo.undo()
    assert seeds(page) == [4, 3]
    undo.redo()
    assert seeds(page) == [4]
    jobs.rows[0].cancel.click()
    ended(qtbot, page)
    jobs.close()


def test_one_that_fails_is_kept_with_its_reason_and_can_be_retried(page, draw, qtbot):
    draw.fault = UserError("The disk is full.")
    add(page, 6)
    qtbot.waitUntil(lambda: page.queue.failed == 1 and not page.generation.running)
    page.generate_commands.jobs.trigger()
    row = page.jobs.rows[0]
    assert "Failed · The disk is full." in row.state.text() and row.retry.isVisible()
    assert page.panel.foot.queue.text() == "Queue: 0 · 1 failed"
    draw.fault = None
    row.retry.click()
    ended(qtbot, page)
    page.jobs.close()


def test_what_waits_survives_a_restart_and_asks_before_it_begins(make_window, draw, qtbot):
    GenerationQueue().add(GenerationSettings(model="faces", seed=8, steps=3))
    window = make_window()
    page = window.page
    qtbot.waitUntil(lambda: page.queue.waiting == 1)
    assert page.queue.paused and not draw.asked and page.panel.foot.queue.isVisible()
    page.queue.resume()
    ended(qtbot, page)
    assert draw.asked[0].seed == 8
    qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()))


def test_one_that_runs_when_the_window_closes_waits_for_the_next_start(make_window, draw, qtbot):
    window = make_window()
    draw.pause = 0.01
    add(window.page, 9, steps=400)
    qtbot.waitUntil(lambda: window.page.generation.step[0] > 1)
    with qtbot.waitSignal(window.closed):
        window.close()
    assert [(entry.settings.seed, entry.state) for entry in GenerationQueue().requests()] == [(9, "waiting")]


def test_stopping_by_hand_pauses_the_queue(page, draw, qtbot):
    running(page, draw, qtbot)
    add(page, 2)
    page.stop()
    assert page.queue.paused and seeds(page) == [2]
    page.steering.discard()
    qtbot.wait(30)
    assert len(draw.asked) == 1


def test_keep_generating_takes_new_seeds_until_it_is_stopped(page, draw, qtbot):
    compose(page, steps=3)
    page.keep.action.trigger()
    qtbot.waitUntil(lambda: len(draw.asked) >= 3, timeout=10_000)
    page.stop()
    assert not page.keep.action.isChecked()
    qtbot.waitUntil(lambda: not page.generation.running)
    count = len(draw.asked)
    qtbot.wait(30)
    assert len(draw.asked) == count and len({settings.seed for settings in draw.asked}) == count


def test_keep_generating_leaves_a_locked_seed_alone(page, window, draw, qtbot):
    compose(page, seed=7)
    page.keep.action.trigger()
    assert not page.keep.action.isChecked() and page.request.locked and not draw.asked
    assert "locked" in window.status.message.text()


def test_what_a_command_adds_appears_by_itself(page, qtbot):
    qtbot.waitUntil(lambda: bool(page.queue._watcher.directories()))
    GenerationQueue().add(GenerationSettings(model="faces", seed=77))
    qtbot.waitUntil(lambda: seeds(page) == [77], timeout=5_000)
    assert page.panel.foot.queue.text() == "Queue: 1" and not page.generation.running
