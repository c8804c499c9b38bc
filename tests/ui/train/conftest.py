"""A Train page over jobs that train without torch."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from diffusion_studio import events, training_events
from diffusion_studio.settings.options import to_dict
from diffusion_studio.storage.processes import this_process
from diffusion_studio.training.records import runs
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.settings_file import SettingsFile
from diffusion_studio.ui.look.theme import Theme
from diffusion_studio.ui.train import forecast
from diffusion_studio.ui.train.page import TrainPage

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
        asked=[], closed=0, steps=6, pause=0.0, fault=None, estimated=[], published=[], saved=[], adapting=()
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
        yield from control.adapting
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
        yield events.Warned(text="Step 3 is made the model.")
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


def wait_for_steps(page, qtbot, state="running"):
    qtbot.waitUntil(lambda: page.session.run is not None and page.run_view.figures["step"].text() != "–")
    assert page.session.state == state
