"""Earlier runs on the Train page: listed, renamed, deleted, shown, resumed and offered."""

import pytest

from diffusion_studio import events, training_events
from diffusion_studio.errors import UserError
from diffusion_studio.settings.options import to_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.records import log, runs
from diffusion_studio.ui.train import page as train_page
from diffusion_studio.ui.train.page import TrainPage
from diffusion_studio.ui.train.records import find_interrupted
from diffusion_studio.ui.train.steps import RUN, RUNS
from tests.ui.train.conftest import SIZE, train, wait_for_steps

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


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
    assert first.resume.text() == "Resume"
    used = []
    page.context.page_wanted.connect(lambda name, request: used.append((name, request.name)))
    second.use.click()
    assert used == [("generate", "second")]
    said = []
    page.context.status.connect(said.append)
    first.use.click()
    qtbot.waitUntil(lambda: backend.published == ["first"])
    qtbot.waitUntil(lambda: said[-1:] == ["First: Step 3 is made the model."])
    qtbot.waitUntil(lambda: not page.publishing.worker.busy)

    def shown_as_busy():  # the list is read again after publishing
        page.runs.show_busy("first")
        first, second = page.runs.item("first"), page.runs.item("second")
        can = [first.resume, first.delete, second.resume, second.delete]
        assert [button.isEnabled() for button in can] == [False, False, False, True]

    qtbot.waitUntil(shown_as_busy)


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
    assert page.runs.items[0].resume.text() == "Train longer…"
    with qtbot.waitSignal(page.session.ended):
        page.runs.items[0].resume.click()
    given, resume = backend.asked[0]
    assert resume == "done" and given.minutes == 5.0


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
