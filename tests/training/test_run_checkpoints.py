"""Checkpoints of runs: which are kept, verified and resumed from."""

import contextlib
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from diffusion_studio.errors import UserError
from diffusion_studio.events import Warned
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage import atomic
from diffusion_studio.storage.places import models_dir
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import checkpoints, log, runs
from diffusion_studio.training.step.trainer import Trainer
from diffusion_studio.training_events import (
    CheckpointSaved,
    Published,
    TrainingStarted,
)
from tests.training.runs_here import of, stop_at


def save(run, step):
    return run.save_checkpoint(step, b"tensors" * step, {"step": step, "seconds": 1.0})


def test_older_checkpoints_go_only_when_two_verified_ones_are_newer(settings):
    run = runs.create("pruned", {}, {})
    paths = [save(run, step) for step in (1, 2)]
    (paths[1] / "state.safetensors").write_bytes(b"rotten")
    third = save(run, 3)
    assert [path.name for path in checkpoints.newest_first(run.path)] == ["00000003", "00000002", "00000001"]
    assert checkpoints.newest_verified(run.path) == (third, [])
    save(run, 4)
    assert [path.name for path in checkpoints.newest_first(run.path) if checkpoints.verified(path)] == [
        "00000004",
        "00000003",
    ]


def test_an_autosave_hashes_what_it_writes_once_and_reads_no_other_checkpoint_again(settings, monkeypatch):
    monkeypatch.setattr(checkpoints._verified, "unsettled", -(10**18))  # files count as at rest at once
    run = runs.create("hashed", {}, {})
    save(run, 1)
    real, hashed = checkpoints.hashlib.sha256, []
    monkeypatch.setattr(checkpoints.hashlib, "sha256", lambda data: hashed.append(len(data)) or real(data))
    second = save(run, 2)
    assert len(hashed) == 2  # the tensors and the state
    assert save(run, 2) == second and len(hashed) == 2  # stopped at the step of the autosave
    save(run, 3)
    assert len(hashed) == 4
    assert [path.name for path in checkpoints.newest_first(run.path)] == ["00000003", "00000002"]
    assert (
        all(checkpoints.verified(path) for path in checkpoints.newest_first(run.path)) and len(hashed) == 8
    )  # a resume hashes all


def test_a_checkpoint_that_cannot_be_read_back_removes_none(settings, monkeypatch):
    run = runs.create("torn", {}, {})
    for step in (1, 2):
        save(run, step)
    real = atomic.stage_folder

    @contextlib.contextmanager
    def torn(target):
        with real(target) as stage:
            yield stage
            (stage / "state.safetensors").write_bytes(b"tensorX" * 3)  # of the same size

    monkeypatch.setattr(checkpoints, "stage_folder", torn)
    with pytest.raises(UserError, match="read back"):
        save(run, 3)
    assert [path.name for path in checkpoints.newest_first(run.path) if checkpoints.verified(path)] == [
        "00000002",
        "00000001",
    ]


@pytest.mark.parametrize("damage", ["cut", "missing", "manifest", "stray stage"])
def test_going_on_takes_the_newest_that_verifies_and_says_which_it_left_out(settings, damage):
    stop_at(4, replace(settings, autosave_steps=2))
    run = runs.find("tiny")
    newest = run.path / "checkpoints" / "00000004"
    tensors = newest / "state.safetensors"
    stray = run.path / "checkpoints" / ".00000006.999999.0123abcd.part"
    {
        "cut": lambda: tensors.write_bytes(tensors.read_bytes()[:-1]),
        "missing": tensors.unlink,
        "manifest": lambda: (newest / "manifest.json").write_text("{}"),
        "stray stage": stray.mkdir,
    }[damage]()
    events = list(train(TrainingSettings(), resume="tiny"))
    told = [event.text for event in of(Warned, events) if "left out" in event.text]
    started = of(TrainingStarted, events)[0]
    if damage == "stray stage":
        assert (told, started.first_step) == ([], 4)
        assert not stray.exists()
    else:
        assert told == ["Checkpoint 00000004 is damaged and was left out; resuming from 00000002."]
        assert started.first_step == 2


def test_no_whole_checkpoint_is_an_error_that_names_them(settings):
    stop_at(4, replace(settings, autosave_steps=2))
    for path in checkpoints.newest_first(runs.find("tiny").path):
        (path / "state.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="00000004, 00000002"):
        list(train(TrainingSettings(), resume="tiny"))


def test_a_full_disk_stops_no_training_and_harms_no_checkpoint(settings, monkeypatch):
    real, full = checkpoints.save, [False]

    def save_checkpoint(*arguments):
        if full[0]:
            raise UserError("There is no room to save in /runs.")
        return real(*arguments)

    monkeypatch.setattr(checkpoints, "save", save_checkpoint)
    events = []
    for event in train(replace(settings, autosave_steps=2)):
        events.append(event)
        full[0] = (full[0] or isinstance(event, CheckpointSaved)) and not isinstance(event, Warned)
    assert any("no room" in event.text for event in of(Warned, events))
    assert isinstance(events[-1], Published)


@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_nan_in_the_weights_never_reaches_a_file(settings, monkeypatch, step):
    real = Trainer.step

    def poisoned(self, fraction):
        loss = real(self, fraction)
        if self.done == step:
            with torch.no_grad():
                self.parameters[2].view(-1)[0] = float("nan")
        return loss

    monkeypatch.setattr(Trainer, "step", poisoned)
    with pytest.raises(UserError, match="finite"):
        list(train(replace(settings, autosave_steps=3)))
    run = runs.find("tiny")
    assert [int(path.name) for path in checkpoints.newest_first(run.path)] == [
        saved for saved in (6, 3) if saved < step
    ]
    for path in checkpoints.newest_first(run.path):
        assert all(torch.isfinite(tensor).all() for tensor in load_file(path / "state.safetensors").values())
    assert not models_dir().exists()
    assert run.state == "stopped"


def test_the_log_forgets_what_is_done_again(settings):
    run = runs.create("logged", {}, {})
    for step in range(1, 6):
        log.append(run.path, {"step": step, "loss": step / 10, "validation": None})
    with (run.path / "log.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    assert [entry["step"] for entry in log.read(run.path)] == [1, 2, 3, 4, 5]
    log.cut(run.path, 3)
    assert log.read(run.path)[-1] == {"step": 3, "loss": 0.3, "validation": None}
    assert log.last_losses(run.path) == {"loss": 0.3}
