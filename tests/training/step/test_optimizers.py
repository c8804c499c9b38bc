"""Muon for matrices beside AdamW for the rest, and how the learning rate falls."""

import pytest
import torch
from torch import nn

from diffusion_studio.training.step.flat_weights import FlatWeights
from diffusion_studio.training.step.learning_rate import FALLS, share_of_rate
from diffusion_studio.training.step.optimizers import Optimizer, matrices


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(3, 8, 3)
        self.middle = nn.Conv2d(8, 16, 3)
        self.linear = nn.Linear(16, 8)
        self.class_embedding = nn.Embedding(3, 8)


@pytest.fixture
def build():
    def build(kind):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = Small()
        flat = FlatWeights(network, matrices(network, kind))
        flat.whole.grad = flat.zeros()
        draw = torch.Generator().manual_seed(1)
        for view in flat.views(flat.whole.grad):
            view.copy_(torch.randn(view.shape, generator=draw))
        return network, flat, Optimizer(flat, 1e-3)

    return build


def test_muon_takes_the_inner_matrices_and_adamw_does_with_the_rest_as_always(build):
    plain, _, adamw = build("adamw")
    before = {name: weight.clone() for name, weight in plain.state_dict().items()}
    mixed, flat, muon = build("muon")
    assert [name for k, (name, _) in enumerate(mixed.named_parameters()) if k in flat.last] == [
        "middle.weight",
        "linear.weight",
    ]
    adamw.step(1e-3)
    muon.step(1e-3)
    for name, weight in mixed.state_dict().items():
        same = torch.equal(weight, plain.state_dict()[name])
        assert same == (name not in ("middle.weight", "linear.weight")), name
    step = (mixed.middle.weight - before["middle.weight"] * (1 - 1e-5)).detach().flatten(1)
    lengths = torch.linalg.svdvals(step)  # an orthogonal step is as long in every direction
    assert lengths.min() > 0.4 * lengths.max()
    assert step.square().mean().sqrt() == pytest.approx(0.2e-3, rel=0.25)  # what AdamW's steps have


def test_a_saved_muon_continues_bit_for_bit(build):
    straight, first, second = build("muon"), build("muon"), build("muon")
    for _ in range(3):
        straight[2].step(1e-3)
    first[2].step(1e-3)
    state = first[2].state()
    assert {name.split(".")[2] for name in state} == {"exp_avg", "exp_avg_sq", "step", "momentum_buffer"}
    second[1].whole.data.copy_(first[1].whole)
    second[2].load(state)
    for _ in range(2):
        second[2].step(1e-3)
    assert torch.equal(second[1].whole, straight[1].whole)


def test_each_fall_of_the_rate_is_its_formula():
    assert [FALLS["cosine"](f) for f in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.525, 0.05])
    assert [FALLS["inverse_sqrt"](f) for f in (0.05, 0.1, 0.4, 0.9)] == pytest.approx([1.0, 1.0, 0.5, 1 / 3])
    assert FALLS["constant"](1.0) == 1.0
    assert [FALLS["linear"](f) for f in (0.6, 0.8, 1.0, 1.2)] == pytest.approx([1.0, 0.5, 0.05, 0.05])
    assert share_of_rate("cosine", step=5, warmup=10, fraction=0.0) == pytest.approx(0.5)


def test_a_short_run_warms_up_for_a_twentieth_of_it():
    shares = [
        share_of_rate("constant", step=step, warmup=250, fraction=(step - 1) / 400)
        for step in (1, 11, 21, 400)
    ]
    assert shares == pytest.approx([1 / 250, 0.5, 1.0, 1.0])
    assert share_of_rate("constant", step=100, warmup=250, fraction=99 / 40_000) == pytest.approx(0.4)
    assert share_of_rate("constant", step=1, warmup=0, fraction=0.0) == 1.0
