"""The Models page: the list, a model in full, and everything that can be done with one; imports and exports are real."""

import json
import os
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QFocusEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from diffusion_studio.models import cards, library, onnx
from diffusion_studio.storage.places import models_dir
from diffusion_studio.ui.look.theme import PANEL_WIDTH
from diffusion_studio.ui.models import export_dialog
from diffusion_studio.ui.models import page as models_page
from diffusion_studio.ui.models.export_dialog import ExportDialog
from diffusion_studio.ui.models.fast_dialog import FastDialog
from diffusion_studio.ui.models.jobs import ModelRow
from diffusion_studio.ui.models.rows import badge
from diffusion_studio.ui.models.thumbnails import thumbnail
from diffusion_studio.ui.pictures.sample_grid import SampleGrid
from diffusion_studio.ui.train.steps import RUN
from tests.model_folders import change_json, save
from tests.models.test_library import cached

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def number(window, label):
    return next(k for k, entry in enumerate(window.contents.entries) if entry.label == label)


@pytest.fixture
def page(window, qtbot, monkeypatch):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    window.contents.visit(number(window, "Models"))
    rest(window, qtbot)
    return window.page


def rest(window, qtbot):
    """Let everything that was begun come to its end, and be shown."""
    qtbot.waitUntil(
        lambda: not window.context.background.busy and not any(worker.busy for worker in window.workers()),
        timeout=20_000,
    )
    qtbot.wait(1)
    qtbot.waitUntil(lambda: not window.context.background.busy, timeout=10_000)


def titles(page):
    return [row.card.title for row in page.browser.rows.rows]


def choose(page, name):
    page.browser.view.setCurrentIndex(page.browser.rows.index(page.browser.rows.row_of(name)))


def shown(page):
    """Every fact on the card, by its label."""
    facts = page.card._facts.values()
    return {label.text(): value.text() for label, value in facts if not value.isHidden()}


@pytest.fixture
def said(window):
    """Every status line and fault."""
    words = []
    window.context.status.connect(words.append)
    window.context.fault.connect(lambda sentence, *_: words.append(sentence))
    return words


@pytest.fixture
def noticed(window):
    """Every notice: sentence, name of its action, what that does."""
    notices = []
    window.context.notice.connect(lambda *notice: notices.append(notice))
    return notices


# What is shown --------------------------------------------------------------------------------------------------------


def test_the_default_model_is_shown_first_and_any_other_when_it_is_chosen(page):
    assert titles(page) == ["Faces", "Plain"] and page.card.title.text() == "Faces"
    assert "Default" in page.card.subtitle.text()
    assert [badge(row) for row in page.browser.rows.rows] == ["Default", ""]
    choose(page, "plain")
    assert page.card.title.text() == "Plain" and shown(page)["Generates"] == "8 × 8 pixels, in colour"
    assert page.card.recommended.values()["sampler"] == "ddim" and "Classes" not in shown(page)


def test_the_card_says_what_the_model_is(page, window, qtbot):
    network = {"block_out_channels": [8, 16], "layers_per_block": 1}
    save(
        models_dir() / "mine",
        num_class_embeds=4,
        card={
            "description": "Small <b>faces</b>.",
            "licence": "CC0-1.0",
            "parameters": 6_408_547,
            "trained": {"run": "x", "pictures": 7200, "steps": 7854, "seconds": 6364},
            "weights_sha256": "0" * 64,
        },
        **network,
    )
    page.refresh("mine")
    rest(window, qtbot)
    assert shown(page) | {"Folder": "", "On disk": "", "Weights": ""} == {
        "Generates": "8 × 8 pixels, in colour, 3 classes",
        "Classes": "Kind 0, Kind 1, Kind 2",
        "Network": "U-Net, 2 levels, 6.4 M parameters, attention at 4×4",
        "Layers": "8, 16 channels, 1 block per level",
        "Predicts": "Velocity (v); cosine noise, 1,000 timesteps",
        "Trained": "7,200 images, 7,854 steps, 1 h 46 min",
        "Licence": "CC0-1.0",
        "Needs": "25.6 MB of memory for its weights, half in 16 bit",
        "On disk": "",
        "Weights": "",
        "Folder": "",
    }
    assert (
        page.card.subtitle.text() == "Trained here" and page.card.description.text() == "Small <b>faces</b>."
    )
    assert "cosine" in shown(page)["Predicts"] and page.card.recommended.curve.sigmas
    for label in page.findChildren(QLabel):
        assert label.textFormat() == Qt.TextFormat.PlainText, label.text()


@pytest.mark.parametrize(
    ("size", "count", "side"), [(8, 32, 64), (32, 4, 128), (64, 2, 128), (256, 2, 128), (100, 3, 100)]
)
def test_samples_fill_the_width(qtbot, size, count, side):
    grid = SampleGrid()
    qtbot.addWidget(grid)
    grid.resize(600, 100)
    sheet = QImage(size * min(count, 8), size * -(-count // 8), QImage.Format.Format_RGB32)
    grid.show_sheet(sheet, (size, size))
    assert len(grid.cells()) == count and grid.cells()[1].x() == size
    assert grid.side == side or (size == 8 and grid.side % 8 == 0 and grid.side >= 64)
    assert (
        grid.grab().size() == grid.size()
        and grid.accessibleDescription() == f"{count} images generated by this model"
    )
    grid.show_sheet(QImage(), (size, size))
    assert grid.isHidden()


def test_oblong_samples_are_cut_and_shown_as_they_are(qtbot):
    grid = SampleGrid()
    qtbot.addWidget(grid)
    grid.resize(600, 100)
    sheet = QImage(4 * 32, 2 * 16, QImage.Format.Format_RGB32)
    sheet.fill(0xFF0000)
    grid.show_sheet(sheet, (16, 32))
    assert len(grid.cells()) == 8 and grid.cells()[5] == QRect(32, 16, 32, 16)
    shown = grid.cell_size(grid.side)
    assert shown.width() == 2 * shown.height() == grid.side
    small = thumbnail(sheet, (16, 32), 48, 1.0).toImage()
    assert small.pixelColor(24, 24).red() == 255 and small.pixelColor(24, 6).red() != 255


def test_the_noise_schedule_is_drawn_where_it_can_be(page):
    curve, row = page.card.schedule, page.selected
    assert curve.isVisible() and len(curve._left) == 1000 and page.card.grab().width() > 0
    for schedule in (
        {"beta_schedule": "cubic"},
        {"trained_betas": [0.1]},
        {"trained_betas": [float("nan")] * 5},
    ):
        page.card.show_row(replace(row, card=replace(row.card, schedule=schedule)))
        assert not curve.isVisible() and not page.card._schedule_label.isVisible()
    page.card.show_row(row)
    assert curve.isVisible()


def test_without_a_model_the_page_offers_to_bring_one(page, window, qtbot):
    for folder in ("faces", "plain"):
        shutil.rmtree(models_dir() / folder)
    window.context.models_changed.emit()
    rest(window, qtbot)
    assert page.browser.rows.rows == () and page._empty_import.isVisible() and not page.card.isVisible()
    assert not any(action.isEnabled() for action in page.card.actions_by_name.values())
    page._empty_import.click()
    assert page._import is not None
    page._import.reject()


def test_the_facts_go_over_the_settings_where_it_is_narrow(page):
    settings, facts = page.card.recommended, page.card._facts["generates"][0]

    def places():
        return [part.mapTo(page, QPoint(0, 0)) for part in (settings, facts)]

    window = page.window()
    window.resize(1300, 760)
    wide = places()
    window.resize(900, 760)
    narrow = places()
    assert wide[0].x() > wide[1].x() and narrow[0].x() == narrow[1].x() and narrow[0].y() > narrow[1].y()
    assert page.card.widget().width() <= page.card.viewport().width()


def install(count):
    for number in range(count):
        card = {"title": f"Model {number:02}", "licence": "MIT" if number % 2 else "CC0-1.0"}
        save(models_dir() / f"m{number:02}", card=card)


def test_more_than_three_models_are_a_grid_that_is_searched_and_sorted(page, window, qtbot):
    browser = page.browser
    assert not browser.search.isVisible() and not browser.sort.isVisible() and not browser.view.grid
    install(4)
    page.refresh("m02")
    rest(window, qtbot)
    assert browser.view.grid and browser.search.isVisible() and browser.view.grab().width() > 0
    assert page.card.title.text() == "Model 02" and len(titles(page)) == 6
    first, second = (browser.view.visualRect(browser.rows.index(k)) for k in (0, 1))
    assert second.top() == first.top() and second.left() > first.right()  # side by side
    browser.search.setText("cc0 model")
    assert titles(page) == ["Model 00", "Model 02"] and page.card.title.text() == "Model 02"
    browser.search.setText("long hair")
    assert titles(page) == [] or titles(page) == ["Faces"]
    browser.search.setText("zebra")
    assert titles(page) == [] and browser._nothing.isVisible() and page.card.title.text() == "Model 02"
    browser.search.clear()
    os.utime(models_dir() / "m01", (4e9, 4e9))
    page.refresh()
    rest(window, qtbot)
    browser.sort.show_value("newest")
    assert titles(page)[0] == "Model 01" and page.card.title.text() == "Model 02"
    browser.search.setText("faces")
    page.refresh("m03")  # as after an import: what is new is never hidden by a search
    rest(window, qtbot)
    assert browser.search.text() == "" and page.card.title.text() == "Model 03"


def test_a_wide_window_has_more_columns(page, window, qtbot):
    install(5)
    page.refresh()
    rest(window, qtbot)
    narrow = page.browser.width()
    window.resize(1700, 1000)
    QApplication.processEvents()
    assert page.browser.width() > narrow
    view = page.browser.view
    tops = [view.visualRect(page.browser.rows.index(k)).top() for k in range(4)]
    assert tops[0] == tops[1] == tops[2] < tops[3]


def test_long_names_are_shortened_and_never_widen_the_panel(page, window, qtbot):
    save(models_dir() / "long", card={"title": "W" * 150})
    page.refresh("long")
    rest(window, qtbot)
    assert page.browser.grab().width() == PANEL_WIDTH
    title = page.card.title
    assert title.text() == "W" * 120 and title.label.width() <= page.card.viewport().width()
    assert title.label.height() > 2 * title.label.fontMetrics().height()  # on several lines


# What is done in place ------------------------------------------------------------------------------------------------


def rename(page, title):
    """As it is typed into the card."""
    page.card.actions_by_name["rename"].trigger()
    page.card.title.field.setText(title)
    QTest.keyClick(page.card.title.field, Qt.Key.Key_Return)


def test_a_model_is_renamed_in_place_and_everywhere(page, window, qtbot):
    rename(page, "  My faces ")
    rest(window, qtbot)
    assert titles(page) == ["My faces", "Plain"] and page.card.title.text() == "My faces"
    assert not page.card.title.editing and "ID faces" in page.card.subtitle.text()
    window.context.undo.undo()
    rest(window, qtbot)
    assert titles(page) == ["Faces", "Plain"]
    window.context.undo.redo()
    rest(window, qtbot)
    assert titles(page) == ["My faces", "Plain"]
    window.contents.visit(0)
    assert window.page.request.card.title == "My faces" and window.page.request.card.name == "faces"


def test_a_title_that_is_taken_or_empty_is_refused_where_it_is_typed(page, window, qtbot):
    title = page.card.title
    for typed, words in (("PLAIN", "That name is taken."), (" ", "A model needs a title.")):
        rename(page, typed)
        assert title.editing and title.fault.text() == words and title.fault.isVisible()
        QTest.keyClick(title.field, Qt.Key.Key_Escape)
        assert not title.editing and not title.fault.isVisible() and title.text() == "Faces"
    rest(window, qtbot)
    assert titles(page) == ["Faces", "Plain"]


def test_a_double_click_renames_and_leaving_the_field_accepts(page, window, qtbot):
    title = page.card.title
    QTest.mouseDClick(title.label, Qt.MouseButton.LeftButton)
    assert title.editing
    title.field.setText("Portraits")
    away = QFocusEvent(QEvent.Type.FocusOut, Qt.FocusReason.PopupFocusReason)
    QApplication.sendEvent(title.field, away)
    assert title.editing  # its own menu was opened
    QApplication.sendEvent(title.field, QFocusEvent(QEvent.Type.FocusOut, Qt.FocusReason.TabFocusReason))
    rest(window, qtbot)
    assert not title.editing and titles(page) == ["Plain", "Portraits"]


def test_what_is_deleted_comes_back_with_undo(page, window, qtbot, noticed):
    before = cards.find("faces")
    for undo in (lambda: noticed[-1][2](), window.context.undo.undo):
        page.card.actions_by_name["delete"].trigger()
        rest(window, qtbot)
        assert titles(page) == ["Plain"] and page.card.title.text() == "Plain" and not before.path.exists()
        assert noticed[-1][:2] == ("“Faces” moved to trash.", "Undo")
        assert window.context.undo.undo_text == "delete of the model"
        undo()
        rest(window, qtbot)
        assert cards.find("faces") == before and page.card.title.text() == "Faces"


def test_the_default_is_chosen(page, window, qtbot):
    assert not page.card.actions_by_name["default"].isEnabled()
    choose(page, "plain")
    page.card.actions_by_name["default"].trigger()
    rest(window, qtbot)
    assert cards.find("").name == "plain" and not page.card.actions_by_name["default"].isEnabled()
    assert "Default" in page.card.subtitle.text()


def test_recommended_settings_are_kept_in_the_card_and_used(page, window, qtbot):
    fields, part = page.card.recommended.form.fields, page.card.recommended
    assert not part.save.isEnabled() and not part.reset.isEnabled()
    fields["steps"].show_value(7)
    fields["sampler"].show_value("heun")
    assert part.save.isEnabled() and part.note.text() == "Changed, not saved yet."
    assert part.curve.accessibleDescription().startswith("7 steps")
    part.save.click()
    rest(window, qtbot)
    assert cards.find("faces").defaults().steps == 7 and not part.save.isEnabled() and part.reset.isEnabled()
    choose(page, "plain")
    page.do("use")
    window.page.request.choose_model("faces")
    assert window.page.request.value().steps == 7 and window.page.request.value().sampler == "heun"
    window.contents.visit(number(window, "Models"))
    choose(page, "faces")
    part.reset.click()
    rest(window, qtbot)
    assert (
        fields["steps"].value() == cards.find("faces").defaults().steps == 12 and not part.reset.isEnabled()
    )


def test_a_starter_is_kept_apart(page, window, qtbot, monkeypatch, tmp_path):
    place = save(tmp_path / "no-resources" / "starter", card={"recommended": {"steps": 30}})
    page.refresh("starter")
    rest(window, qtbot)
    assert page.card.subtitle.text() == "Starter"
    for name in ("rename", "delete"):
        action = page.card.actions_by_name[name]
        assert not action.isEnabled() and "comes with" in action.statusTip()
    page.card.recommended.form.fields["steps"].show_value(3)
    page.card.recommended.save.click()
    rest(window, qtbot)
    assert (
        cards.find("starter").defaults().steps == 3 and page.card.recommended.note.text() == "Changed by you."
    )
    assert json.loads((place / "card.json").read_text())["recommended"] == {"steps": 30}


# Elsewhere ------------------------------------------------------------------------------------------------------------


def test_generate_with_it(page, window):
    choose(page, "plain")
    page.card.buttons["use"].click()
    assert window.contents.rail.chosen_number == 0 and window.page.request.card.name == "plain"
    assert window.page.request.value().eta == 0.5


def test_fine_tune_it(page, window):
    change_json(models_dir() / "plain" / "unet" / "config.json", sample_size=24)
    page.refresh("plain")
    window.contents.visit(number(window, "Train"))
    window.page.recipe.form.fields["size"].show_value(64)
    window.contents.visit(number(window, "Models"))
    choose(page, "faces")
    page.card.buttons["tune"].click()
    assert window.contents.entries[window.contents.rail.chosen_number].label == "Train"
    settings = window.page.recipe.value()
    assert (settings.start_from, settings.size) == ("faces", 8)


def test_models_that_can_not_be_trained_on_say_why(page, window, qtbot):
    save(models_dir() / "grey", in_channels=1, out_channels=1)
    page.refresh("grey")
    rest(window, qtbot)
    button = page.card.buttons["tune"]
    assert not button.isEnabled() and "Greyscale models cannot be fine-tuned here" in button.toolTip()


def test_its_folder_is_shown(page, monkeypatch):
    opened = []
    monkeypatch.setattr(models_page, "open_folder", opened.append)
    page.card.buttons["folder"].click()
    assert opened == [models_dir() / "faces"]


# What takes a while ---------------------------------------------------------------------------------------------------


def test_verifying_says_what_it_found(page, window, qtbot, said):
    card = library.import_model(save(models_dir().parent / "sound"))
    page.refresh("sound")
    rest(window, qtbot)
    page.card.buttons["verify"].click()
    assert (
        page.working
        and not page.card.actions_by_name["export"].isEnabled()
        and page.activity.cancel.isVisible()
    )
    rest(window, qtbot)
    assert not page.working and page.card.actions_by_name["export"].isEnabled()
    assert said[-1] == "“sound” verified: no problems found."
    weights = next((card.path / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    page.do("verify")
    rest(window, qtbot)
    assert page.activity.isHidden() and "is damaged" in said[-1] and "cut off" in said[-1]


def test_a_copy_is_made_and_chosen(page, window, qtbot):
    save(models_dir() / "mine", seed=1)
    page.refresh("mine")
    rest(window, qtbot)
    page.card.actions_by_name["duplicate"].trigger()
    rest(window, qtbot)
    assert page.card.title.text() == "mine copy" and cards.find("mine copy").path.is_dir()


def test_samples_are_drawn_for_a_model_that_came_without(page, window, qtbot):
    library.import_model(save(models_dir().parent / "new", card={"recommended": {"steps": 2}}))
    page.refresh("new")
    rest(window, qtbot)
    assert page.card.make_samples.isVisible() and not page.card.samples.isVisible()
    page.card.make_samples.click()
    rest(window, qtbot)
    assert (
        len(page.card.samples.cells()) == 16
        and page.card.samples.isVisible()
        and not page.card.make_samples.isVisible()
    )
    assert cards.find("new").samples is not None


def test_cancelling_leaves_nothing(page, window, qtbot, tmp_path, monkeypatch):
    from diffusion_studio.events import Status
    from diffusion_studio.models import export

    def endless(*_, **__):
        while True:
            yield Status(text="Writing…")

    monkeypatch.setattr(export, "exporting", endless)
    page.tasks.export(
        cards.find("faces"), export_dialog.ExportRequest(tmp_path / "out", "float32", False, "diffusers")
    )
    qtbot.waitUntil(lambda: page.activity.words.text() == "Writing…")
    page.activity.cancel.click()
    rest(window, qtbot)
    assert (
        page.activity.isHidden()
        and not (tmp_path / "out").exists()
        and page.card.actions_by_name["export"].isEnabled()
    )


# Import ---------------------------------------------------------------------------------------------------------------


def drop(page, path):
    """Whether the tile lights up for it, and only while it is held."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    held = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(page, QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, *held))
    lit = page.browser.tile._held
    QApplication.sendEvent(page, QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, *held))
    return lit and not page.browser.tile._held


def test_a_folder_or_a_zip_is_imported_where_it_is_dropped(page, window, qtbot, tmp_path, said):
    source = save(tmp_path / "new", seed=2)
    assert drop(page, source)
    rest(window, qtbot)
    assert page.card.title.text() == "new" and said[-1].startswith("“new” imported.")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for file in source.rglob("*"):
            archive.write(file, file.relative_to(source))
    drop(page, tmp_path / "packed.zip")
    rest(window, qtbot)
    assert page.selected.card.name == "packed"
    window.contents.visit(0)
    assert {"new", "packed"} <= {
        window.page.panel.chooser.itemData(k) for k in range(window.page.panel.chooser.count())
    }


def test_what_is_no_model_is_told_what_it_is_and_the_model_in_use_stays(page, window, qtbot, tmp_path, said):
    window.contents.visit(0)
    window.page.request.choose_model("plain")
    window.contents.visit(number(window, "Models"))
    (tmp_path / "latent").mkdir()
    index = {"_class_name": "StableDiffusionPipeline", "vae": [], "text_encoder": []}
    (tmp_path / "latent" / "model_index.json").write_text(json.dumps(index))
    torch.save({"step": 1, "model": {}, "opt": {}, "ema": {}, "scaler": {}}, tmp_path / "model-3.pt")
    broken = save(tmp_path / "broken")
    weights = next((broken / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-9])
    for name, words in {
        "latent": "unet/config.json is missing",
        "model-3.pt": "Trainer of denoising-diffusion-pytorch",
        "broken": "cut off",
    }.items():
        drop(page, tmp_path / name)
        rest(window, qtbot)
        assert words in said[-1] and page.activity.isHidden()
    assert titles(page) == ["Faces", "Plain"]
    window.contents.visit(0)
    assert window.page.request.value().model == "plain"


def test_the_hubs_cache_is_offered(page, window, qtbot, tmp_path, monkeypatch):
    hub = tmp_path / "hf" / "hub"
    monkeypatch.setenv("HF_HOME", str(hub.parent))
    folder = save(tmp_path / "source")
    cached(folder, hub, "google/ddpm-x")
    change_json(folder / "unet" / "config.json", in_channels=5, out_channels=5)
    cached(folder, hub, "a/latents")
    page.browser.tile.click()
    rest(window, qtbot)
    dialog = page._import
    assert [dialog.found.item(k).text() for k in range(dialog.found.count())] == [
        "google/ddpm-x",
        "a/latents",
    ]
    refused = dialog.found.item(1)
    assert not refused.flags() & Qt.ItemFlag.ItemIsEnabled
    assert refused.data(Qt.ItemDataRole.AccessibleTextRole).startswith("a/latents: in_channels is 5")
    assert dialog.outcome.text().startswith("1 model can be imported") and dialog.grab().width() > 0
    dialog.accept_button.click()
    rest(window, qtbot)
    assert page.selected.card.name == "ddpm-x" and page._import is None


def test_an_empty_cache_says_so(page, window, qtbot, tmp_path, monkeypatch, choose_file):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "nothing"))
    page.ask_import()
    rest(window, qtbot)
    assert page._import.outcome.text().startswith("There are no models in ")
    assert not page._import.accept_button.isEnabled()
    chosen = save(tmp_path / "chosen")
    choose_file(chosen)
    page._import.folder.click()
    rest(window, qtbot)
    assert page.selected.card.name == "chosen"


# Export ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def dialog(qtbot, page, window, tmp_path, monkeypatch):
    monkeypatch.setattr(export_dialog, "last_place", lambda _: tmp_path)
    save(models_dir() / "mine")
    page.refresh("mine")
    rest(window, qtbot)
    page.card.actions_by_name["export"].trigger()
    return next(dialog for dialog in page.findChildren(ExportDialog) if dialog.isVisible())


def test_a_model_is_exported(dialog, page, window, qtbot, tmp_path, monkeypatch, noticed):
    revealed = []
    monkeypatch.setattr("diffusion_studio.ui.models.background.reveal", revealed.append)
    dialog.format.show_value("zip")
    dialog.precision.show_value("float16")
    assert dialog.target.value() == str(tmp_path / "mine.zip")
    dialog.accept_button.click()
    rest(window, qtbot)
    assert zipfile.is_zipfile(tmp_path / "mine.zip")
    assert "“mine” exported to" in noticed[-1][0] and noticed[-1][1] == "Show"
    noticed[-1][2]()
    assert revealed == [tmp_path / "mine.zip"]


def test_a_place_that_is_taken_is_said_before(dialog, tmp_path):
    (tmp_path / "mine").mkdir()
    dialog.target.show_value(str(tmp_path / "mine"))
    dialog.target.show_value(str(tmp_path / "mine2"))
    assert dialog.accept_button.isEnabled() and not dialog.fault.isVisible()
    dialog.target.show_value(str(tmp_path / "mine"))
    assert dialog.fault.text() == "That name is taken."
    assert not dialog.accept_button.isEnabled()
    dialog.target.show_value("relative")
    assert dialog.fault.text() == "Enter the full path to save it at."
    dialog.reject()


def test_onnx_says_what_it_needs(dialog, monkeypatch):
    assert export_dialog.NEEDED == onnx.WRITERS
    find = export_dialog.importlib.util.find_spec
    monkeypatch.setattr(
        export_dialog.importlib.util, "find_spec", lambda name: None if "onnx" in name else find(name)
    )
    dialog.format.show_value("onnx")
    assert dialog.fault.text() == "ONNX needs more packages first: pip install onnx onnxscript"
    assert not dialog.accept_button.isEnabled() and dialog.precision.findData("bfloat16") < 0
    monkeypatch.undo()
    dialog.format.show_value("folder")
    assert dialog.accept_button.isEnabled() and dialog.precision.findData("bfloat16") >= 0
    dialog.format.show_value("onnx")
    assert dialog.request.layout == "onnx"
    dialog.reject()


# The rest -------------------------------------------------------------------------------------------------------------


def test_every_act_is_in_the_menu_and_has_a_key_where_it_is_frequent(page):
    entries = {entry.text(): entry for entry in page.menu_entries()["Models"] if entry is not None}
    assert {action.text() for action in page.card.actions_by_name.values()} <= set(
        entries
    ) and "Import…" in entries
    assert (
        entries["Rename"].shortcut().toString() == "F2" and entries["Delete"].shortcut().toString() == "Del"
    )


def test_every_control_explains_itself_and_is_reached(page):
    for control in page.controls():
        assert control.accessibleName() and (control.toolTip() or control.accessibleDescription()), control


def test_where_a_model_is_from(tmp_path):
    card = cards.read_card(save(tmp_path / "m"))
    assert ModelRow(card=card).origin == "Imported or copied"


@pytest.mark.slow
def test_an_onnx_network_is_written_from_the_window(dialog, page, window, qtbot, tmp_path, noticed):
    """torch's exporter needs a deep stack, which the thread has."""
    pytest.importorskip("onnxscript")
    dialog.format.show_value("onnx")
    dialog.accept_button.click()
    qtbot.waitUntil(lambda: not page.working, timeout=120_000)
    assert noticed[-1][0].startswith("“mine” exported to") and (tmp_path / "mine" / "model.onnx").is_file()


def test_it_is_made_fast_on_the_train_page(page, window, qtbot, monkeypatch):
    """From the button to the Run step of the Train page, where the distillation is reported as any training."""
    from diffusion_studio import events, training_events
    from diffusion_studio.training.records import runs

    asked = []

    def distil(settings):
        asked.append(settings)
        run = runs.create(settings.name, {"size": 8, "name": settings.name, "distil": {"steps": 4}}, {})
        yield events.Status(text="Generating images to learn from…")
        yield training_events.TrainingStarted(
            run=run.path, title=run.name, device="cpu", precision="float32", parameters=1, pictures=6,
            first_step=0, total=2,
        )  # fmt: skip
        pictures = np.zeros((2, 8, 8, 3), np.uint8)
        yield training_events.Samples(step=1, ema=pictures, raw=pictures, warming_up=True, teacher=True)

    monkeypatch.setattr("diffusion_studio.jobs.train.distil", distil)
    choose(page, "faces")
    page.card.buttons["fast"].click()
    (dialog,) = page.findChildren(FastDialog)
    assert dialog.form.fields["name"].value() == "Faces fast"
    assert dialog.form.fields["guidance"].isVisibleTo(dialog), "it has classes"
    dialog.form.fields["name"].show_value("Plain")
    dialog.form.changed.emit()
    assert not dialog.accept_button.isEnabled() and "“Plain”" in dialog.fault.text()
    dialog.form.fields["name"].show_value("Quick")
    dialog.form.fields["student_steps"].show_value(4)
    dialog.form.changed.emit()
    dialog.accept_button.click()
    assert window.contents.entries[window.contents.rail.chosen_number].label == "Train"
    rest(window, qtbot)
    ((settings,), train) = asked, window.page
    assert (settings.model, settings.name, settings.student_steps, settings.minutes) == (
        "faces",
        "Quick",
        4,
        20.0,
    )
    samples = train.run_view.samples
    assert train.steps.current == RUN and train.run_view.title.text() == "Quick"
    assert (samples.ema.text(), samples.raw.text()) == ("Fast", "Teacher") and len(
        samples.canvas.pictures
    ) == 2
    assert samples.note.text() == ""
    samples.begin(None, 8)
    assert (samples.ema.text(), samples.raw.text()) == ("EMA", "Raw")


def test_a_fast_model_is_not_made_fast_again(page, window, qtbot):
    save(models_dir() / "quick")
    change_json(models_dir() / "quick" / "scheduler" / "scheduler_config.json", _class_name="LCMScheduler")
    page.refresh("quick")
    rest(window, qtbot)
    button = page.card.buttons["fast"]
    assert not button.isEnabled() and "It is a fast model already" in button.toolTip()
    assert page.card.recommended.values()["sampler"] == "consistency"


# What cannot be read --------------------------------------------------------------------------------------------------


def test_folders_that_cannot_be_read_are_shown_with_their_reason_and_can_be_deleted(page, window, qtbot):
    assert page.browser.damaged.isHidden()
    folder = save(models_dir() / "half")
    (folder / "unet" / "config.json").write_text("{ no JSON")
    (models_dir() / "bare").mkdir()
    (models_dir() / "bare" / "model_index.json").write_text("{}")
    page.refresh()
    rest(window, qtbot)
    rows = {row.path.name: row for row in page.browser.damaged.rows}
    assert set(rows) == {"half", "bare"} and "half" not in titles(page)
    assert "2 folders" in page.browser.damaged.heading.text() and not page.browser.damaged.isHidden()
    assert rows["half"].accessibleDescription() and "unet" in rows["bare"].accessibleDescription()
    QTest.mouseClick(rows["half"].buttons[1], Qt.MouseButton.LeftButton)
    rest(window, qtbot)
    assert not folder.exists() and [row.path.name for row in page.browser.damaged.rows] == ["bare"]
    window.context.undo.undo()
    rest(window, qtbot)
    assert folder.exists() and len(page.browser.damaged.rows) == 2


def test_the_order_is_remembered(page, window):
    page.browser.sort_by("disk")
    page.close_down()
    again = models_page.ModelsPage(window.context)
    assert again.browser.sort.value() == "disk" and again.browser.rows._sort == "disk"
    again.deleteLater()
