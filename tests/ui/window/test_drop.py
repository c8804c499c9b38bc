"""A picture dropped on the window: what it says is shown, and nothing changes before the user says so."""

import json

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QLabel

from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.window.drop_dialog import DropDialog, look_at

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")

LINE = "a castle\nSteps: 33, Sampler: Euler a, CFG scale: 7, Seed: 99, Size: 512x512, Model: dreamy, Denoising: 0.5"


def drop(window, data, *, veiled=True):
    """As the system does it: entering, then letting go, over the window's own ground."""
    given = (data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, *given)
    QApplication.sendEvent(window.contents, enter)
    if not enter.isAccepted():
        return False
    assert window.contents.drop.veil.isVisible() == veiled
    QApplication.sendEvent(
        window.contents, QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, *given, QEvent.Type.Drop)
    )
    assert not window.contents.drop.veil.isVisible()
    return True


def files(*paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def dialog_for(window, qtbot, data):
    assert drop(window, data)
    qtbot.waitUntil(lambda: bool(window.findChildren(DropDialog)))
    return window.findChildren(DropDialog)[-1]


def said(dialog):
    return "\n".join(label.text() for label in dialog.findChildren(QLabel))


@pytest.fixture
def ours():
    settings = GenerationSettings(model="plain", seed=77, steps=31, sampler="ddim")
    return outputs.save(np.zeros((8, 8, 3), np.uint8), settings, facts={"model_title": "Plain"})


@pytest.fixture
def foreign(tmp_path):
    info = PngInfo()
    info.add_text("parameters", LINE)
    Image.new("RGB", (40, 20), "red").save(tmp_path / "castle.png", pnginfo=info)
    return tmp_path / "castle.png"


def test_nothing_changes_before_the_user_says_so(window, qtbot, ours):
    before = window.page.request.value()
    dialog = dialog_for(window, qtbot, files(ours))
    assert "Made with Diffusion Studio" in said(dialog) and "77" in said(dialog) and "31" in said(dialog)
    assert window.page.request.value() == before
    dialog.cancel.click()
    assert window.page.request.value() == before


def test_the_models_page_leaves_pictures_to_the_window(window, qtbot, ours):
    window.contents.visit([entry.label for entry in window.contents.entries].index("Models"))
    given = (files(ours), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, *given)
    QApplication.sendEvent(window.page, enter)
    assert not window.page.browser.tile._held


def test_its_settings_are_used_on_the_generate_page(window, qtbot, ours):
    window.contents.visit(1)
    dialog = dialog_for(window, qtbot, files(ours))
    dialog.use.click()
    assert window.contents.rail.chosen_number == 0
    value = window.page.request.value()
    assert (value.model, value.seed, value.steps, value.sampler) == ("plain", 77, 31, "ddim")


def test_a_foreign_line_is_read_and_its_unknown_model_is_named(window, qtbot, foreign):
    before = window.page.request.value().model
    dialog = dialog_for(window, qtbot, files(foreign))
    words = said(dialog)
    assert (
        "Made with AUTOMATIC1111" in words
        and "a castle" in words
        and "“dreamy” is not installed" in words
        and "Models page" in words
    )
    assert dialog.raw.toPlainText() == LINE
    dialog.use.click()
    value = window.page.request.value()
    assert (value.model, value.seed, value.steps, value.sampler) == (before, 99, 33, "euler_ancestral")


def test_refused_values_are_told(window, qtbot, tmp_path):
    info = PngInfo()
    info.add_text("parameters", "x\nSteps: 999999, Seed: 5, Sampler: Unheard Of")
    Image.new("RGB", (9, 9)).save(tmp_path / "odd.png", pnginfo=info)
    dialog = dialog_for(window, qtbot, files(tmp_path / "odd.png"))
    assert "Left out: " in said(dialog) and "999999" in said(dialog)
    assert dialog.seen.values == {"prompt": "x", "seed": 5}
    dialog.reject()


def test_a_picture_can_be_what_to_start_from(window, qtbot, tmp_path):
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "photo.jpg")
    dialog = dialog_for(window, qtbot, files(tmp_path / "photo.jpg"))
    assert not dialog.use.isVisible() and dialog.start.property("primary")
    with qtbot.waitSignal(window.context.page_wanted) as wanted:
        dialog.start.click()
    assert wanted.args[0] == "generate" and wanted.args[1].picture == tmp_path / "photo.jpg"
    qtbot.waitUntil(lambda: bool(window.page.request.value().source))


def test_pixels_from_another_program(window, qtbot):
    data = QMimeData()
    image = QImage(6, 5, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.green)
    data.setImageData(image)
    dialog = dialog_for(window, qtbot, data)
    assert "6×5" in said(dialog) and dialog.seen.picture.shape == (5, 6, 3)
    dialog.reject()


def test_what_is_no_picture_is_refused_or_told(window, qtbot, tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.png").write_text("no picture")
    toasts = window.contents.toasts
    for page, paths, reason in (
        (0, [tmp_path / "a.txt"], "“a.txt” is not an image"),
        (0, [tmp_path], "is a folder. Drop a folder of images on the Train page"),
        (0, [tmp_path / "a.txt", tmp_path / "b.png"], "2 files were dropped. Drop one image at a time"),
        (1, [tmp_path / "a.txt"], "“a.txt” is not an image"),
        (1, [tmp_path / "b.png", tmp_path], "Put the images into one folder"),
        (3, [tmp_path, tmp_path / "b.png"], "Drop one model at a time"),
    ):
        window.contents.visit(page)
        assert toasts.latest is None  # what was said on another page stays there
        assert drop(window, files(*paths), veiled=False)
        assert reason in toasts.latest.sentence.text()
        toasts.latest.close_button.click()
    assert not drop(window, QMimeData())
    assert drop(window, files(tmp_path / "b.png"))
    qtbot.waitUntil(window.contents.banner.isVisible)
    assert not window.findChildren(DropDialog)


def test_markup_in_a_picture_is_text(window, qtbot, tmp_path):
    settings = GenerationSettings(model="<img src=x>", class_label="<b>bold</b>", seed=1)
    path = outputs.save(np.zeros((8, 8, 3), np.uint8), settings, facts={})
    dialog = dialog_for(window, qtbot, files(path))
    assert all(
        label.textFormat() == Qt.TextFormat.PlainText for label in dialog.findChildren(QLabel) if label.text()
    )
    dialog.reject()


def test_looking_needs_no_window(foreign):
    seen = next(look_at(foreign))
    assert seen.values["seed"] == 99 and "dreamy" in seen.missing and seen.image.width() == 40


def test_a_picture_of_a_program_with_a_graph_shows_what_it_says(window, qtbot, tmp_path):
    sampler = {"seed": 7, "steps": 33, "cfg": 4, "sampler_name": "heun", "positive": ["6", 0]}
    text = {"class_type": "CLIPTextEncode", "inputs": {"text": "<b>a castle</b>"}}
    info = PngInfo()
    info.add_text("prompt", json.dumps({"3": {"class_type": "KSampler", "inputs": sampler}, "6": text}))
    Image.new("RGB", (9, 9)).save(tmp_path / "castle.png", pnginfo=info)
    dialog = dialog_for(window, qtbot, files(tmp_path / "castle.png"))
    words = said(dialog)
    assert "Made with ComfyUI" in words and "<b>a castle</b>" in words
    assert "<b>a castle</b>" in words  # plain text
    assert '"KSampler"' in dialog.raw.toPlainText()
    dialog.use.click()
    value = window.page.request.value()
    assert (value.seed, value.steps, value.sampler, value.guidance) == (7, 33, "heun", 4.0)


def test_a_picture_without_settings_says_so(window, qtbot, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "plain.png")
    dialog = dialog_for(window, qtbot, files(tmp_path / "plain.png"))
    assert "No generation settings found" in said(dialog)
    dialog.reject()


def test_a_sheet_of_sprites_is_cut_to_train_on_and_undo_goes_back(window, qtbot, tmp_path):
    from tests.pictures.test_pixel_art import sheet_of

    Image.fromarray(sheet_of(12, 4)).save(tmp_path / "walk.png")
    dialog = dialog_for(window, qtbot, files(tmp_path / "walk.png"))
    assert dialog.cut.text() == "Cut into 12 sprites of 16×16" and dialog.cut.isDefault()
    dialog.cut.click()
    page = window.page
    qtbot.waitUntil(lambda: page.images.report.report.get("usable") == 12, timeout=10_000)
    cut = page.images.folder
    assert cut.parent.name == "sprites" and page.images.report.report["sizes"] == {"16×16": 12}
    window.contents.context.undo.undo()
    qtbot.waitUntil(lambda: page.images.stack.currentWidget() is page.images.invitation, timeout=10_000)
    assert not cut.exists()
