"""Live: the newest values alone, nothing older than what was seen, full quality at rest, nothing left running."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction

from diffusion_studio.events import LiveFrame
from diffusion_studio.jobs.live import NewestRequest
from diffusion_studio.models import cards, fast
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.blend import read_blend
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.live.live import LiveSettings
from diffusion_studio.ui.generate.panel.action_bar import ActionBar


@pytest.fixture
def frames(draw, monkeypatch):
    """Stands in for `jobs.live`: it answers every request at once, with an image of its seed."""
    made = []

    def live(requests):
        while (request := requests.take(0.0)) is not None:
            made.append(request)
            picture = draw.picture(request.settings.seed)
            if request.settings.blend:
                picture = 255 - picture
            yield LiveFrame(
                number=request.number, settings=request.settings, picture=picture, seconds=0.02, steps=2
            )

    monkeypatch.setattr("diffusion_studio.jobs.live.live", live)
    return made


@pytest.fixture
def page(window, frames):
    window.page.request.show(GenerationSettings(model="faces", steps=12, seed=7))
    window.page.live.live._rest.setInterval(600)  # on a busy machine an image must come before the hand rests
    window.page.live.action.setChecked(True)
    return window.page


@pytest.fixture
def live(page):
    return page.live.live


def rest(qtbot, page, draw, count):
    """Wait until the hand has rested and the image in full quality is there."""
    qtbot.waitUntil(lambda: len(draw.asked) == count and not page.generation.running, timeout=10_000)


def test_a_changed_control_is_answered_and_rests_in_full_quality_without_saving(
    page, live, frames, draw, qtbot
):
    rest(qtbot, page, draw, 1)
    page.request.change(guidance=3.0)
    qtbot.waitUntil(lambda: live.showing)
    assert page.caption.shown.text().startswith("Live · ")
    assert "Seed 7" in page.caption.shown.text() and not page.caption.differs.isVisibleTo(page)
    asked = frames[-1].settings
    assert (asked.guidance, asked.seed, asked.steps, asked.count) == (3.0, 7, 2, 1)
    rest(qtbot, page, draw, 2)
    assert (draw.asked[-1].guidance, draw.asked[-1].steps, draw.saving) == (3.0, 12, [False, False])
    assert (
        not live.showing
        and not live.running
        and np.array_equal(page.canvas.pictures[0].pixels, draw.picture(7))
    )


def test_the_image_is_asked_for_once_before_the_window_shows_what_changed(page, live, monkeypatch):
    asked, checked = [], []
    put = NewestRequest.put
    monkeypatch.setattr(
        NewestRequest, "put", lambda self, wanted, **given: asked.append(wanted) or put(self, wanted, **given)
    )
    monkeypatch.setattr(type(page.request), "_value", lambda self: checked.append(1) or self.settings)
    panel = page.panel.form
    shown = []
    monkeypatch.setattr(panel, "_show_resets", lambda: shown.append(len(asked)))
    for place in range(3):
        page.request.change(guidance=4.0 + place)
    assert [wanted.guidance for wanted in asked] == [4.0, 5.0, 6.0]
    assert shown == [1, 2, 3]
    assert len(checked) == 3  # the settings are put together once a change, however many ask for them
    live.end()


def test_generate_then_saves_the_image_that_was_seen_and_the_next_one_is_new(page, frames, draw, qtbot):
    page.request.lock(False)
    page.request.change(guidance=3.0)
    rest(qtbot, page, draw, 1)
    seen = draw.asked[-1]
    for again in (True, False):
        with qtbot.waitSignal(page.generation.ended):
            page.generate()
        assert draw.saving[-1] and (draw.asked[-1].seed == seen.seed) is again
        qtbot.waitUntil(lambda: not page.live.live.running)
    assert len(draw.asked) == 3  # what was generated is not made once more


def test_what_is_older_than_what_is_shown_is_left_out(page, live, frames, draw, qtbot):
    rest(qtbot, page, draw, 1)
    page.request.change(guidance=3.0)
    qtbot.waitUntil(lambda: live.showing)
    shown = page.canvas.pictures[0]
    late = LiveFrame(
        number=live._number, settings=frames[-1].settings, picture=draw.picture(1), seconds=0.1, steps=2
    )
    live._on_event(live._job, late)
    assert page.canvas.pictures[0] is shown
    live.end()
    live._on_event(99, late)
    assert page.canvas.pictures[0] is shown


def test_words_wait_until_typing_rests(page, live, frames, draw, monkeypatch, qtbot):
    monkeypatch.setattr(ModelCard, "effective", lambda self, settings: settings)
    rest(qtbot, page, draw, 1)
    count = len(frames)
    for text in ("a", "a c", "a cat"):
        page.request.change(prompt=text)
        assert live._typing.isActive()
    qtbot.waitUntil(lambda: len(frames) > count)
    assert [request.settings.prompt for request in frames[count:]] == ["a cat"]
    live.end()


def test_leaving_the_page_stopping_and_another_model_leave_nothing_running(page, live, frames, qtbot, window):
    for leave in (page.hide, page.stop, lambda: page.request.edit("model", "plain")):
        page.show()
        page.request.change(guidance=page.request.settings.guidance + 0.5)
        assert live.running
        leave()
        assert live._job is None and not live._typing.isActive()
    live.end()
    page.show()
    qtbot.waitUntil(lambda: not page.generation.worker.busy)


def test_a_model_that_is_too_slow_says_so_and_offers_to_be_made_fast(page, live, qtbot):
    foot = page.panel.foot
    assert foot.live.isEnabled() and not foot.fast.isVisibleTo(page)
    fast.keep_step_seconds(cards.find("plain"), 3.0)
    page.request.edit("model", "plain")
    assert not foot.live.isEnabled() and foot.fast.isVisibleTo(page)
    assert "too long" in foot.live.accessibleDescription() and not live.running
    fast.keep_step_seconds(cards.find("faces"), 0.02)
    page.request.edit("model", "faces")
    assert foot.live.text() == "Live · 25 images/s" and foot.live.isChecked()


def test_it_is_remembered(page):
    page.live.end()
    assert page._context.settings_file.load("live", LiveSettings).on


def test_the_stroke_of_a_brush_is_answered_on_the_start_image(page, live, frames, draw, qtbot):
    page.start.open(np.full((8, 8, 3), 90, np.uint8))
    qtbot.waitUntil(lambda: page.start.view.shown and page.start.picture is not None)
    mask = page.start.picture.mask
    mask.begin()
    mask.line((4, 4), (6, 6), 2, erase=False)
    page.start.tools.brush.painted.emit()
    qtbot.waitUntil(lambda: bool(frames) and frames[-1].mask is not None)
    assert (frames[-1].source == 90).all() and (frames[-1].mask > 0).sum() == (mask.soft() > 0).sum()
    qtbot.waitUntil(lambda: live.showing)
    assert page.start.view.shown  # the next stroke still paints on the start image
    live.end()


def test_the_square_of_four_seeds_moves_the_noise_and_keeps_its_place(page, frames, draw, qtbot):
    wander = page.live.wander
    wander.fold.setChecked(True)
    page.panel.parentWidget().grab()
    pad = wander.pad
    qtbot.mousePress(pad, Qt.MouseButton.LeftButton, pos=QPoint(pad.width() // 2, pad.height() // 4))
    blend = read_blend(page.request.settings.blend)
    assert blend is not None and abs(blend.across - 0.5) < 0.02 and 0.15 < blend.down < 0.35
    qtbot.keyClick(pad, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    moved = read_blend(page.request.settings.blend)
    assert moved.across == pytest.approx(blend.across + 0.1) and moved.others == blend.others
    assert page.request.locked
    qtbot.waitUntil(lambda: bool(frames) and frames[-1].settings.blend == str(moved))
    wander.locks[0].setChecked(True)
    wander.locks[2].setChecked(True)
    wander.redraw.click()
    drawn = read_blend(page.request.settings.blend)
    assert page.request.settings.seed == 7 and drawn.others[1] == blend.others[1]
    assert drawn.others[0] != blend.others[0] and (drawn.across, drawn.down) == (moved.across, moved.down)
    with qtbot.waitSignal(page.generation.ended):
        wander.keep.click()
    assert draw.asked[-1].blend == str(drawn) and draw.saving[-1]
    wander.clear.click()
    assert page.request.settings.blend == "" and not wander.keep.isEnabled()
    page.live.end()


def test_the_word_seed_is_dragged_through_the_seeds(page, frames, qtbot):
    label = page.panel.form._labels["seed"]
    qtbot.mousePress(label, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    qtbot.mouseMove(label, QPoint(5 + 6 * 3 + 2, 5))
    assert page.request.settings.seed == 10 and page.request.locked
    qtbot.mouseMove(label, QPoint(5 - 6 * 20, 5))
    assert page.request.settings.seed == 0
    qtbot.mouseRelease(label, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    qtbot.waitUntil(lambda: bool(frames) and frames[-1].settings.seed == 0)
    page.live.end()


def test_an_offer_waits_while_what_is_said_of_a_run_needs_its_room(qtbot):
    foot, action = ActionBar(), QAction("Live", checkable=True)
    qtbot.addWidget(foot)
    foot.show_live(action, "Live · 6 images/s", too_slow=True)
    foot.resize(400, 120)
    foot.show_outcome("Done")
    assert not foot.fast.isHidden()
    foot.show_outcome("Done in 20 s. 4 images, seeds 1,000 to 1,003, saved in Pictures")
    assert foot.fast.isHidden()
    foot._expiry.timeout.emit()
    assert not foot.fast.isHidden() and not foot.line.text()
    foot.close_down()


def test_what_runs_or_waits_has_the_room_of_the_offers_beside_it(qtbot):
    foot, action = ActionBar(), QAction("Live", checkable=True)
    qtbot.addWidget(foot)
    foot.show_live(action, "Live · 6 images/s", too_slow=True)

    def shown():
        return foot.live.text(), not foot.fast.isHidden()

    assert shown() == ("Live · 6 images/s", True)
    foot.show_progress(0.5)
    assert shown() == ("Live", False)
    foot.ask_to_stop(True)
    foot.show_idle()
    assert shown() == ("Live · 6 images/s", False), "Continue and Discard are asked about"
    foot.ask_to_stop(False)
    foot.show_waiting(2)
    assert shown() == ("Live", True)
    action.setChecked(True)
    foot.show_live(action, "Live · 7 images/s", too_slow=False)
    foot.show_progress(0.5)
    assert shown() == ("Live · 7 images/s", False), "it is Live itself that runs"
