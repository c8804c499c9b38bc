"""What a training run will take: measured steps, memory, batch."""

from dataclasses import replace

import pytest
import torch

from diffusion_studio.errors import UserError
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage.places import runs_dir
from diffusion_studio.training.estimate import activations, choose_batch, estimate, memory
from diffusion_studio.training.records import runs
from diffusion_studio.training.step.architectures import shape_for
from diffusion_studio.training.step.new_network import fresh_network
from diffusion_studio.training_events import (
    Estimated,
)
from tests.training.runs_here import stop_at


def test_an_estimate_measures_and_writes_nothing(settings, own_folders):
    *_, last = estimate(replace(settings, steps=1000))
    assert isinstance(last, Estimated)
    network = fresh_network(shape_for(8, "small", 2), 0)
    assert last.parameters == sum(weight.numel() for weight in network.parameters())
    assert last.total_seconds == pytest.approx(1000 * last.step_seconds)
    assert last.batch == 4
    assert not runs_dir().exists()
    with pytest.raises(UserError, match="not there"):
        list(estimate(TrainingSettings(folder=str(own_folders / "nowhere"))))


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
