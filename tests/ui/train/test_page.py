"""The Train page over jobs that train without torch: folder, report, choices, training, pause, stop, discard, result, runs."""

import math
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication, QPushButton

from diffusion_studio import training_events
from diffusion_studio.errors import UserError
from diffusion_studio.settings.options import to_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage import places
from diffusion_studio.training.records import runs
from diffusion_studio.ui.train import page as train_page
from diffusion_studio.ui.train.records import read_run
from diffusion_studio.ui.train.steps import IMAGES, RECIPE, RUN, RUNS
from tests.ui.test_layout import faults
from tests.ui.train.conftest import SIZE, loss, train, wait_for_steps

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


train_ = train  # for tests that put another job in its place


def test_an_empty_page_says_what_to_do(page):
    assert "Drop a folder" in page.images.invitation._title.text()
    assert not page.recipe.train_button.isEnabled()
    assert page.images.invitation.samples.isEnabled()


def test_train_to_the_end_gives_a_model(ready, backend, qtbot):
    with qtbot.waitSignal(ready.context.models_changed):
        train(ready, qtbot)
    settings, resume = backend.asked[0]
    assert (settings.name, settings.steps, resume) == ("My faces", 450, None)
    assert ready.run_view.figures["step"].text() == "6"
    outcome = ready.run_view.outcome
    qtbot.waitUntil(
        lambda: "mostly noise" in outcome.sentence.text()
    )  # after six steps: nothing to celebrate
    assert outcome.sentence.text().startswith("Too short")
    assert [button.text() for button in outcome.buttons] == ["Train longer…", "Use in Generate"]
    assert ready.recipe.train_button.isEnabled() and ready.recipe.value().name == "My faces 2"
    assert ready.run_view.warning.text() == "There are only 6 pictures."
    qtbot.waitUntil(lambda: [row.state for row in ready.runs.rows] == ["finished"])


def test_losses_and_samples_are_shown_as_they_come(ready, backend, qtbot):
    train(ready, qtbot)
    assert ready.steps.current == RUN
    assert "validation 0.3333" in ready.run_view.chart.loss.words_at(None)
    assert "t 500: 0.500" in ready.run_view.chart.timesteps.view.accessibleDescription()
    view = ready.run_view.samples
    assert view.film.maximum() == 1 and view.when.text() == "Step 6" and not view.note.text()
    assert view.canvas.pictures[0].pixels[0, 0, 0] == 6
    view.raw.click()
    assert view.canvas.pictures[0].pixels[0, 0, 0] == 249
    view.ema.click()
    view.film.setValue(0)
    assert view.canvas.pictures[0].pixels[0, 0, 0] == 3 and "check Raw" in view.note.text()
    ready.run_view.add(replace(loss(6, 6), loss=math.nan))
    assert ready.run_view.figures["loss"].text() == "0.1667"


def test_a_sample_stands_beside_its_nearest_training_picture(ready, backend, qtbot):
    ready.recipe.form.fields["size"].show_value(16)
    train(ready, qtbot)
    view, pair = ready.run_view.samples, ready.run_view.samples.nearest
    assert not pair.isVisibleTo(ready)
    view.canvas.select(2)
    qtbot.waitUntil(lambda: len(pair.canvas.pictures) == 2)
    assert pair.isVisibleTo(ready) and pair.canvas.pictures[0].pixels[0, 0, 0] == 6
    assert pair.canvas.pictures[1].size == (16, 16) and pair.name.text().split(",")[0].endswith(".png")
    assert "half of the training images have a neighbour nearer than" in pair.measure.text()
    assert pair.verdict.text().endswith(".")
    view.film.setValue(0)  # the same place of another sheet
    qtbot.waitUntil(lambda: pair.canvas.pictures[0].pixels[0, 0, 0] == 3)
    view.raw.click()  # the same place of the other weights
    qtbot.waitUntil(lambda: pair.canvas.pictures[0].pixels[0, 0, 0] == 252)
    pair.close_button.click()
    assert not pair.isVisibleTo(ready) and view.canvas.selected is None


def test_a_click_beside_the_samples_puts_the_nearest_picture_away(ready, backend, qtbot):
    train(ready, qtbot)
    view = ready.run_view.samples
    view.canvas.select(0)
    qtbot.waitUntil(lambda: len(view.nearest.canvas.pictures) == 2)
    view.canvas.select(None)
    assert not view.nearest.isVisibleTo(ready)


def test_a_picture_in_a_file_is_compared(ready, backend, folder, qtbot, choose_file):
    train(ready, qtbot)
    view, own = ready.run_view.samples, folder / "cats" / "1.png"
    choose_file(own)
    view.compare.click()
    pair = view.nearest
    qtbot.waitUntil(lambda: len(pair.canvas.pictures) == 2)
    assert not pair.name.text().startswith("1.png")  # of the others
    choose_file(folder / "dogs" / "torn.jpg")
    view.compare.click()
    qtbot.waitUntil(lambda: "torn.jpg" in pair.canvas.message.sentence)
    assert not pair.canvas.pictures and not pair.measure.text()


def test_without_its_folder_the_nearest_picture_is_told_to_be_missing(page, qtbot, tmp_path):
    settings = TrainingSettings(name="Old", size=SIZE, folder=str(tmp_path / "gone"))
    run = runs.create("old", to_dict(settings), {})
    page.shown.show_record(next(read_run(run.path)))
    page.run_view.samples.nearest.ask(np.zeros((SIZE, SIZE, 3), np.uint8))
    qtbot.waitUntil(lambda: "is not there" in page.run_view.samples.nearest.canvas.message.sentence)


def test_pause_holds_the_job_and_go_on_continues_it(ready, backend, qtbot):
    backend.steps, backend.pause = 10_000, 0.01
    ready.recipe.train_button.click()
    wait_for_steps(ready, qtbot)
    ready.run_view.pause.click()
    assert ready.session.state == "paused" and ready.run_view.pause.text() == "Resume"
    qtbot.waitUntil(lambda: len(backend.saved) == 1)  # so that it can be tried out
    qtbot.wait(50)  # what was on its way has come
    step = ready.run_view.figures["step"].text()
    qtbot.wait(150)
    assert ready.run_view.figures["step"].text() == step and backend.closed == 0
    ready.run_view.pause.click()
    qtbot.waitUntil(lambda: ready.run_view.figures["step"].text() != step)
    with qtbot.waitSignal(ready.session.ended):
        ready.session.stop()


def test_a_paused_training_can_be_made_a_model(ready, backend, qtbot, monkeypatch):
    backend.steps, backend.pause = 10_000, 0.01
    chosen = []
    monkeypatch.setattr(ready.publishing, "use", chosen.append)
    ready.recipe.train_button.click()
    wait_for_steps(ready, qtbot)
    ready.run_view.pause.click()
    assert not ready.run_view.outcome.isVisibleTo(
        ready
    )  # there is nothing to draw with before its checkpoint
    qtbot.waitUntil(lambda: ready.run_view.outcome.isVisibleTo(ready))
    assert len(backend.saved) == 1 and ready.run_view.line.text().startswith("Paused")
    shown = [
        button.text() for button in ready.run_view.findChildren(QPushButton) if button.isVisibleTo(ready)
    ]
    assert shown.count("Resume") == 1 and "Stop" not in shown and "End run" in shown
    assert [button.text() for button in ready.run_view.outcome.buttons] == ["Use in Generate"]
    ready.run_view.outcome.buttons[0].click()
    qtbot.waitUntil(lambda: chosen == ["my-faces"])
    assert backend.published == ["my-faces"] and ready.session.state == "paused"
    with qtbot.waitSignal(ready.session.ended):
        ready.run_view.stop.click()


def test_stop_keeps_and_offers_to_go_on(ready, backend, qtbot):
    backend.steps, backend.pause = 10_000, 0.01
    ready.recipe.train_button.click()
    wait_for_steps(ready, qtbot)
    with qtbot.waitSignal(ready.session.ended) as ended:
        ready.run_view.stop.click()
        assert not ready.run_view.stop.isEnabled() and "saving" in ready.run_view.line.text()
    assert ended.args == ["stopped"] and backend.closed == 1
    outcome = ready.run_view.outcome
    qtbot.waitUntil(lambda: outcome.isVisibleTo(ready))
    assert outcome.sentence.text().startswith("Stopped at step 3 of 450: expect mostly noise")
    assert [button.text() for button in outcome.buttons] == ["Resume", "Save as model"]
    backend.steps, backend.pause = 6, 0.0
    with qtbot.waitSignal(ready.session.ended) as ended:
        ready.run_view.outcome.buttons[0].click()
    assert ended.args == ["finished"] and backend.asked[1][1] == "my-faces"


def test_stop_while_paused_ends_too(ready, backend, qtbot):
    backend.steps, backend.pause = 10_000, 0.01
    ready.recipe.train_button.click()
    wait_for_steps(ready, qtbot)
    ready.run_view.pause.click()
    with qtbot.waitSignal(ready.session.ended) as ended:
        ready.session.stop()
    assert ended.args == ["stopped"]


def test_discard_asks_and_can_be_undone(ready, backend, qtbot, monkeypatch):
    backend.steps, backend.pause = 10_000, 0.01
    answers = [False, True]
    monkeypatch.setattr(train_page, "may_discard", lambda *_: answers.pop(0))
    ready.recipe.train_button.click()
    wait_for_steps(ready, qtbot)
    ready.run_view.discard.click()
    assert ready.session.state == "running"
    ready.run_view.discard.click()
    place = places.runs_dir() / "my-faces"
    qtbot.waitUntil(lambda: not place.exists() and not ready.context.background.busy)
    assert ready.steps.current == RUNS
    ready.context.undo.undo()
    qtbot.waitUntil(lambda: [row.name for row in ready.runs.rows] == ["my-faces"])
    ready.runs.remove("my-faces")
    qtbot.waitUntil(lambda: not place.exists() and not ready.context.background.busy)
    ready.context.undo.undo()  # Edit > Undo is the same
    qtbot.waitUntil(place.exists)


def test_a_training_that_fails_is_told_and_another_can_begin(ready, backend, qtbot):
    backend.fault = UserError("The loss was not finite.")
    train(ready, qtbot)
    assert ready.faults == ["The loss was not finite."] and ready.session.state == "idle"
    backend.fault = None
    train(ready, qtbot)
    assert backend.closed == 1


def test_a_training_that_fails_offers_its_last_checkpoint(ready, backend, qtbot, monkeypatch):
    def train(settings, *, resume=None, changed_data=False):
        run = runs.create(settings.name, to_dict(settings), {})
        yield training_events.TrainingStarted(
            run=run.path,
            title=run.name,
            device="cpu",
            precision="float32",
            parameters=1000,
            pictures=6,
            first_step=0,
            total=1000,
        )
        yield loss(400, 1000)
        run.note(state="stopped", step=400)
        raise UserError("The loss is no longer finite.")

    monkeypatch.setattr("diffusion_studio.jobs.train.train", train)
    train_(ready, qtbot)
    outcome = ready.run_view.outcome
    qtbot.waitUntil(lambda: outcome.isVisibleTo(ready))
    assert outcome.sentence.text() == (
        "Training failed. The loss is no longer finite. The checkpoint of step 400 is kept."
    )
    assert [button.text() for button in outcome.buttons] == ["Resume", "Save as model"]
    assert not any(part.isVisibleTo(ready) for part in (ready.run_view.pause, ready.run_view.stop))


def test_a_training_that_was_long_enough_is_ready(page, qtbot):
    settings = TrainingSettings(name="Done", steps=10_000, batch=32)
    run = runs.create("done", to_dict(settings), {})
    run.note(state="finished", step=10_000, published="done")
    page.show_step(RUNS)
    qtbot.waitUntil(lambda: len(page.runs.rows) == 1)
    page.runs.items[0].show_run.trigger()
    outcome = page.run_view.outcome
    qtbot.waitUntil(lambda: outcome.isVisibleTo(page))
    assert outcome.sentence.text() == "“Done” is ready after 10,000 steps: expect good images."
    assert [button.text() for button in outcome.buttons] == ["Use in Generate", "Train longer…"]


@pytest.mark.parametrize("size", [(828, 546), (1200, 720), (2480, 1340)])
def test_samples_have_half_of_the_height_and_nothing_is_clipped(ready, backend, qtbot, size):
    ready.resize(*size)
    backend.steps, backend.pause = 10_000, 0.01
    ready.recipe.train_button.click()
    wait_for_steps(ready, qtbot)
    ready.run_view.pause.click()
    qtbot.waitUntil(lambda: ready.run_view.outcome.isVisibleTo(ready))  # the most there is to show
    QApplication.processEvents()
    view = ready.run_view
    assert (ready.width(), ready.height()) == size
    assert view.samples.height() >= view.height() // 2
    assert view.samples.film.visibleRegion().boundingRect().height() == view.samples.film.height()
    for number in (IMAGES, RECIPE, RUN, RUNS):
        ready.show_step(number)
        QApplication.processEvents()
        assert faults(ready) == []
    for group in ready.recipe.form.groups:
        group.setChecked(True)
    ready.show_step(RECIPE)
    QApplication.processEvents()
    assert faults(ready) == []
    with qtbot.waitSignal(ready.session.ended):
        ready.session.stop()


def test_every_control_has_a_name_and_a_sentence(ready):
    from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QSlider

    kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QSlider, QAbstractItemView)
    for number in (IMAGES, RECIPE, RUN, RUNS):
        ready.show_step(number)
        QApplication.processEvents()
        for widget in (widget for kind in kinds for widget in ready.findChildren(kind)):
            if not widget.isVisible() or widget.objectName().startswith("qt_"):
                continue
            assert widget.accessibleName(), widget
            assert widget.toolTip(), widget.accessibleName()
            if isinstance(widget, QAbstractButton) and widget.text():
                assert widget.accessibleName() == widget.text()


def test_escape_stops_the_run_only_where_it_is_shown(ready, backend, qtbot):
    backend.steps, backend.pause = 10_000, 0.01
    ready.recipe.train_button.click()
    wait_for_steps(ready, qtbot)
    stop = ready.entries.stop
    for step in (RUNS, IMAGES):
        ready.show_step(step)
        assert not stop.isEnabled() and ready.entries.pause.isEnabled()
    ready.show_step(RUN)
    assert stop.isEnabled()
    stop.trigger()
    qtbot.waitUntil(lambda: ready.session.state == "idle")


def test_a_paused_run_has_one_obvious_button_and_a_stopped_one_no_time_left(ready, backend, qtbot):
    backend.steps, backend.pause = 10_000, 0.01
    ready.recipe.train_button.click()
    wait_for_steps(ready, qtbot)
    view = ready.run_view
    view.pause.click()
    qtbot.waitUntil(lambda: view.outcome.isVisibleTo(ready))
    buttons = [view.pause, view.stop, view.discard, *view.outcome.buttons]
    assert [button.text() for button in buttons if button.property("primary")] == ["Resume"]
    assert view.figures["left"].text() != "–"
    view.stop.click()
    qtbot.waitUntil(lambda: ready.session.state == "idle")
    assert view.figures["left"].text() == "–"
