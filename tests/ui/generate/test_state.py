"""No action changes a lock, a start picture, a mask or a setting which it does not name; and the canvas says what it shows."""

import numpy as np
import pytest

from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.requests import OpenModel
from diffusion_studio.ui.pictures.picture import Picture
from tests.ui.conftest import install_model
from tests.ui.generate.test_steering import finish, run

PHOTO = np.full((8, 8, 3), 90, np.uint8)


@pytest.fixture
def page(window, draw):
    draw.forming = True
    return window.page


def rest(qtbot, window):
    qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=10_000)


def start_from(page, qtbot, window, name="cat.png"):
    page.start.open(PHOTO, name)
    qtbot.waitUntil(lambda: page.start.picture is not None)
    rest(qtbot, window)


def unlock(page):
    page.request.lock(False)


# --- the lock ---


def test_a_branch_gives_the_lock_back_when_it_is_left(page, window, qtbot):
    run(qtbot, page)
    unlock(page)
    before = page.request.value()
    page.steering.branch_action.trigger()
    assert page.request.locked and page.request.settings.seed == 7  # the parent's, while it lasts
    finish(qtbot, page)
    page.stop()
    assert not page.request.locked and page.request.value() == before
    rest(qtbot, window)


def test_a_branch_does_not_outlive_the_window(make_window, draw, qtbot):
    first = make_window()
    draw.forming = True
    run(qtbot, first.page)
    unlock(first.page)
    first.page.steering.branch_action.trigger()
    rest(qtbot, first)
    first.close()
    second = make_window()
    assert not second.page.request.locked and second.page.request.settings.seed is None
    assert second.page.request.past is None
    rest(qtbot, second)


def test_settings_of_another_image_leave_the_lock_where_no_seed_is_named(page, window, qtbot):
    page.request.change(seed=5)
    page.reuse.use({"steps": 40})
    assert not page.request.locked and page.request.value().steps == 40
    page.reuse.use({"steps": 41, "seed": 9}, lock=False)  # as a cell of a comparison does
    assert not page.request.locked and page.request.settings.seed == 9
    finish(qtbot, page)
    assert page.request.settings.seed == 9  # used once, as it is
    window.context.undo.undo()
    assert page.request.value().steps == 40 and page.request.settings.seed == 5
    rest(qtbot, window)


def test_a_repeat_is_said_before_it_is_made(page, window, qtbot):
    run(qtbot, page)
    assert page.repeats.label.isVisible()
    page.panel.form.fields["steps"].show_value(21)
    assert not page.repeats.label.isVisible()
    page.panel.form.fields["steps"].show_value(20)
    assert page.repeats.label.isVisible()
    unlock(page)
    assert not page.repeats.label.isVisible()
    rest(qtbot, window)


# --- start picture, mask and model ---


def test_a_start_picture_stays_with_a_model_of_the_same_size(page, window, qtbot):
    start_from(page, qtbot, window)
    page.request.choose_model("plain")
    assert page.start.picture is not None and page.request.settings.source
    rest(qtbot, window)


def test_a_start_picture_is_put_aside_for_a_model_of_another_size(make_window, own_folders, draw, qtbot):
    import json

    folder = install_model(own_folders, "large", title="Large")
    (folder / "unet" / "config.json").write_text(json.dumps({"sample_size": 16, "in_channels": 3}))
    window = make_window()
    page = window.page
    page.request.choose_model("faces")
    start_from(page, qtbot, window)
    page.start.picture.mask.values[:4] = 255
    page.start.settle()
    before = page.request.settings
    page.request.choose_model("large")
    carried = page.request.settings
    assert not carried.source and not carried.mask and not page.start.section.isVisible()
    toast = window.contents.toasts.latest
    assert "Start image and mask put aside" in toast.sentence.text()
    toast.action.click()
    qtbot.waitUntil(lambda: page.start.picture is not None)
    assert page.request.settings.source == before.source and page.request.settings.mask
    rest(qtbot, window)


def test_use_in_generate_begins_clean_and_can_be_undone(page, window, qtbot):
    start_from(page, qtbot, window)
    page.start.picture.mask.values[:4] = 255
    page.request.lock_seed(7)
    window.contents.visit(3)
    window.context.go_to("generate", OpenModel("plain"))
    assert window.page is page and page.request.card.name == "plain"
    carried = page.request.settings
    assert not carried.source and not carried.mask and carried.variation_strength == 0
    assert not page.request.locked and page.request.settings.seed is None
    window.context.undo.undo()
    qtbot.waitUntil(lambda: page.start.picture is not None)
    assert page.request.card.name == "faces" and page.request.locked and page.request.settings.mask
    rest(qtbot, window)


def test_a_start_picture_keeps_its_name_over_a_restart(make_window, draw, qtbot):
    first = make_window()
    start_from(first.page, qtbot, first, "my cat ✿.jpg")
    first.close()
    second = make_window()
    qtbot.waitUntil(lambda: second.page.start.picture is not None)
    assert second.page.start.picture.name == "my cat ✿.jpg"
    rest(qtbot, second)


def test_removing_a_start_picture_is_undone_with_its_mask(page, window, qtbot):
    start_from(page, qtbot, window)
    page.start.picture.mask.values[:4] = 255
    page.start.remove()
    assert page.start.picture is None
    window.context.undo.undo()
    qtbot.waitUntil(lambda: page.start.picture is not None and not page.start.picture.mask.empty)
    rest(qtbot, window)


# --- what the canvas shows ---


def test_the_canvas_says_what_it_shows_and_where_the_panel_differs(page, window, qtbot):
    assert not page.caption.frame.isVisible()
    run(qtbot, page, steps=20)
    said = page.caption
    assert (
        said.frame.isVisible()
        and said.shown.text().startswith("Seed 7 · ")
        and "20 steps" in said.shown.text()
    )
    assert not said.differs.isVisible()
    settings = GenerationSettings(model="faces", seed=99, steps=20, guidance=3.0)
    path = page.canvas.pictures[0].path
    page.steering.show_elsewhere(Picture({"denoised": PHOTO}, path=path, settings=settings))
    assert said.shown.text().startswith(f"{path.name} · Seed 99") and "guidance 3" in said.shown.text()
    assert said.differs.text() == "Panel differs: seed, guidance"
    page.reuse.use({"seed": 99, "guidance": 3.0})
    assert not said.differs.isVisible()
    page.steering.show_elsewhere(Picture({"denoised": PHOTO}, path=path))
    assert said.shown.text() == "No generation settings found"
    start_from(page, qtbot, window)
    assert said.shown.text() == "Start image: cat.png"


def test_the_canvas_names_the_run_that_took_the_place_of_another(page, window, qtbot):
    run(qtbot, page)
    run(qtbot, page, seed=8)
    assert page.caption.shown.text().startswith("Seed 8") and not page.caption.differs.isVisible()
    rest(qtbot, window)


def test_a_batch_is_one_thing_with_the_panel_that_made_it(page, window, qtbot):
    run(qtbot, page, count=3)
    assert page.caption.shown.text().startswith("3 images from seed 7")
    page.canvas.select(2)
    assert page.caption.shown.text().startswith("Seed 9") and not page.caption.differs.isVisible()
    rest(qtbot, window)


# --- messages ---


def test_a_message_belongs_to_its_page_and_expires(page, window, qtbot):
    status, banner, toasts = window.status, window.contents.banner, window.contents.toasts
    window.context.show_status("Copied")
    assert status.message.text() == "Copied"
    window.context.show_fault("That was not right.", "Traceback")
    window.contents.visit(2)
    assert not status.message.text() and not banner.isVisible()
    window.contents.visit(0)
    assert banner.isVisible()  # a fault waits on its page until it is dismissed
    banner.close_button.click()
    window.contents.visit(2)
    window.contents.visit(0)
    assert not banner.isVisible()
    window.context.show_notice("Done.", action="Undo", do=lambda: None)
    assert toasts.latest.sentence.text() == "Done." and toasts.latest.timer.isActive()
    toasts.latest.timer.timeout.emit()
    assert toasts.latest is None
    window.context.show_status("Copied")
    status._expiry.timeout.emit()
    assert not status.message.text()
    window.context.show_notice("A training can be resumed.", action="Resume", do=lambda: None, lasting=True)
    window.contents.visit(2)
    assert toasts.latest.action.text() == "Resume" and not toasts.latest.timer.isActive()
    rest(qtbot, window)


def test_the_outcome_of_a_run_expires(page, window, qtbot):
    run(qtbot, page)
    assert page.panel.foot.line.text().startswith("Done") and page.panel.foot._expiry.isActive()
    page.panel.foot._expiry.timeout.emit()
    assert page.panel.foot.line.text() == ""
    rest(qtbot, window)
