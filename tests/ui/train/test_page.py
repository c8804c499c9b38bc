"""The Train page over jobs that train without torch: folder, report, choices, training, pause, stop, discard, result, runs."""

import math
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QPushButton

from diffusion_studio import events, training_events
from diffusion_studio.errors import UserError
from diffusion_studio.settings.options import to_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage import places
from diffusion_studio.storage.processes import this_process
from diffusion_studio.training.records import log, runs
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.settings_file import SettingsFile
from diffusion_studio.ui.look.theme import Theme
from diffusion_studio.ui.train import forecast
from diffusion_studio.ui.train import page as train_page
from diffusion_studio.ui.train.page import TrainPage
from diffusion_studio.ui.train.records import find_interrupted, read_run
from diffusion_studio.ui.train.steps import IMAGES, RECIPE, RUN, RUNS
from tests.ui.test_layout import faults

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")
SIZE = 8


@pytest.fixture
def folder(tmp_path):
    """Six good pictures in two classes and two bad files."""
    place = tmp_path / "my-faces"
    for index in range(6):
        path = place / ("cats" if index < 4 else "dogs") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    (place / "cats" / "empty.png").touch()
    (place / "dogs" / "torn.jpg").write_bytes(b"no picture")
    return place


@pytest.fixture
def backend(monkeypatch):
    """Stands in for the training: events as the real one tells them, and its files, as `backend`'s fields say."""
    control = SimpleNamespace(
        asked=[], closed=0, steps=6, pause=0.0, fault=None, estimated=[], published=[], saved=[]
    )

    def train(settings, *, resume=None, changed_data=False):
        control.asked.append((settings, resume))
        if control.fault is not None:
            raise control.fault
        run = runs.find(resume) if resume else runs.create(settings.name, to_dict(settings), {})
        run.note(state="running", process=this_process())
        try:
            yield from _steps(run, settings)
            run.note(state="finished", step=control.steps, published=run.name)
        except GeneratorExit:
            run.note(state="stopped", step=3, seconds=30.0)
            raise
        finally:
            control.closed += 1

    def _steps(run, settings):
        size = settings.size if settings.folder else SIZE
        yield events.Status(text="Reading the pictures…")
        yield training_events.TrainingStarted(
            run=run.path,
            title=run.name,
            device="cpu",
            precision="float32",
            parameters=1000,
            pictures=6,
            first_step=0,
            total=control.steps,
        )
        yield events.Warned(text="There are only 6 pictures.")
        for step in range(1, control.steps + 1):
            time.sleep(control.pause)
            if (yield loss(step, control.steps)) == events.SAVE:
                control.saved.append(step)
                yield training_events.CheckpointSaved(step=step, path=run.path)
            if step % 3 == 0:
                yield samples(step, size)
        yield training_events.Published(name=run.name, path=run.path)

    def estimate(settings):
        control.estimated.append(settings)
        yield events.Status(text="Measuring…")
        yield training_events.Estimated(
            step_seconds=0.25,
            total_seconds=600,
            steps=2400,
            memory_bytes=900_000_000,
            parameters=6_400_000,
            batch=32,
            device="cpu",
            precision="float32",
        )

    def publish(name):
        control.published.append(name)
        yield events.Status(text="Drawing…")
        yield training_events.Published(name=name, path=Path(name))

    def count_parameters(size, classes, space):
        yield {"small": 6_400_000, "medium": 20_000_000, "large": 140_000_000}

    monkeypatch.setattr("diffusion_studio.jobs.train.train", train)
    monkeypatch.setattr("diffusion_studio.jobs.train.estimate", estimate)
    monkeypatch.setattr("diffusion_studio.jobs.train.publish", publish)
    monkeypatch.setattr(forecast, "count_parameters", count_parameters)
    monkeypatch.setattr(forecast, "SETTLE", 1)
    return control


def loss(step, total):
    return training_events.Loss(
        step=step,
        loss=1.0 / step,
        validation=2.0 / step if step % 3 == 0 else None,
        learning_rate=1e-4,
        pictures_per_second=50.0,
        fraction=step / total,
        time_left=float(total - step),
        by_timestep=((10, 1.0), (500, 0.5)) if step % 3 == 0 else (),
    )


def samples(step, size):
    ema = np.full((4, size, size, 3), step, np.uint8)
    return training_events.Samples(step=step, ema=ema, raw=255 - ema, warming_up=step < 4)


@pytest.fixture
def page(qtbot, qapp, backend, models):
    context = AppContext(Theme(qapp), SettingsFile())
    page = TrainPage(context)
    page.faults = []
    context.fault.connect(lambda sentence, *_: page.faults.append(sentence))
    page.context = context
    workers = [*page.workers, *context.background.workers]

    def finish(page):
        """Let its threads come to rest: pytest-qt deletes what it has closed."""
        page.close_down()
        for worker in workers:
            worker.cancel_all()
        qtbot.waitUntil(lambda: not any(worker.busy for worker in workers), timeout=10_000)
        for worker in workers:
            worker.stop()

    qtbot.addWidget(page, before_close_func=finish)
    page.resize(1200, 720)
    page.show()
    page.shown_first()
    return page


@pytest.fixture
def ready(page, folder, qtbot):
    """The page with a folder looked through."""
    with qtbot.waitSignal(page.images.checked, timeout=10_000):
        page.open_folder(folder)
    qtbot.waitUntil(lambda: page.recipe.measured, timeout=10_000)
    return page


def train(page, qtbot):
    with qtbot.waitSignal(page.session.ended, timeout=10_000):
        page.recipe.train_button.click()


train_ = train  # for tests that put another job in its place


def wait_for_steps(page, qtbot, state="running"):
    qtbot.waitUntil(lambda: page.session.run is not None and page.run_view.figures["step"].text() != "–")
    assert page.session.state == state


def test_an_empty_page_says_what_to_do(page):
    assert "Drop a folder" in page.images.invitation._title.text()
    assert not page.recipe.train_button.isEnabled()
    assert page.images.invitation.samples.isEnabled()


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
    qtbot.waitUntil(lambda: cards["best"].time == "about 2 h 5 min")  # 30,000 steps of 0.25 s
    assert (cards["quick"].time, cards["good"].time) == ("about 4 min", "about 42 min")
    assert "1,000 steps · expect rough shapes" in cards["quick"].facts and cards["quick"].isChecked()
    assert "expect good images" in cards["good"].accessibleDescription()


def test_a_recipe_is_selected_and_stays_while_the_size_changes(ready, qtbot):
    recipe, cards = ready.recipe, ready.recipe.cards.cards
    qtbot.mouseClick(cards["best"], Qt.MouseButton.LeftButton)
    value = recipe.value()
    assert (value.steps, value.minutes, value.model_size) == (30_000, 0.0, "medium")
    recipe.form.fields["size"].show_value(64)
    assert recipe.value().steps == 60_000 and cards["best"].isChecked()
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


def test_train_to_the_end_gives_a_model(ready, backend, qtbot):
    with qtbot.waitSignal(ready.context.models_changed):
        train(ready, qtbot)
    settings, resume = backend.asked[0]
    assert (settings.name, settings.steps, resume) == ("My faces", 1000, None)
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
    assert outcome.sentence.text().startswith("Stopped at step 3 of 1,000: expect mostly noise")
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


def test_runs_are_listed_with_what_can_be_done_with_each(page, backend, qtbot):
    runs.create("first", to_dict(TrainingSettings(name="First", steps=100)), {}).note(
        state="stopped", step=40
    )
    runs.create("second", to_dict(TrainingSettings(name="Second")), {}).note(
        state="finished", step=9000, published="second"
    )
    page.show_step(RUNS)
    qtbot.waitUntil(lambda: len(page.runs.items) == 2)
    first, second = page.runs.item("first"), page.runs.item("second")
    assert (first.use.text(), second.use.text()) == ("Save as model", "Use in Generate")
    assert "First" in first.resume.accessibleDescription()
    used = []
    page.context.page_wanted.connect(lambda name, request: used.append((name, request.name)))
    second.use.click()
    assert used == [("generate", "second")]
    first.use.click()
    qtbot.waitUntil(lambda: backend.published == ["first"])
    qtbot.waitUntil(lambda: not page.publishing.worker.busy)

    def shown_as_busy():  # the list is read again after publishing
        page.runs.show_busy("first")
        first, second = page.runs.item("first"), page.runs.item("second")
        can = [first.resume, first.delete, second.resume, second.delete]
        assert [button.isEnabled() for button in can] == [False, False, False, True]

    qtbot.waitUntil(shown_as_busy)


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


def test_a_name_that_is_missing_or_taken_is_told_before_anything_begins(ready, backend):
    runs.create("taken", to_dict(TrainingSettings(name="taken")), {})
    for name in ("", " - ", "Taken"):
        ready.recipe.form.fields["name"].setText(name)
        ready.train()
    assert "name" in ready.faults[0] and "another name" in ready.faults[2]
    assert len(ready.faults) == 3 and not backend.asked and not ready.session.running


def test_an_end_nobody_asked_for_is_offered_once_at_the_next_start(ready, backend, qtbot):
    backend.steps, backend.pause = 10_000, 0.01
    ready.recipe.train_button.click()
    wait_for_steps(ready, qtbot)
    with qtbot.waitSignal(ready.session.ended) as ended:
        ready.session.worker.cancel_all()  # as the closing window does
    assert ended.args == ["interrupted"]
    assert [row.name for row in find_interrupted()] == ["my-faces"]
    assert list(find_interrupted()) == []


def test_a_run_that_was_killed_is_offered_and_a_stopped_one_is_not(page):
    killed = runs.create("killed", to_dict(TrainingSettings(name="killed")), {})
    killed.note(process=[1, 0.0])
    runs.create("stopped", to_dict(TrainingSettings(name="stopped")), {}).note(state="stopped")
    assert [row.name for row in find_interrupted()] == ["killed"]


def test_runs_can_be_renamed_deleted_and_brought_back(page, qtbot, monkeypatch):
    from diffusion_studio.ui.train import runs as train_runs

    runs.create("old", to_dict(TrainingSettings(name="old")), {}).note(state="stopped", step=5, seconds=120.0)
    page.show_step(RUNS)
    qtbot.waitUntil(lambda: len(page.runs.rows) == 1)
    assert page.runs.rows[0].words.startswith("Stopped at 20% · 5 steps · 2 min")
    monkeypatch.setattr(train_runs, "new_name", lambda *_: "New name")
    page.runs.items[0].rename.trigger()
    qtbot.waitUntil(lambda: [row.title for row in page.runs.rows] == ["New name"])
    page.runs.items[0].delete.trigger()
    qtbot.waitUntil(lambda: not page.runs.rows)
    page.context.undo.undo()
    qtbot.waitUntil(lambda: [row.name for row in page.runs.rows] == ["new-name"])
    page.runs.items[0].use.click()
    qtbot.waitUntil(lambda: not page.publishing.worker.busy)


def test_an_earlier_run_can_be_looked_at(page, qtbot):
    run = runs.create("old", to_dict(TrainingSettings(name="Old")), {})
    run.note(state="stopped", step=7)
    for step in (5, 6, 7):
        measured = {"validation": 0.25, "by_timestep": [[0, 0.75], [999, 0.5]]} if step == 6 else {}
        log.append(run.path, {"step": step, "loss": 0.5 / step, **measured})
    page.show_step(RUNS)
    qtbot.waitUntil(lambda: len(page.runs.rows) == 1)
    page.runs.items[0].show_run.trigger()
    qtbot.waitUntil(lambda: page.run_view.figures["step"].text() == "7")
    assert page.steps.current == RUN and page.run_view.title.text() == "Old"
    assert page.run_view.figures["validation"].text() == "0.2500"
    assert "t 999: 0.500" in page.run_view.chart.timesteps.view.accessibleDescription()
    assert page.run_view.chart.loss.words_at(None) == "step 7 · training 0.0714 · validation 0.2500 (step 6)"


def test_a_finished_run_is_given_more_time(page, backend, qtbot, monkeypatch):
    settings = TrainingSettings(name="done", minutes=2.0, size=8)
    runs.create("done", to_dict(settings), {}).note(state="finished", step=5, seconds=120.0)
    page.show_step(RUNS)
    qtbot.waitUntil(lambda: len(page.runs.rows) == 1)
    monkeypatch.setattr(train_page, "more_minutes", lambda *_: 3.0)
    with qtbot.waitSignal(page.session.ended):
        page.runs.items[0].resume.click()
    given, resume = backend.asked[0]
    assert resume == "done" and given.minutes == 5.0


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


def test_choices_are_remembered_without_folder_and_name(ready):
    ready.recipe.form.fields["size"].show_value(48)
    ready.recipe.form.fields["flip"].show_value(False)
    ready.close_down()
    kept = ready.context.settings_file.load("training", TrainingSettings)
    assert (kept.size, kept.flip, kept.folder, kept.name) == (48, False, "", "")


def test_the_window_offers_to_resume_and_goes_on_with_one_click(make_window, backend, qtbot):
    settings = TrainingSettings(name="Broken off", minutes=2.0, size=SIZE)
    runs.create("broken-off", to_dict(settings), {}).note(
        state="stopped", interrupted=True, step=5, seconds=60.0
    )
    window = make_window()
    qtbot.waitUntil(lambda: window.contents.toasts.latest is not None)
    toast = window.contents.toasts.latest
    assert "Broken off" in toast.sentence.text() and "50%" in toast.sentence.text()
    assert toast.accessibleName() == "Notice" and toast.action.text() == "Resume" and toast.lasting
    toast.action.click()
    assert isinstance(window.page, TrainPage)
    qtbot.waitUntil(lambda: window.page.session.run is not None and not window.page.session.running)
    assert backend.asked[0][1] == "broken-off" and window.page.recipe.value().size == SIZE


def test_closing_while_training_saves_and_marks_the_run(make_window, backend, folder, qtbot):
    backend.steps, backend.pause = 10_000, 0.01
    window = make_window()
    window.contents.visit(1)
    page = window.page
    with qtbot.waitSignal(page.images.checked, timeout=10_000):
        page.open_folder(folder)
    page.recipe.train_button.click()
    wait_for_steps(page, qtbot)
    page.run_view.pause.click()  # a pause must not keep the window open
    with qtbot.waitSignal(window.closed, timeout=10_000):
        window.close()
    assert backend.closed == 1
    assert runs.find("my-faces").facts["interrupted"] is True


def test_the_result_is_in_the_chooser_and_a_click_chooses_it(
    make_window, backend, folder, qtbot, own_folders
):
    from tests.ui.conftest import install_model

    window = make_window()
    window.contents.visit(1)
    page = window.page
    with qtbot.waitSignal(page.images.checked, timeout=10_000):
        page.open_folder(folder)
    page.session.started.connect(lambda _: install_model(own_folders, "my-faces", title="My faces"))
    train(page, qtbot)
    outcome = page.run_view.outcome
    qtbot.waitUntil(lambda: len(outcome.buttons) == 2 and outcome.buttons[1].text() == "Use in Generate")
    outcome.buttons[1].click()
    assert window.contents.rail.chosen_number == 0
    assert window.page.request.card.name == "my-faces"


def test_a_run_whose_folder_moved_is_resumed_from_where_it_is_now(
    page, backend, qtbot, monkeypatch, tmp_path
):
    settings = TrainingSettings(name="old", folder=str(tmp_path / "gone"), size=SIZE)
    runs.create("old", to_dict(settings), {}).note(state="stopped", step=5, seconds=120.0)
    page.show_step(RUNS)
    qtbot.waitUntil(lambda: len(page.runs.rows) == 1)
    monkeypatch.setattr(train_page, "new_location", lambda *_: None)
    page.runs.items[0].resume.click()
    assert backend.asked == []
    monkeypatch.setattr(train_page, "new_location", lambda *_: tmp_path)
    with qtbot.waitSignal(page.session.ended, timeout=10_000):
        page.runs.items[0].resume.click()
    [(asked, resumed)] = backend.asked
    assert (asked.folder, resumed) == (str(tmp_path), "old")


def test_other_pictures_are_asked_about_in_place_of_a_fault(page, qtbot, monkeypatch, tmp_path):
    asked = []

    def train(settings, *, resume=None, changed_data=False):
        asked.append(changed_data)
        if not changed_data:
            yield training_events.DataDiffers(run="old", folder=settings.folder, text="1 missing (a.png).")
            raise UserError("1 missing (a.png).")
        yield events.Status(text="Reading the pictures…")

    monkeypatch.setattr("diffusion_studio.jobs.train.train", train)
    monkeypatch.setattr(train_page, "new_location", lambda *_: tmp_path)
    questions = []
    monkeypatch.setattr(
        train_page, "may_use_changed", lambda _, sentence: questions.append(sentence) or len(questions) == 2
    )
    settings = TrainingSettings(name="old", folder=str(tmp_path / "gone"), size=SIZE)
    runs.create("old", to_dict(settings), {}).note(state="stopped", step=5, seconds=120.0)
    page.show_step(RUNS)
    qtbot.waitUntil(lambda: len(page.runs.rows) == 1)
    with qtbot.waitSignal(page.session.ended, timeout=10_000):
        page.runs.items[0].resume.click()
    assert (asked, questions, page.faults) == ([False], ["1 missing (a.png)."], [])
    with qtbot.waitSignals([page.session.ended, page.session.ended], timeout=10_000):
        page.runs.items[0].resume.click()
    assert asked == [False, False, True] and page.faults == []
