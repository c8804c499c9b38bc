"""A run from its folder of pictures to its model: stopping, going on, saving, publishing, and what may go wrong on the way."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status, Warned
from diffusion_studio.models import cards
from diffusion_studio.models.folder import read_model
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage import atomic, places
from diffusion_studio.storage.places import models_dir, runs_dir
from diffusion_studio.training import loop, progress
from diffusion_studio.training.carry_over import fit_network
from diffusion_studio.training.estimate import activations, choose_batch, estimate, memory
from diffusion_studio.training.loop import train
from diffusion_studio.training.provenance import with_classes
from diffusion_studio.training.publish import publish
from diffusion_studio.training.records import checkpoints, log, runs
from diffusion_studio.training.step.architectures import shape_for
from diffusion_studio.training.step.new_network import fresh_network
from diffusion_studio.training.step.trainer import Trainer
from diffusion_studio.training_events import (
    CheckpointSaved,
    Estimated,
    Loss,
    Published,
    Samples,
    TrainingStarted,
)


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def stop_at(step, settings, resume=None):
    """Train until the checkpoint of `step`, then close the generator; returns the events."""
    job, events = train(settings, resume=resume), []
    for event in job:
        events.append(event)
        if isinstance(event, CheckpointSaved) and event.step >= step:
            break
    job.close()
    return events


def digest(run, step):
    manifest = json.loads((run.path / "checkpoints" / f"{step:08d}" / "manifest.json").read_text())
    return manifest["state.safetensors"]["sha256"]


# The whole way --------------------------------------------------------------------------------------------------------


def test_a_run_ends_in_a_model_that_diffusers_opens(settings, folder):
    events = list(train(settings))
    started, published = of(TrainingStarted, events)[0], events[-1]
    assert (started.pictures, started.first_step, started.total) == (30, 0, 8)
    assert published == Published(name="tiny", path=models_dir() / "tiny")
    last = of(Loss, events)[-1]
    assert (last.step, last.fraction, last.time_left) == (8, 1.0, 0.0)
    assert last.validation > 0
    assert np.mean([loss for _, loss in last.by_timestep]) == pytest.approx(last.validation, rel=1e-5)

    card = cards.find("tiny")
    assert (card.classes, card.null_class, card.size) == (("bright", "dark"), 2, 8)
    assert card.trained["class_counts"] == {"bright": 10, "dark": 20}
    assert card.trained["settings"]["seed"] == 3
    assert card.trained["loss"]["validation"] == pytest.approx(last.validation, rel=1e-3)
    assert str(folder) not in (card.path / "card.json").read_text()
    run = runs.find("tiny")
    assert (run.state, run.step, run.facts["published"]) == ("finished", 8, "tiny")
    averages = load_file(run.path / "checkpoints" / "00000008" / "state.safetensors")
    network = read_model(card.path).network
    for index, (name, weight) in enumerate(network.named_parameters()):
        assert torch.equal(weight, averages[f"ema.{index}"]), name

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diffusers = pytest.importorskip("diffusers")
        diffusers.utils.logging.disable_progress_bar()  # its monitor is a thread
        pipeline = diffusers.DDPMPipeline.from_pretrained(card.path, low_cpu_mem_usage=False)
    x, t, y = torch.randn(2, 3, 8, 8), torch.tensor([5, 900]), torch.tensor([0, 2])
    with torch.no_grad():
        theirs = pipeline.unet(x, t, class_labels=y).sample
        assert torch.allclose(network(x, t, y), theirs, atol=1e-5)
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


def test_samples_and_their_film(settings, monkeypatch):
    monkeypatch.setattr(loop, "SAMPLE_COUNT", 3)
    events = list(train(replace(settings, steps=2, sample_every=1e-9)))
    samples = of(Samples, events)
    assert [event.step for event in samples] == [1, 2, 2]
    assert samples[0].ema.shape == samples[0].raw.shape == (3, 8, 8, 3)
    assert samples[0].warming_up
    assert not np.array_equal(samples[-1].ema, samples[0].ema)
    film = sorted((runs.find("tiny").path / "samples").glob("*.png"))
    assert [frame.stem for frame in film] == ["00000001", "00000002"]
    for folder, pictures in (("samples", samples[0].ema), ("samples/raw", samples[0].raw)):
        with Image.open(runs.find("tiny").path / folder / "00000001.png") as sheet:
            assert np.array_equal(np.asarray(sheet), np.concatenate(list(pictures), axis=1))


def test_one_picture_is_enough_and_the_warning_is_honest(settings, tmp_path):
    only = tmp_path / "only"
    only.mkdir()
    Image.new("RGB", (8, 8), "red").save(only / "red.png")
    (only / "bad.png").write_bytes(b"?")
    events = list(train(replace(settings, folder=str(only), steps=2)))
    texts = [event.text for event in of(Warned, events)]
    assert "bad.png" in texts[0]
    assert "only one image" in texts[1]
    assert isinstance(events[-1], Published)
    assert of(Loss, events)[-1].validation is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "name"),
        ({"name": "…"}, "letter"),
        ({"folder": "/nowhere/at/all"}, "not there"),
        ({"size": 33}, "33"),
    ],
)
def test_what_can_not_be_trained_is_said_and_leaves_nothing(settings, changes, words):
    with pytest.raises(UserError, match=words):
        list(train(replace(settings, **changes)))
    assert not runs_dir().exists()


# Stop and go on -------------------------------------------------------------------------------------------------------


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


# Checkpoints ----------------------------------------------------------------------------------------------------------


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
        full[0] = isinstance(event, CheckpointSaved)
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


# Models ---------------------------------------------------------------------------------------------------------------


def test_another_model_of_the_name_is_never_overwritten(settings):
    list(train(replace(settings, steps=2)))
    runs.delete(runs.find("tiny"))
    with pytest.raises(UserError, match="model called"):
        list(train(settings))
    before = (models_dir() / "tiny" / "card.json").read_bytes()
    (models_dir() / "tiny").rename(models_dir() / "aside")
    job = train(replace(settings, steps=2))
    while not isinstance(next(job), TrainingStarted):
        pass
    (models_dir() / "aside").rename(models_dir() / "tiny")  # somebody made one meanwhile
    *_, last = job
    assert last.name == "tiny-2"
    assert (models_dir() / "tiny" / "card.json").read_bytes() == before


def test_a_stopped_run_can_be_published_and_renamed(settings):
    stop_at(4, replace(settings, autosave_steps=2))
    renamed = runs.rename(runs.find("tiny"), "Better name")
    *_, published = publish("better name")
    assert published.name == renamed.name == "better-name"
    assert cards.find("better-name").trained["steps"] == 4
    assert cards.find("better-name").title == "Better name"
    events = list(train(TrainingSettings(), resume="better-name"))
    assert of(TrainingStarted, events)[0].first_step == 4


def test_fine_tuning_begins_where_the_model_was(settings, folder, tmp_path):
    list(train(replace(settings, steps=3, prediction="epsilon", schedule="linear")))
    other = tmp_path / "other"
    for name in ("dark", "striped"):
        (other / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), "red").save(other / name / "1.png")
    stop_at(1, replace(settings, name="Tuned", folder=str(other), start_from="tiny", autosave_steps=1))
    run = runs.find("tuned")
    assert run.facts["settings"]["prediction"] == "epsilon"
    assert run.facts["origin"]["scheduler"]["beta_schedule"] == "linear"
    begun = load_file(run.path / "checkpoints" / "00000000" / "state.safetensors")
    old = read_model(models_dir() / "tiny").network.state_dict()
    assert torch.equal(begun["weights.conv_in.weight"], old["conv_in.weight"])
    table, before = begun["weights.class_embedding.weight"], old["class_embedding.weight"]
    assert torch.equal(
        table, torch.stack([before[1], before[2], before[2]])
    )  # dark; striped and any: as any was
    with pytest.raises(UserError, match="multiples of 2"):
        fit_network(fresh_network(shape_for(16), 0), 9, 3)
    places.trash(models_dir() / "tiny")
    assert isinstance(list(train(TrainingSettings(), resume="tuned"))[-1], Published)


def test_classes_come_and_go_without_changing_the_answer():
    torch.manual_seed(0)
    network = fresh_network(shape_for(8, "small", 2), 0).eval()
    torch.nn.init.normal_(network.conv_out.weight)
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([3, 700])
    anything = network(x, t, torch.tensor([2, 2]))
    without = with_classes(network, ("a", "b"), 2, ())
    assert without.config.num_class_embeds is None
    assert torch.allclose(without(x, t), anything, atol=1e-5)
    again = with_classes(without, (), None, ("c", "d", "e"))
    assert torch.allclose(again(x, t, torch.tensor([0, 3])), anything, atol=1e-5)


# Before the start -----------------------------------------------------------------------------------------------------


def test_an_estimate_measures_and_writes_nothing(settings, own_folders):
    *_, last = estimate(replace(settings, steps=1000))
    assert isinstance(last, Estimated)
    network = fresh_network(shape_for(8, "small", 2), 0)
    assert last.parameters == sum(weight.numel() for weight in network.parameters())
    assert last.total_seconds == pytest.approx(1000 * last.step_seconds)
    assert last.batch == 4
    assert not runs_dir().exists()
    with pytest.raises(UserError, match="not there"):
        list(estimate(TrainingSettings(folder="/nowhere")))


def test_a_step_is_measured_once_for_its_size_and_this_computer(settings, monkeypatch):
    from diffusion_studio.training import estimate as module
    from diffusion_studio.training import step_times

    *_, first = estimate(settings)

    def never(*args, **kwargs):
        raise AssertionError("measured again")

    monkeypatch.setattr(module, "Trainer", never)
    *_, again = estimate(replace(settings, learning_rate=1e-3))
    assert again.step_seconds == first.step_seconds
    with pytest.raises(AssertionError):
        list(estimate(replace(settings, batch=2)))
    monkeypatch.setattr(step_times.time, "time", lambda: 1e11)  # much later
    with pytest.raises(AssertionError):
        list(estimate(settings))


def test_step_times_that_cannot_be_kept_or_read_only_mean_measuring_again(own_folders):
    from diffusion_studio.training import step_times

    step_times.remember(0.5, size=32)
    assert step_times.recall(size=32) == 0.5 and step_times.recall(size=64) is None
    step_times.step_times_file().write_text("no JSON")
    assert step_times.recall(size=32) is None
    step_times.step_times_file().mkdir(exist_ok=True)
    step_times.remember(0.5, size=32)


def test_memory_is_counted_and_the_batch_fits(monkeypatch):
    config = shape_for(16, "small")
    network = fresh_network(config, 0)
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(torch.zeros(1, 3, 16, 16), torch.zeros(1)).sum()
    real = sum(kept.values()) - sum(4 * weight.numel() for weight in network.parameters())
    assert activations(config, "float32") == pytest.approx(real, rel=0.25)
    assert activations(config, "bfloat16") < activations(config, "float32")
    from diffusion_studio.training import estimate as module

    for batch in (1, 4, 32):
        free = memory(config, batch, "float32") * 2 + 1
        monkeypatch.setattr(
            module.psutil, "virtual_memory", lambda free=free: type("Memory", (), {"available": free})
        )
        assert choose_batch(config, "cpu", "float32") == batch


def test_an_automatic_batch_is_written_into_the_run(settings):
    stop_at(1, replace(settings, batch=0, autosave_steps=1))
    assert runs.find("tiny").facts["settings"]["batch"] == 32


# Killed ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_sigkill_at_any_moment_loses_no_checkpoint_and_no_bit(tmp_path):
    script = Path(__file__).parents[1] / "benchmarks" / "kill_training.py"
    result = subprocess.run(
        [sys.executable, str(script), "--kills", "2", "--in-saves", "1", "--steps", "30", "--json"],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads(result.stdout.splitlines()[-1])
    assert figures["kills"] == figures["resumed_equal"] == 2
    assert figures["in_saves"] >= 1
    assert figures["lost"] == 0
    assert figures["progressed"] > 0


TOGETHER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from diffusion_studio.settings.generation import TrainingSettings
from diffusion_studio.training.loop import train

settings = TrainingSettings(folder=sys.argv[2], name="together", size=8, batch=4, steps=6, warmup=2, seed=3, learning_rate=4e-4,
                            precision="float32", sample_every=0.0, autosave_steps=4)
for event in train(settings):
    pass
"""


@pytest.mark.slow
def test_two_processes_walk_like_one_with_twice_the_batch(settings, folder, tmp_path):
    list(train(replace(settings, name="alone", batch=8, steps=6, learning_rate=4e-4)))
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    command = [sys.executable, "-X", "faulthandler", str(script), str(Path(__file__).parents[2]), str(folder)]
    complaints = run_team(command)
    if any(code == -signal.SIGABRT for code, _ in complaints):
        # gloo aborts once in some hundred starts of a busy machine, before the first step or after the last
        shutil.rmtree(runs.runs_dir() / "together", ignore_errors=True)
        complaints = run_team(command)
    assert all(code == 0 for code, _ in complaints), complaints
    one, two = (load_file(path) for path in (newest("alone"), newest("together")))
    for name in one:
        if name.startswith(("weights", "ema")):
            assert torch.allclose(one[name], two[name], rtol=1e-3, atol=2e-5), name
    alone, together = (log.last_losses(runs.find(name).path) for name in ("alone", "together"))
    assert together == pytest.approx(alone, rel=1e-3)


def run_team(command):
    """The exit status and the complaints of two processes that train together."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    team = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    members = [
        subprocess.Popen(
            command, env={**os.environ, **team, "RANK": str(rank)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    try:
        complaints = [member.communicate(timeout=240)[1] for member in members]
    finally:
        for member in members:
            member.kill()
            member.wait()
    return [(member.returncode, text) for member, text in zip(members, complaints, strict=True)]


def newest(name):
    return checkpoints.newest_verified(runs.find(name).path)[0] / "state.safetensors"
