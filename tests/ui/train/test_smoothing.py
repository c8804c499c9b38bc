"""The smoothing of a run in the window: samples that follow the slider, the model made with it, and Undo."""

import threading

import numpy as np
import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.events import SheetProgress, Status
from diffusion_studio.jobs import smoothing as jobs
from diffusion_studio.settings.options import to_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.records import runs
from diffusion_studio.training_events import SmoothingSheet
from diffusion_studio.ui.train.records import read_row
from diffusion_studio.ui.train.smoothing import dialog as dialog_module

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Jobs without torch: what they were asked for, and `go`, without which no samples come."""
    asked = {"sheets": [], "closed": [], "smooth": [], "exchanged": []}
    go = asked["go"] = threading.Event()

    def preview(run, length):
        asked["sheets"].append(length)
        try:
            if length < 0.06:
                raise UserError("The snapshots are damaged.")
            while not go.wait(0.005):
                yield SheetProgress(done=1, total=12)
            pixels = np.full((16, 32, 3), round(1000 * length) % 256, np.uint8)
            yield SmoothingSheet(length=length, pixels=pixels, sides=(8, 8))
        except GeneratorExit:
            asked["closed"].append(length)
            raise

    def smooth(run, length):
        asked["smooth"].append((run, length))
        yield Status(text="Reading the checkpoint…")
        if length > 0.19:
            raise UserError("The disk is full.")
        yield jobs.Smoothed("faces", tmp_path / "faces", tmp_path / "trash")

    def exchange(run, place, other):
        asked["exchanged"].append((place.name, other.name))
        yield tmp_path / ("smoothed" if other.name == "trash" else "trash")

    for name, job in (("preview", preview), ("smooth", smooth), ("exchange", exchange)):
        monkeypatch.setattr(jobs, name, job)
    monkeypatch.setattr(dialog_module, "SETTLE", 1)
    return asked


def make_run(name, **settings):
    run = runs.create(name, to_dict(TrainingSettings(name=name, size=8, **settings)), {})
    run.note(state="finished", step=20_000, seconds=600.0, published=name)
    (run.path / "snapshots").mkdir()
    (run.path / "snapshots" / "00000010.safetensors").touch()
    return run


def buttons(page):
    return {button.text(): button for button in page.run_view.outcome.buttons}


@pytest.fixture
def dialog(page, asked, qtbot):
    page._show_row(read_row(make_run("Heads", posthoc_ema=True)))
    qtbot.waitUntil(lambda: "Model smoothing…" in buttons(page))
    buttons(page)["Model smoothing…"].click()
    return page.smoothing.dialog


def test_only_a_run_that_kept_its_averages_offers_it(page, asked, qtbot):
    page._show_row(read_row(make_run("Usual")))
    qtbot.waitUntil(lambda: "Use in Generate" in buttons(page))
    assert "Model smoothing…" not in buttons(page)


def test_samples_follow_the_slider_once_it_rests(page, dialog, asked, qtbot):
    assert dialog.slider.value == 13 and dialog.slider.slider.minimum() == 3
    assert abs(dialog.slider.mark() - dialog.slider.slider.width() * 10 / 17) < 12
    qtbot.waitUntil(lambda: asked["sheets"] == [0.13])
    dialog.slider.show_value(6)
    qtbot.waitUntil(
        lambda: asked["sheets"] == [0.13, 0.06]
    )  # the first is cancelled, or nothing would follow it
    assert asked["closed"] == [0.13]
    asked["go"].set()
    qtbot.waitUntil(lambda: dialog.samples._sheet.pixelColor(3, 3).red() == 60)
    assert dialog.progress.value() == 100
    dialog.slider.show_value(7)
    qtbot.waitUntil(lambda: dialog.samples._sheet.pixelColor(3, 3).red() == 70)
    dialog.slider.show_value(6)  # it is kept
    assert dialog.samples._sheet.pixelColor(3, 3).red() == 60 and asked["sheets"] == [0.13, 0.06, 0.07]
    dialog.reject()
    assert page.smoothing.dialog is None and not page.working and not asked["smooth"]


def test_apply_makes_the_model_and_undo_brings_the_other_back(page, dialog, asked, qtbot):
    dialog.slider.show_value(9)
    dialog.apply.click()
    qtbot.waitUntil(lambda: page.context.undo.undo_text == "smoothing")
    assert asked["smooth"] == [("heads", 0.09)]
    qtbot.waitUntil(
        lambda: "Model smoothing…" in buttons(page) and buttons(page)["Model smoothing…"].isEnabled()
    )
    for step in (page.context.undo.undo, page.context.undo.redo):
        with qtbot.waitSignal(page.context.models_changed):
            step()
    assert asked["exchanged"] == [("faces", "trash"), ("faces", "smoothed")]


def test_a_length_whose_samples_failed_cannot_be_applied(dialog, asked, qtbot):
    dialog.slider.show_value(5)
    qtbot.waitUntil(lambda: dialog.line.text() == "The snapshots are damaged.")
    assert not dialog.apply.isEnabled()
    dialog.slider.show_value(9)
    assert dialog.apply.isEnabled()


def test_what_fails_is_said_and_can_be_tried_again(page, dialog, asked, qtbot):
    dialog.slider.show_value(20)
    dialog.apply.click()
    qtbot.waitUntil(lambda: page.faults == ["The disk is full."])
    assert not page.context.undo.undo_text
    qtbot.waitUntil(lambda: not page.smoothing.working and "Model smoothing…" in buttons(page))
    assert buttons(page)["Model smoothing…"].isEnabled()
