"""Nothing that was stopped and not decided is dropped: every start, and closing, saves it first; a discard can be undone."""

import pytest

from diffusion_studio.pictures import reading
from diffusion_studio.pictures.listing import newest
from diffusion_studio.storage.places import outputs_dir
from diffusion_studio.ui.films.morph_dialog import MorphDialog
from tests.ui.generate.test_steering import ask, begin, finish, formed, held, run


@pytest.fixture
def page(window, draw):
    draw.forming = True
    return window.page


def saved():
    return list(newest())


def stopped(qtbot, page, draw, **values):
    """A run that is held for a decision; returns its step."""
    begin(qtbot, page, draw, **values)
    page.stop()
    step = held(qtbot, page)
    assert page.steering.asking
    return step


def rest(qtbot, window):
    qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=10_000)


def settle(qtbot, window, page):
    """Stop what runs, and wait for what is being written."""
    page.generation.stop()
    rest(qtbot, window)


@pytest.mark.parametrize("how", ["key", "branch", "compare", "walk", "use"])
def test_whatever_starts_next_saves_the_stopped_run_first(window, page, draw, qtbot, monkeypatch, how):
    step = stopped(qtbot, page, draw, count=2)
    if how == "key":
        page.generate_commands.generate.trigger()
    elif how == "branch":
        page.steering.branch_action.trigger()
    elif how == "compare":
        page.compare.action.setChecked(True)
        page.compare.view.start = lambda settings: None
        page.generate()
    elif how == "walk":
        monkeypatch.setattr(MorphDialog, "open", lambda dialog: dialog.starting.emit())
        page.films.morph_action.trigger()
        page.films.dialog.deleteLater()
    else:
        page.reuse.use({"steps": 400, "seed": 3})
        page.generate()
    qtbot.waitUntil(lambda: len(saved()) == 2)
    settle(qtbot, window, page)
    records = {reading.read(path).settings.seed: reading.read(path) for path in saved()}
    assert set(records) == {7, 8} and records[7].settings.until == step
    assert tuple(records[8].pixels()[0, 0]) == formed(draw, 8, step, 500)
    toast = window.contents.toasts.latest
    assert "were saved" in toast.sentence.text()
    assert not page.steering.asking and not page.panel.foot.choices.isVisible()
    toast.action.click()  # Undo
    qtbot.waitUntil(lambda: not saved())
    window.context.undo.redo()
    qtbot.waitUntil(lambda: len(saved()) == 2)


def test_a_visit_to_another_page_leaves_the_question_open(window, page, draw, qtbot):
    stopped(qtbot, page, draw)
    window.contents.visit(2)
    window.contents.visit(0)
    assert page.steering.asking and page.panel.foot.choices.isVisible() and page.generation.running
    settle(qtbot, window, page)


def test_closing_saves_what_waits_for_a_decision(window, page, draw, qtbot):
    step = stopped(qtbot, page, draw)
    with qtbot.waitSignal(window.closed, timeout=5_000):
        window.close()
    (path,) = saved()
    assert reading.read(path).settings.until == step


def test_closing_at_once_loses_nothing_that_was_put_aside(window, page, draw, qtbot, monkeypatch):
    from diffusion_studio.ui.generate import pending

    stopped(qtbot, page, draw, count=2)
    really, begun = pending.save_shown, []

    def never(pictures):
        begun.append(pictures)
        return (event for event in ()) if len(begun) == 1 else really(pictures)

    monkeypatch.setattr(pending, "save_shown", never)  # the first has not come to it when the window closes
    page.generate()
    with qtbot.waitSignal(window.closed, timeout=5_000):
        window.close()
    assert sorted(reading.read(path).settings.seed for path in saved()) == [7, 8]


def test_closing_saves_a_long_run_as_far_as_it_came(window, page, draw, qtbot):
    begin(qtbot, page, draw)
    with qtbot.waitSignal(window.closed, timeout=5_000):
        window.close()
    (path,) = saved()
    assert 3 < reading.read(path).settings.until < 500


def test_closing_saves_previews_that_none_was_chosen_of(window, page, draw, qtbot):
    run(qtbot, page, count=4, until=6)
    assert page.next_run.ticks.asking and not saved()
    rest(qtbot, window)
    window.close()
    assert sorted(reading.read(path).settings.seed for path in saved()) == [7, 8, 9, 10]
    assert {reading.read(path).settings.until for path in saved()} == {6}


@pytest.mark.parametrize("agreed", [False, True])
def test_what_cannot_be_saved_keeps_the_window_open_unless_it_may_be_lost(
    window, page, draw, qtbot, monkeypatch, agreed
):
    stopped(qtbot, page, draw)
    asked = []
    monkeypatch.setattr(
        "diffusion_studio.ui.window.leaving.may_lose", lambda _, reason: asked.append(reason) or agreed
    )
    outputs_dir().parent.mkdir(parents=True, exist_ok=True)
    if outputs_dir().exists():
        outputs_dir().rmdir()
    outputs_dir().write_text("not a folder")
    window.close()
    assert len(asked) == 1
    if agreed:
        qtbot.waitUntil(lambda: not window.isVisible())
    else:
        assert window.isVisible() and page.steering.asking and page.generation.running
        settle(qtbot, window, page)


def test_a_discard_can_be_undone(window, page, draw, qtbot):
    step = stopped(qtbot, page, draw)
    page.panel.foot.choices.discard.click()
    assert not page.generation.running and not saved()
    undo = window.menus.undo
    assert undo.isEnabled() and undo.text() == "Undo discard of 1 image"
    undo.trigger()
    qtbot.waitUntil(lambda: len(saved()) == 1)
    rest(qtbot, window)
    assert reading.read(saved()[0]).settings.until == step


def test_previews_left_by_esc_come_back_with_undo(window, page, draw, qtbot):
    run(qtbot, page, count=4, until=6)
    page.stop()
    assert not page.next_run.ticks.asking
    window.context.undo.undo()
    assert page.next_run.ticks.asking and len(page.canvas.pictures) == 4
    page.stop()
    for seed in (20, 30, 40):  # until the run itself is gone from memory
        ask(page, seed=seed)
        finish(qtbot, page)
    window.context.undo.undo()
    qtbot.waitUntil(lambda: len(saved()) == 7)
    rest(qtbot, window)
