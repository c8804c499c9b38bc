"""The Images and Recipe steps of the Train page: folder, report, what a training will take, choices."""

import time

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication

from diffusion_studio import events, training_events
from diffusion_studio.errors import UserError
from diffusion_studio.models import cards
from diffusion_studio.settings.options import to_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.records import runs
from diffusion_studio.ui.train import forecast
from diffusion_studio.ui.train.steps import IMAGES, RECIPE, RUN
from tests.ui.train.conftest import wait_for_steps

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def test_a_folder_is_looked_through_and_its_bad_files_are_named(ready, folder):
    report = ready.images.report
    refused = dict(report.report["refused"])
    assert set(refused) == {"cats/empty.png", "dogs/torn.jpg"}
    shown = dict(zip(report.problems.names(), report.problems.reasons(), strict=True))
    assert shown == refused and "empty" in shown["cats/empty.png"]
    assert report.report["classes"] == {"cats": 4, "dogs": 2}
    value = ready.recipe.value()
    assert (value.folder, value.name) == (str(folder), "My faces")
    assert ready.recipe.train_button.isEnabled()


def test_the_grid_shows_the_pictures_as_the_network_will_see_them(ready, qtbot):
    ready.recipe.form.fields["size"].show_value(16)
    qtbot.waitUntil(lambda: "16 × 16" in ready.images.caption.text())
    grid = ready.images.model

    def sides():
        images = [grid.index(k).data(Qt.ItemDataRole.DecorationRole) for k in range(len(grid.paths))]
        return [(image.width(), image.height()) for image in images if image is not None]

    qtbot.waitUntil(lambda: sides() == [(16, 16)] * 6)
    qtbot.waitUntil(lambda: ready.images.report.report["size"] == 16)


def test_a_dropped_folder_is_opened(page, folder, qtbot):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    keys = Qt.KeyboardModifier.NoModifier
    held = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, keys
    QApplication.sendEvent(page, QDragEnterEvent(QPoint(5, 5), *held))
    event = QDropEvent(QPointF(5, 5), *held)
    with qtbot.waitSignal(page.images.checked, timeout=10_000):
        QApplication.sendEvent(page, event)
    assert page.recipe.value().folder == str(folder)


def test_a_look_through_a_folder_can_be_cancelled(page, folder, qtbot, monkeypatch):
    def check(folder, *, size):
        while True:
            time.sleep(0.005)
            yield training_events.Checking(done=1, total=100_000)

    monkeypatch.setattr("diffusion_studio.jobs.check.check", check)
    page.open_folder(folder)
    qtbot.waitUntil(lambda: page.images.progress.maximum() == 100_000)
    page.images.cancel_button.click()
    qtbot.waitUntil(lambda: not page.images.worker.busy)
    assert page.images.stack.currentWidget() is page.images.invitation


def test_a_folder_that_is_gone_is_told(page, tmp_path, qtbot):
    with qtbot.waitSignal(page.images.failed, timeout=10_000):
        page.open_folder(tmp_path / "nowhere")
    assert "nowhere" in page.faults[0]
    assert page.images.stack.currentWidget() is page.images.invitation


def test_what_it_will_take_is_measured_and_said(ready, backend, qtbot):
    cost = ready.recipe.cost
    assert "0.25 s/step" in cost.text() and "0.9 GB RAM" in cost.text()
    ready.recipe.form.fields["steps"].show_value(4000)
    assert "4,000 steps in about 17 min" in cost.text()
    ready.recipe.form.fields["minutes"].show_value(2)
    assert cost.text().startswith("About 480 steps in 2 min (0.25 s/step) · 0.9 GB RAM\nExpect")
    qtbot.waitUntil(lambda: len(backend.estimated) == 2)  # a small and, for “Best”, a medium network
    assert [settings.model_size for settings in backend.estimated] == ["small", "medium"]


def test_recipes_show_the_time_measured_here_and_what_to_expect(ready, qtbot):
    cards = ready.recipe.cards.cards
    qtbot.waitUntil(lambda: cards["best"].time == "about 50 min")  # 12,000 steps of 0.25 s
    assert (cards["quick"].time, cards["good"].time) == ("about 2 min", "about 17 min")
    assert "450 steps · expect recognisable images" in cards["quick"].facts and cards["quick"].isChecked()
    assert "expect good images" in cards["good"].accessibleDescription()


def test_few_images_are_seen_to_start_from_a_broad_model_and_may_start_from_another(
    ready, qtbot, monkeypatch
):
    recipe, field = ready.recipe, ready.recipe.form.fields["start_from"]
    usual = recipe.value().steps
    faces = next(card for card in cards.installed() if card.name == "faces")
    monkeypatch.setattr(forecast, "fitting_start", lambda settings, count: faces if count == 4 else None)
    assert not recipe.value().start_from
    ready.forecast.take_report({**ready.forecast._report, "usable": 4})
    qtbot.waitUntil(lambda: field.value() == "faces")
    assert recipe.value().steps == 0.6 * usual and recipe.cards.cards["quick"].isChecked()
    ready.forecast.take_report({**ready.forecast._report, "usable": 4000})
    qtbot.waitUntil(lambda: field.value() == "")
    assert recipe.value().steps == usual
    ready.forecast.take_report({**ready.forecast._report, "usable": 4})
    qtbot.waitUntil(lambda: field.value() == "faces")
    field.show_value("scratch")
    recipe.changed.emit()
    qtbot.wait(20)
    assert recipe.value().start_from == "scratch", "what was selected stays"


def test_a_recipe_is_selected_and_stays_while_the_size_changes(ready, qtbot):
    recipe, cards = ready.recipe, ready.recipe.cards.cards
    qtbot.mouseClick(cards["best"], Qt.MouseButton.LeftButton)
    value = recipe.value()
    assert (value.steps, value.minutes, value.model_size) == (12_000, 0.0, "medium")
    recipe.form.fields["size"].show_value(64)
    assert recipe.value().steps == 12_000 and cards["best"].isChecked()
    recipe.form.fields["steps"].show_value(50)
    assert not any(card.isChecked() for card in cards.values())  # settings of one's own
    assert "Expect mostly noise" in recipe.cost.text() or not recipe.measured
    assert (value.name, value.folder) == (recipe.value().name, recipe.value().folder)


def test_a_measurement_that_fails_is_said_and_not_repeated(page, folder, backend, qtbot, monkeypatch):
    asked = []

    def estimate(settings):
        asked.append(settings)
        yield events.Status(text="Measuring…")
        raise UserError("Size 18 cannot be halved.")

    monkeypatch.setattr("diffusion_studio.jobs.train.estimate", estimate)
    with qtbot.waitSignal(page.images.checked, timeout=10_000):
        page.open_folder(folder)
    qtbot.waitUntil(lambda: page.recipe.cost.text() == "Size 18 cannot be halved.")
    qtbot.waitUntil(lambda: len(asked) == 2)
    qtbot.wait(50)
    assert len(asked) == 2 and page.recipe.cards.cards["quick"].time == ""


def test_an_empty_folder_leads_back_to_the_drop_prompt(page, tmp_path, qtbot):
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "torn.png").write_bytes(b"no picture")
    with qtbot.waitSignal(page.images.checked, timeout=10_000):
        page.open_folder(tmp_path / "nothing")
    nothing = page.images.nothing
    assert nothing.isVisibleTo(page) and not page.images.grid.isVisibleTo(page)
    assert page.images.report.problems.names() == ["torn.png"]
    assert not page.images.next.isEnabled() and not page.recipe.train_button.isEnabled()
    nothing.back.click()
    assert page.images.stack.currentWidget() is page.images.invitation


def test_the_steps_lead_from_images_to_run(ready, backend, qtbot):
    assert ready.steps.current == IMAGES
    ready.images.next.click()
    assert ready.steps.current == RECIPE
    backend.steps, backend.pause = 10_000, 0.01
    ready.recipe.train_button.click()
    assert ready.steps.current == RUN
    wait_for_steps(ready, qtbot)
    assert not ready.recipe.form.isEnabled() and not ready.images.change.isEnabled()
    with qtbot.waitSignal(ready.session.ended):
        ready.run_view.stop.click()
    assert ready.recipe.form.isEnabled() and ready.images.change.isEnabled()


def test_parameter_counts_stand_beside_the_model_sizes(ready, qtbot):
    field = ready.recipe.form.fields["model_size"]
    qtbot.waitUntil(lambda: field.itemText(0) == "Small · 6.4 M")
    assert field.itemText(2) == "Large · 140 M" and ready.recipe.value().model_size == "small"


def test_a_name_that_is_missing_or_taken_is_told_before_anything_begins(ready, backend):
    runs.create("taken", to_dict(TrainingSettings(name="taken")), {})
    for name in ("", " - ", "Taken"):
        ready.recipe.form.fields["name"].setText(name)
        ready.train()
    assert "name" in ready.faults[0] and "another name" in ready.faults[2]
    assert len(ready.faults) == 3 and not backend.asked and not ready.session.running


def test_noise_is_shown_on_the_users_own_picture(ready, qtbot):
    ready.show_step(RECIPE)
    qtbot.waitUntil(lambda: bool(ready.recipe.noise.canvas.pictures))
    ready.recipe.noise.slider.setValue(0)
    clean = ready.recipe.noise.canvas.pictures[0].pixels.astype(int)
    ready.recipe.noise.slider.setValue(1000)
    noisy = ready.recipe.noise.canvas.pictures[0].pixels.astype(int)
    assert ready.recipe.noise.words.text() == "100% noise (step 999 of 999)"
    assert np.abs(clean - noisy).mean() > 30
    ready.recipe.form.fields["schedule"].show_value("linear")
    ready.recipe.noise.slider.setValue(500)
    qtbot.waitUntil(lambda: "92% noise" in ready.recipe.noise.words.text())  # cosine has 51


def test_choices_are_remembered_without_folder_and_name(ready):
    ready.recipe.form.fields["size"].show_value(48)
    ready.recipe.form.fields["flip"].show_value(False)
    ready.close_down()
    kept = ready.context.settings_file.load("training", TrainingSettings)
    assert (kept.size, kept.flip, kept.folder, kept.name) == (48, False, "", "")


def test_sheets_of_sprites_are_shown_with_their_lines_cut_and_undone(page, tmp_path, qtbot):
    from PIL import Image

    from tests.pictures.test_pixel_art import sheet_of

    folder = tmp_path / "art"
    folder.mkdir()
    for name, count in (("walk", 12), ("jump", 6)):
        Image.fromarray(sheet_of(count, 3)).save(folder / f"{name}.png")
    with qtbot.waitSignal(page.images.checked, timeout=10_000):
        page.open_folder(folder)
    offer = page.images.report.sheets
    assert offer.cut.text() == "Cut into 18 sprites of 16×16"
    qtbot.waitUntil(lambda: not offer.preview.pixmap().isNull())
    lined = offer.preview.pixmap().toImage()
    assert lined.width() % 48 == 0  # enlarged by whole numbers
    line = [lined.pixelColor(x, 3).getRgb() for x in (lined.width() // 3, 2 * lined.width() // 3)]
    assert line[0] == line[1] != lined.pixelColor(lined.width() // 6, 3).getRgb()
    offer.cut.click()
    qtbot.waitUntil(lambda: page.images.report.report["usable"] == 18, timeout=10_000)
    cut, undo = page.images.folder, page._context.undo
    assert page.images.report.sheets is None and page.recipe.value().folder == str(cut) != str(folder)
    undo.undo()
    qtbot.waitUntil(lambda: page.images.folder == folder and not cut.exists(), timeout=10_000)
    qtbot.waitUntil(lambda: page.images.report.sheets is not None, timeout=10_000)
    undo.redo()
    qtbot.waitUntil(lambda: page.images.report.report["usable"] == 18, timeout=10_000)
    assert page.images.folder == cut
