"""Muon's step: torch's own, whoever computes it, and none where it is to be left out."""

import pytest
import torch
from torch import nn

from diffusion_studio.training.step.flat_weights import FlatWeights
from diffusion_studio.training.step.muon import Muon, orthogonal

SHAPES = ((12, 30), (30, 12), (12, 30), (8, 8))
DECAY = 0.01


class Matrices(nn.Module):
    def __init__(self):
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.first = nn.Parameter(torch.randn(5, generator=draw))
        self.others = nn.ParameterList(torch.randn(shape, generator=draw) for shape in SHAPES)


def block():
    flat = FlatWeights(Matrices(), last=range(1, 1 + len(SHAPES)))
    flat.whole.grad = flat.zeros()
    return flat


def learn(flat, seed):
    draw = torch.Generator().manual_seed(seed)
    for view in flat.views(flat.whole.grad):
        view.copy_(torch.randn(view.shape, generator=draw))


def test_its_steps_are_those_of_torch():
    flat, twin = block(), Matrices()
    ours, theirs = (
        Muon(flat, DECAY),
        torch.optim.Muon(list(twin.others), lr=0.02, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"),
    )
    for seed in range(4):
        learn(flat, seed)
        for matrix, view in zip(twin.others, flat.views(flat.whole.grad)[1:], strict=True):
            matrix.grad = view.clone()
        ours.step(0.02)
        theirs.step()
    ours.close()
    for matrix, weight in zip(twin.others, flat.parameters[1:], strict=True):
        assert torch.allclose(matrix, weight, atol=2e-4)
    assert torch.equal(flat.parameters[0], Matrices().first)  # not Muon's


def test_the_number_of_threads_changes_no_bit():
    threads, made = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            flat = block()
            muon = Muon(flat, DECAY)
            assert (muon.workers is None) == (count == 1)
            for seed in range(3):
                learn(flat, seed)
                muon.step(0.02)
            muon.close()
            made.append(flat.whole.detach().clone())
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])


@pytest.mark.parametrize("shape", [(12, 30), (30, 12)])
def test_matrices_of_one_shape_come_out_together_as_each_would_alone(shape):
    some = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    for together, matrix in zip(orthogonal(some), some, strict=True):
        assert together.shape == shape
        assert torch.allclose(together.float(), orthogonal([matrix])[0].float(), atol=0.02)
        lengths = torch.linalg.svdvals(together.float())
        assert lengths.min() > 0.6 and lengths.max() < 1.3


def test_a_step_that_is_left_out_changes_nothing_even_where_the_gradient_is_not_finite():
    left_out, plain = block(), block()
    with_gap, without = Muon(left_out, DECAY), Muon(plain, DECAY)
    learn(left_out, 0)
    with_gap.step(0.02, torch.tensor(False))
    before = left_out.whole.detach().clone()
    left_out.views(left_out.whole.grad)[2].fill_(float("nan"))
    with_gap.step(0.02, torch.tensor(True))
    assert torch.equal(left_out.whole, before)
    learn(left_out, 1)
    with_gap.step(0.02, torch.tensor(False))
    for seed in (0, 1):
        learn(plain, seed)
        without.step(0.02)
    assert torch.equal(left_out.whole, plain.whole)
    with_gap.close(), without.close()
