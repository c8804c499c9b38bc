"""A user's own model, trained, made fast from its card and followed live, in the window: scaled down from fifteen minutes."""

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.qt_log_ignore("does not support propagateSizeHints")]
SIZE = 8


@pytest.fixture
def own_model(own_folders, monkeypatch, tmp_path):
    """Trained for a few steps on images of one's own."""
    from diffusion_studio.models import cards
    from diffusion_studio.settings.training import TrainingSettings
    from diffusion_studio.training.loop import train

    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "no-resources")
    folder = tmp_path / "pictures"
    for number in range(24):
        kind = folder / ("dark" if number % 2 else "bright")
        kind.mkdir(parents=True, exist_ok=True)
        level = 40 + number if number % 2 else 200 + number
        Image.fromarray(np.full((SIZE, SIZE, 3), level, np.uint8)).save(kind / f"{number}.png")
    own = TrainingSettings(
        folder=str(folder), name="Mine", size=SIZE, channels="rgb", steps=15, batch=4, sample_every=0.0,
        precision="float32", device="cpu", seed=1,
    )  # fmt: skip
    list(train(own))
    return cards.find("mine")


@pytest.fixture
def window(own_model, open_window):
    return open_window(patience=60_000)


def page_named(window, label):
    number = [entry.label for entry in window.contents.entries].index(label)
    window.contents.visit(number)
    return window.page


def test_a_model_of_ones_own_is_made_fast_and_then_follows_the_hand(window, own_model, qtbot):
    from diffusion_studio.models import cards
    from diffusion_studio.models.fast import companion_of
    from diffusion_studio.ui.models.fast_dialog import FastDialog

    models = page_named(window, "Models")
    models.browser.select(own_model.name)
    qtbot.waitUntil(lambda: models.card.buttons["fast"].isEnabled(), timeout=20_000)
    models.card.buttons["fast"].click()
    (dialog,) = models.findChildren(FastDialog)
    for name, value in {"student_steps": 1, "minutes": 0.03, "batch": 4, "precision": "float32"}.items():
        dialog.form.fields[name].show_value(value)
    dialog.form.changed.emit()
    dialog.accept_button.click()
    qtbot.waitUntil(lambda: companion_of(own_model, cards.installed()) is not None, timeout=120_000)
    qtbot.waitUntil(lambda: not window.page.working, timeout=60_000)
    student = companion_of(own_model, cards.installed())
    assert student.trained["teacher"] == own_model.name and student.classes == own_model.classes

    page = page_named(window, "Generate")
    page.request.edit("model", own_model.name)
    page.request.lock_seed(3)
    page.live.action.setChecked(True)
    live, seen = page.live.live, []
    page.generation.worker.reported.connect(
        lambda job, event: seen.append(event) if type(event).__name__ == "LiveFrame" else None
    )
    qtbot.waitUntil(lambda: live.plan is not None and live.plan.card.name == student.name, timeout=20_000)

    def drag():
        """Move on, as a hand does, until three images have followed it."""
        across, _ = page.live.wander.pad.place
        page.live.wander.pad._move((across + 0.013) % 1, 0.3)
        return len(seen) >= 3 and page.live.live.showing

    qtbot.waitUntil(drag, timeout=60_000)
    assert page.canvas.pictures[0].settings.model == student.name
    numbers = [event.number for event in seen]
    assert numbers == sorted(set(numbers)) and all(event.steps <= 4 for event in seen)
    qtbot.waitUntil(lambda: not live.running and not page.generation.running, timeout=60_000)
    shown = page.canvas.pictures[0]
    assert shown.settings.model == own_model.name and shown.path is None, "at rest, its own full quality"
    with qtbot.waitSignal(page.generation.ended, timeout=60_000):
        page.live.wander.keep.click()
    kept = page.canvas.pictures[0]
    assert kept.path is not None and np.array_equal(kept.pixels, shown.pixels)
