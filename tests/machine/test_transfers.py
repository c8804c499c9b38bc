"""Work that no device is waited for in: what it computes, on the processor, with stand-ins for streams and graphs."""

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.packed.recorded import MOST, Recorded
from diffusion_studio.generation import trajectory as trajectories
from diffusion_studio.generation.trajectory import State, Trajectory
from diffusion_studio.machine.transfers import LateFigures, to_cpu_soon, to_device
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.step.trainer import PATIENCE, NotFinite, Trainer
from tests.model_folders import network


def test_on_the_processor_nothing_is_copied():
    value = (torch.ones(2), [torch.zeros(1), 3])
    assert to_cpu_soon(value)() is value and to_device(value[0], "cpu") is value[0]


def test_figures_are_read_a_turn_late():
    waited = []

    def soon(figures):
        copy = figures.clone()
        return lambda: waited.append(float(copy[0])) or copy

    late = LateFigures(soon)
    assert [late.exchange(torch.tensor([float(k)])) for k in range(3)] == [[0.0], [0.0], [1.0]]
    assert waited == [0.0, 0.0, 1.0]


# A forward as a graph ---------------------------------------------------------------------------------------------------


def test_a_recorded_forward_is_replayed_on_new_values_by_shape_and_gives_answers_of_their_own():
    runs, replays = [], []

    def forward(x, timestep, labels):
        return x * timestep[:, None] + (0 if labels is None else labels[:, None])

    def record(run):
        runs.append(run)
        answer = run().clone()
        return lambda: replays.append(1) or answer.copy_(run()), answer

    recorded = Recorded(forward, record)
    asked = [
        (torch.randn(n, 3), torch.rand(n), torch.arange(n) if labelled else None)
        for n in (1, 2, 1, 2)
        for labelled in (True, False)
    ]
    answers = [recorded(*one) for one in asked]
    for one, answer in zip(asked, answers, strict=True):
        assert torch.equal(answer, forward(*one))
    assert len(runs) == 4 and len(replays) == 8
    for n in range(1, MOST + 5):
        recorded(torch.zeros(n, 3), torch.zeros(n), None)
    assert len(recorded.known) == MOST


def test_what_cannot_be_recorded_runs_as_it_is():
    def refuse(run):
        raise RuntimeError("operation not permitted when stream is capturing")

    recorded = Recorded(lambda x, timestep, labels: x + 1, refuse)
    for _ in range(2):
        assert torch.equal(recorded(torch.ones(1, 2), torch.zeros(1), None), torch.full((1, 2), 2.0))


# Steps whose copies arrive later ----------------------------------------------------------------------------------------


def test_a_trajectory_takes_a_step_in_with_the_next_or_when_somebody_looks(monkeypatch):
    waits = []

    def on_its_way(state):
        return lambda: waits.append(state.index) or state

    monkeypatch.setattr(trajectories, "_on_its_way", on_its_way)
    known = Trajectory()
    known.begin(GenerationSettings(), (0,))
    for index in range(3):
        x = torch.full((1, 3, 2, 2), index / 10)
        known.append(State(index, 2, 2.0 - index, 0.0, x, x, None, [], None))
        assert waits == list(range(index)), "nobody waits for the newest"
    assert len(known) == 3 and waits == [0, 1, 2]
    assert known.kept() == (0, 1, 2) and torch.equal(known.state(1).x, torch.full((1, 3, 2, 2), 0.1))
    assert [fact.change is None for fact in known.facts()] == [True, False, False]


# A training step --------------------------------------------------------------------------------------------------------


def trainer(unattended):
    images = np.random.default_rng(0).integers(0, 256, (8, 3, 8, 8), dtype=np.uint8)
    pictures = Pictures(images, np.zeros(8, np.int64), (), [str(k) for k in range(8)])
    settings = TrainingSettings(size=8, batch=4, validation=0.0, seed=1, warmup=1)
    made = Trainer(settings, pictures, device="cpu", precision="float32", network=network())
    made.unattended = unattended
    return made


def test_a_step_that_nobody_waits_for_learns_the_same():
    waited, free = trainer(False), trainer(True)
    try:
        losses = [[own.step(k / 5) for k in range(5)] for own in (waited, free)]
        assert torch.equal(waited.flat.whole, free.flat.whole) and torch.equal(
            waited.ema.whole, free.ema.whole
        )
        assert losses[1] == [losses[0][0], *losses[0][:-1]], "its loss is read with the next step"
    finally:
        waited.close(), free.close()


def test_a_bad_step_that_nobody_waits_for_is_left_out_and_several_stop_the_run(monkeypatch):
    free = trainer(True)
    try:
        free.step(0.0)
        before, moments = free.flat.whole.clone(), {k: v.clone() for k, v in free.optimizer.moments.items()}
        real = free.objective.target
        monkeypatch.setattr(free.objective, "target", lambda *given: real(*given) * float("nan"))
        free.step(0.1)
        assert torch.equal(free.flat.whole, before)
        assert all(torch.equal(value, moments[name]) for name, value in free.optimizer.moments.items())
        for _ in range(PATIENCE - 1):
            free.step(0.1)
        with pytest.raises(NotFinite):
            free.step(0.1)
    finally:
        free.close()
