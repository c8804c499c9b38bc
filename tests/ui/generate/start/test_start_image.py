"""A picture of one's own on the Generate page: opened, drowned, masked, varied, carried in the settings and restored by them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication

from diffusion_studio.pictures import reading, start_pictures
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.start import editor, start_picture
from diffusion_studio.ui.generate.start.start_picture import Levels, StartPicture
from tests.ui.generate.start.conftest import COSINE, SIZE, generate, paint, pixels, settle

# The forward process --------------------------------------------------------------------------------------------------


def test_strength_is_a_timestep_of_the_training_schedule():
    levels = Levels.of(COSINE)
    assert levels.left(0) == 1 and levels.left(1) == 0
    t = round(0.4 * 999)
    assert levels.left(t / 999) == pytest.approx(levels.shares[t], rel=1e-6)
    assert f"step {t} of 999" in levels.words(t / 999)
    assert "stays" in levels.words(0) and "Full noise" in levels.words(1)
    unknown = Levels.of({"beta_schedule": "nobody knows"})
    assert unknown.left(0.5) == 0.5 and "50% noise" in unknown.words(0.5)


FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}


def test_the_noise_of_a_flow_is_its_share_of_the_mixture():
    """x_t = (1 - t) x_0 + t n: at a strength of 0.4 four tenths are noise, where a cosine schedule has other shares."""
    levels = Levels.of(FLOW)
    assert levels.words(0.4).startswith("40% noise") and levels.words(0.75).startswith("75% noise")
    shifted = Levels.of({**FLOW, "shift": 3.0})
    share = 1 - shifted.left(0.4)
    assert shifted.words(0.4).startswith(f"{share:.0%} noise") and share != pytest.approx(0.4, abs=0.1)
    assert not Levels.of(COSINE).words(0.75).startswith("75% noise")


def test_the_start_picture_is_seen_as_training_sees_it_and_drowns():
    wide = np.concatenate([np.zeros((16, 8, 3), np.uint8), pixels(1, 16), np.zeros((16, 8, 3), np.uint8)], 1)
    start, levels = StartPicture("", wide, "wide"), Levels.of(COSINE)
    start.fit(SIZE, 3)
    assert np.array_equal(start.fitted, start_pictures.fit(wide, SIZE))
    assert start.words == "cropped and resized to 8×8"
    assert np.array_equal(start.seen(levels, 0.5), start.fitted), "there is no noise yet"
    start.noise = np.random.default_rng(0).standard_normal((SIZE, SIZE, 3))
    assert np.abs(start.seen(levels, 0.0).astype(int) - start.fitted).max() <= 1
    drowned = start.seen(levels, 1.0)
    clean = StartPicture("", pixels(2), "other")
    clean.fit(SIZE, 3)
    clean.noise = start.noise
    assert np.array_equal(clean.seen(levels, 1.0), drowned), "nothing of the picture is left"
    between = start.seen(levels, 0.3).astype(float)
    alpha_bar = levels.left(0.3)
    mixed = alpha_bar**0.5 * (start.fitted / 127.5 - 1) + (1 - alpha_bar) ** 0.5 * start.noise
    assert np.abs(between - ((mixed / 2 + 0.5).clip(0, 1) * 255)).max() <= 0.51


def test_a_grey_model_sees_and_drowns_it_in_grey():
    start, levels = StartPicture("", pixels(), ""), Levels.of(COSINE)
    start.fit(SIZE, 1)
    start.noise = np.random.default_rng(0).standard_normal((SIZE, SIZE, 1))
    seen = start.seen(levels, 0.4)
    assert seen.shape == (SIZE, SIZE, 3) and (seen == seen[..., :1]).all()


def test_the_noise_is_that_of_the_seed():
    torch = pytest.importorskip("torch")
    (drawn,) = start_picture.draw_noise(start_picture.NoiseDraw(7, None, 0.0, (3, 4, 4)))
    expected = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(7))
    assert np.array_equal(drawn, expected.permute(1, 2, 0).numpy())


# Opening --------------------------------------------------------------------------------------------------------------


def test_an_opened_picture_is_kept_named_by_the_settings_and_shown_with_its_noise(opened, page, noise, qtbot):
    own = opened
    settings = page.request.value()
    assert np.array_equal(start_pictures.load(settings.source), pixels())
    assert own.section.isVisible() and "mine.png" in own.section.name.text()
    assert "step 599 of 999" in own.section.words.text()
    assert own.view.shown
    assert np.array_equal(page.canvas.pictures[0].pixels, own.picture.seen(own.levels, settings.strength))
    assert "noise" in page.steering.timeline.sentence.text()
    page.request.lock_seed(99)
    qtbot.waitUntil(lambda: noise[-1].seed == 99)  # drawn in another thread


def test_moving_strength_changes_settings_and_picture(opened, page):
    before = page.canvas.pictures[0].pixels
    opened.section.strength.number.setValue(0.2)
    assert page.request.value().strength == pytest.approx(0.2)
    assert not np.array_equal(page.canvas.pictures[0].pixels, before)
    opened.section.curve.chosen.emit(0.75)
    assert page.request.value().strength == pytest.approx(0.75)
    opened.section.strength.number.setValue(0)
    assert np.abs(page.canvas.pictures[0].pixels.astype(int) - pixels()).max() <= 1


def test_newcomers_see_nothing_of_it(page, own):
    assert not own.section.isVisible() and not own.variation._body.isVisible()
    assert page.request.value().source == "" and not own.commands.use_action.isEnabled()


def test_a_wide_picture_with_alpha_says_what_was_done_to_it(own, page, qtbot, tmp_path):
    path = tmp_path / "wide.png"
    Image.new("LA", (24, 10), (0, 0)).save(path)
    own.open(path)
    qtbot.waitUntil(lambda: own.picture is not None)
    assert own.section.fitted.text() == "cropped and resized to 8×8"
    assert (own.picture.fitted == 255).all(), "over white"


def test_what_is_no_picture_is_refused_in_a_sentence_and_changes_nothing(opened, page, qtbot, tmp_path):
    before = page.request.value()
    path = tmp_path / "text.png"
    path.write_text("no picture")
    with qtbot.waitSignal(page._context.fault) as fault:
        opened.open(path)
    assert "text.png" in fault.args[0]
    assert page.request.value() == before and opened.section.isVisible()


def drop(canvas, data):
    """Drag something over the canvas and let it go; whether it was taken."""
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(20, 20), *how)
    QApplication.sendEvent(canvas, enter)
    if enter.isAccepted():
        QApplication.sendEvent(canvas, QDropEvent(QPointF(20, 20), *how))
    return enter.isAccepted()


def test_a_picture_dropped_on_the_canvas_as_file_or_as_pixels_is_opened(own, page, qtbot, tmp_path):
    path = tmp_path / "dropped.png"
    Image.fromarray(pixels(3)).save(path)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    assert drop(page.canvas, data)
    qtbot.waitUntil(lambda: own.picture is not None)
    assert np.array_equal(own.picture.pixels, pixels(3))
    image = QImage(4, 2, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    image.setPixelColor(3, 1, Qt.GlobalColor.red)
    data = QMimeData()
    data.setImageData(image)
    drop(page.canvas, data)
    qtbot.waitUntil(lambda: own.picture.pixels.shape == (2, 4, 4))
    assert own.picture.pixels[0, 0].tolist() == [0] * 4
    assert own.picture.pixels[1, 3].tolist() == [255, 0, 0, 255]
    assert (own.picture.fitted[..., :3] == 255).any(axis=2).all()  # this model knows no alpha: on white
    folder = QMimeData()
    folder.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    assert drop(page.canvas, folder)  # the window says why it cannot be used
    assert "is a folder" in page.window().contents.toasts.latest.sentence.text()


def test_open_picture_asks_for_a_file(own, page, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "asked.png"
    Image.fromarray(pixels(4)).save(path)
    monkeypatch.setattr(editor, "ask_picture", lambda parent: path)
    assert own.commands.open_action.shortcut().toString() == "Ctrl+O"
    own.commands.open_action.trigger()
    qtbot.waitUntil(lambda: own.picture is not None)
    assert np.array_equal(own.picture.pixels, pixels(4))


def test_removing_it_draws_from_noise_again(opened, page, qtbot):
    opened.remove()
    assert page.request.value().source == "" and not opened.section.isVisible() and not page.canvas.pictures
    generate(page, qtbot)
    opened.start_from(page.canvas.pictures[0])
    opened.remove()
    assert page.canvas.pictures[0].settings is not None, "back to the last result"


def test_a_generated_picture_and_one_of_the_strip_can_be_started_from(own, page, qtbot):
    generate(page, qtbot)
    shown = page.canvas.pictures[0]
    own.commands.use_action.trigger()
    assert np.array_equal(own.picture.fitted, shown.pixels) and own.view.shown
    assert page.request.value().strength == pytest.approx(0.6) and not own.commands.use_action.isEnabled()
    own.remove()
    page.saved.start_wanted.emit(shown.path)
    qtbot.waitUntil(lambda: own.picture is not None)
    assert np.array_equal(own.picture.pixels, shown.pixels)


def test_the_picture_goes_along_to_another_model(opened, page):
    digest = page.request.value().source
    page.panel.chooser.setCurrentIndex(1 - page.panel.chooser.currentIndex())
    assert page.request.value().source == digest and opened.section.isVisible()


def test_a_run_that_begins_takes_the_canvas_from_the_start_picture(opened, page, qtbot):
    page.generate()
    opened.refresh_view()  # as late noise does
    with qtbot.waitSignal(page.generation.ended):
        pass
    assert not opened.view.shown and page.canvas.pictures[0].settings is not None


# Settings -------------------------------------------------------------------------------------------------------------


def test_use_these_settings_restores_picture_mask_and_strength(opened, page, qtbot):
    opened.section.strength.number.setValue(0.45)
    opened.tools.brush_action.trigger()
    paint(opened, (1, 6))
    opened.section.resamples.setValue(3)
    generate(page, qtbot)
    path, asked = page.canvas.pictures[0].path, page.canvas.pictures[0].settings
    opened.remove()
    assert opened.picture is None
    page.saved.use_settings(path)
    qtbot.waitUntil(lambda: opened.picture is not None)
    settle(page, qtbot)
    assert page.request.value() == replace(asked, count=page.request.value().count)
    assert (
        np.argwhere(opened.picture.mask.values).tolist() == [[6, 1]] and opened.section.resamples.value() == 3
    )
    assert reading.read(path).settings.source == opened.digests[0]
    page.start.settle()
    assert page.request.value().mask == asked.mask, "what was not touched stays what it was"
    page.reuse.use({"seed": 5})
    assert page.request.value().source == asked.source, "another seed for the same picture"
    page.reuse.use({"steps": 9})
    assert page.request.value().source == "" and opened.picture is None


def test_a_picture_that_is_gone_can_be_chosen_again_by_what_is_in_it(own, page, qtbot, tmp_path, monkeypatch):
    source, mask = (
        start_pictures.keep(pixels(5)),
        start_pictures.keep_mask(np.eye(SIZE, dtype=np.uint8) * 255),
    )
    (start_pictures.folder() / f"{source}.png").unlink()
    page.request.show(GenerationSettings(source=source, mask=mask, strength=0.4))
    assert own.section.missing.isVisible() and "no longer kept" in own.section.missing.text()
    assert not own.section.strength.isVisible()
    path = tmp_path / "found.png"
    Image.fromarray(pixels(5)).save(path)
    monkeypatch.setattr(editor, "ask_picture", lambda parent: path)
    own.section.find_button.click()
    qtbot.waitUntil(lambda: own.picture is not None)
    settle(page, qtbot)
    settings = page.request.value()
    assert (settings.source, settings.mask, settings.strength) == (source, mask, 0.4)
    assert np.array_equal(own.picture.mask.values, np.eye(SIZE) * 255)
    assert own.section.strength.isVisible() and not own.section.find_button.isVisible()


def test_another_picture_in_its_place_is_used_and_said_so(own, page, qtbot, tmp_path):
    page.request.show(GenerationSettings(source="ab" * 32, strength=0.4))
    path = tmp_path / "other.png"
    Image.fromarray(pixels(6)).save(path)
    with qtbot.waitSignal(page._context.status, check_params_cb=lambda text: text == editor.OTHER):
        own.open(path)
    assert page.request.value().source != "ab" * 32 and page.request.value().strength == pytest.approx(0.4)


def test_variation_draws_a_second_seed_and_keeps_the_first(own, page, qtbot, draw):
    generate(page, qtbot)
    assert not page.request.locked
    first = page.request.settings.seed
    own.variation.fold.click()
    own.variation.strength.number.setValue(0.3)
    settings = page.request.value()
    assert settings.variation_strength == pytest.approx(0.3) and settings.variation_seed is not None
    assert page.request.locked and settings.seed == first
    own.variation.seed.dice.click()
    assert page.request.value().variation_seed != settings.variation_seed
    generate(page, qtbot)
    assert draw.asked[-1].seed == first and draw.asked[-1].variation_strength == pytest.approx(0.3)
    page.request.show(GenerationSettings(model="faces", variation_seed=4, variation_strength=0.5))
    assert (own.variation.seed.value(), own.variation.strength.value()) == (4, 0.5)


def test_every_control_of_the_sections_is_reached_in_order(opened, page):
    opened.tools.brush_action.trigger()
    opened.variation.fold.click()
    order = page.controls()
    for control in (*opened.section.controls, *opened.variation.controls, *opened.tools.bar.controls):
        assert order.count(control) == 1
        assert control.accessibleName() and (control.toolTip() or control.accessibleDescription())
    assert order.index(page.panel.chooser) < order.index(opened.section.strength.number)
    assert order.index(opened.section.strength.number) < order.index(page.panel.form.seed.number)
