"""A run from its folder of pictures to its model: stopping, going on, saving, publishing, and what may go wrong on the way."""

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
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from diffusion_studio.errors import UserError
from diffusion_studio.events import Warned
from diffusion_studio.models import cards
from diffusion_studio.models.folder import read_model
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage import places
from diffusion_studio.storage.places import models_dir, runs_dir
from diffusion_studio.training import loop
from diffusion_studio.training.carry_over import fit_network
from diffusion_studio.training.loop import train
from diffusion_studio.training.provenance import with_classes
from diffusion_studio.training.publish import publish
from diffusion_studio.training.records import log, runs
from diffusion_studio.training.step.architectures import shape_for
from diffusion_studio.training.step.new_network import fresh_network
from diffusion_studio.training_events import (
    Loss,
    Published,
    Samples,
    TrainingStarted,
)
from tests.training.runs_here import newest, of, stop_at

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
    assert figures["finished_equal"] == figures["runs"] >= 1


TOGETHER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from diffusion_studio.settings.generation import TrainingSettings
from diffusion_studio.training.loop import train

settings = TrainingSettings(folder=sys.argv[2], name="together", size=8, batch=4, steps=6, warmup=2, seed=3, learning_rate=4e-4,
                            optimizer="adamw", precision="float32", sample_every=0.0, autosave_steps=4)
for event in train(settings):
    pass
"""


@pytest.mark.slow
def test_two_processes_walk_like_one_with_twice_the_batch(settings, folder, tmp_path):
    # AdamW: Muon makes what rounding leaves of a gradient of zero as large as any other
    list(train(replace(settings, name="alone", batch=8, steps=6, learning_rate=4e-4, optimizer="adamw")))
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
