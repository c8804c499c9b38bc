"""Runs that are stopped and resumed: bit for bit, with changed images, after a damage."""

import os
import shutil
from dataclasses import replace

import psutil
import pytest
from PIL import Image

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status, Warned
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage.places import models_dir
from diffusion_studio.training import loop, progress
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import checkpoints, runs
from diffusion_studio.training.step.trainer import Trainer
from diffusion_studio.training_events import (
    CheckpointSaved,
    Loss,
    Published,
    TrainingStarted,
)
from tests.training.runs_here import digest, of, stop_at


@pytest.mark.parametrize("kind", ["checkpoint", "loss", "measuring", "drawing"])
def test_stopping_anywhere_saves_and_going_on_is_bit_for_bit(settings, kind, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)
    monkeypatch.setattr(loop, "SAMPLE_COUNT", 2)
    settings = replace(settings, autosave_steps=3, sample_every=1e-9, steps=6)
    straight = replace(settings, name="Straight", sample_every=0.0)
    list(train(straight))
    job = train(settings)
    wanted = {
        "checkpoint": lambda event: isinstance(event, CheckpointSaved),
        "loss": lambda event: isinstance(event, Loss),
        "measuring": lambda event: isinstance(event, Status) and "held-out" in event.text,
        "drawing": lambda event: isinstance(event, Status) and "Generating" in event.text,
    }[kind]
    left = 18 if kind == "drawing" else 1  # 12 by the raw weights, then those that the averages draw
    for event in job:
        left -= wanted(event)
        if not left:
            break
    job.close()
    run = runs.find("tiny")
    assert run.state == "stopped"
    assert 0 < run.step < 6
    assert run.facts["seconds"] > 0
    stopped_at = run.step
    events = list(train(TrainingSettings(), resume="Tiny"))
    assert len(of(Warned, events)) == 1  # that the images are few
    assert of(TrainingStarted, events)[0].first_step == stopped_at
    assert digest(run, 6) == digest(runs.find("straight"), 6)


def test_the_curve_goes_on_without_a_jump(settings, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)
    settings = replace(settings, autosave_steps=3, sample_every=0.0, steps=6)
    straight = [event.loss for event in of(Loss, train(replace(settings, name="Straight")))]
    stop_at(3, settings)
    resumed = [event.loss for event in of(Loss, train(TrainingSettings(), resume="Tiny"))]
    assert resumed == straight[-len(resumed) :] and len(resumed) < len(straight)


def test_pictures_that_vanish_meanwhile_do_no_harm(settings, folder):
    job = train(replace(settings, sample_every=0.0))
    for event in job:
        if isinstance(event, TrainingStarted):
            shutil.rmtree(folder)
    assert isinstance(event, Published)


def test_the_clock_stands_still_in_a_pause(settings, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)
    for event in train(replace(settings, steps=3)):
        now[0] += 3600 if isinstance(event, Loss) else 0
    assert runs.find("tiny").facts["seconds"] == 0


def test_a_run_by_time_ends_by_time(settings, monkeypatch):
    now = [0.0]
    step = Trainer.step
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Trainer, "step", lambda self, f: (now.__setitem__(0, now[0] + 10), step(self, f))[1])
    events = list(train(replace(settings, steps=0, minutes=1.0)))
    assert of(Loss, events)[-1].step == 6
    assert runs.find("tiny").facts["seconds"] == pytest.approx(60)


def test_a_finished_run_says_so_and_goes_on_with_more_steps(settings):
    list(train(replace(settings, steps=2)))
    with pytest.raises(UserError, match="finished"):
        list(train(TrainingSettings(), resume="tiny"))
    assert runs.find("tiny").state == "finished"
    events = list(train(TrainingSettings(steps=4), resume="tiny"))
    assert of(TrainingStarted, events)[0].first_step == 2
    assert runs.find("tiny").step == 4
    assert runs.find("tiny").facts["settings"]["steps"] == 4
    assert events[-1].path == models_dir() / "tiny"  # its own earlier model is replaced


def test_a_run_that_goes_on_takes_what_is_asked_for_even_where_that_is_the_default(settings):
    stop_at(1, replace(settings, autosave_steps=1, sample_every=5.0, steps=3))
    list(train(TrainingSettings(), resume="tiny"))
    run = runs.find("tiny")
    assert run.facts["settings"]["sample_every"] == 5.0  # nothing was asked for
    asked = TrainingSettings(steps=4, sample_every=60.0, batch=32)
    list(train(asked, resume="tiny", given={"steps", "sample_every", "batch"}))
    kept = run.facts["settings"]
    assert (kept["sample_every"], kept["steps"], kept["minutes"]) == (60.0, 4, 0.0)
    assert kept["batch"] == settings.batch and run.step == 4


def test_a_run_from_before_an_option_goes_on_as_it_was(settings):
    """Bit for bit: an option that came later does nothing to it."""
    settings = replace(settings, steps=4, autosave_steps=2, min_snr=5.0, polish=0.0)
    list(train(replace(settings, name="straight")))
    stop_at(2, settings)
    run = runs.find("tiny")
    stored = {name: value for name, value in run.facts["settings"].items() if name != "polish"}
    run.note(settings=stored)
    list(train(TrainingSettings(), resume="tiny"))
    assert run.facts["settings"]["polish"] == 0.0
    assert digest(run, 4) == digest(runs.find("straight"), 4)


def test_what_makes_a_resume_inexact_is_said(settings, folder):
    stop_at(2, replace(settings, autosave_steps=2))
    Image.new("RGB", (8, 8)).save(folder / "dark" / "new.png")
    run = runs.find("tiny")
    run.note(exact={**run.facts["exact"], "the number of threads": 64})
    told = [
        event.text
        for event in of(Warned, train(TrainingSettings(), resume="tiny"))
        if "exactly" in event.text
    ]
    assert told == [
        "The run is resumed, but not exactly as without the break: the number of threads, the images changed since."
    ]


def test_a_run_of_another_version_is_told_that_it_goes_on_otherwise(settings):
    stop_at(2, replace(settings, autosave_steps=2))
    run = runs.find("tiny")
    run.note(exact={**run.facts["exact"], "the version of this program": "0.0.1"})
    told = [event.text for event in of(Warned, train(TrainingSettings(), resume="tiny"))]
    assert any("exactly" in text and "the version of this program" in text for text in told)


def test_other_classes_than_before_are_refused(settings, folder):
    stop_at(2, replace(settings, autosave_steps=2))
    (folder / "green").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "green" / "1.png")
    with pytest.raises(UserError, match="classes"):
        list(train(TrainingSettings(), resume="tiny"))


def test_a_run_killed_before_its_first_checkpoint_begins_again(settings):
    list(train(replace(settings, name="straight", steps=3)))
    job = train(replace(settings, steps=3))
    while not isinstance(next(job), TrainingStarted):
        pass
    job.close()
    for path in checkpoints.newest_first(runs.find("tiny").path):
        raise AssertionError(f"closed before the first step, and yet there is {path}")
    list(train(TrainingSettings(), resume="tiny"))
    assert digest(runs.find("tiny"), 3) == digest(runs.find("straight"), 3)


def test_two_processes_do_not_train_one_run(settings):
    stop_at(2, replace(settings, autosave_steps=2))
    run = runs.find("tiny")
    process = psutil.Process(os.getppid())
    run.note(state="running", process=[process.pid, process.create_time()])
    assert run.state == "running"
    with pytest.raises(UserError, match="another process"):
        list(train(TrainingSettings(), resume="tiny"))
    with pytest.raises(UserError, match="Stop it"):
        runs.delete(run)
    run.note(process=[process.pid, process.create_time() - 100])
    assert run.state == "stopped"  # the id lives again as somebody else
