"""What is kept apart comes back equal, does not follow its original, and goes back to the system when it is let go."""

import gc
import os

import psutil
import pytest
import torch

from diffusion_studio.machine.mapped_tensors import MappedTensors


def test_it_comes_back_equal_and_apart():
    x = torch.randn(2, 3, 4)
    value = (x, None, 0.5, [[torch.arange(5, dtype=torch.uint8)], []], ((x, torch.zeros(0, 3)),))
    kept = MappedTensors(value)
    x_then = x.clone()
    x.zero_()
    again = kept.value()
    assert torch.equal(again[0], x_then) and again[1:3] == (None, 0.5)
    assert (
        again[3][0][0].dtype == torch.uint8
        and again[3][0][0].tolist() == [0, 1, 2, 3, 4]
        and again[3][1] == []
    )
    assert again[4][0][0] is again[0], "what was shared is kept once"
    assert again[4][0][1].shape == (0, 3)
    assert kept.size == 128 + 64, "24 floats and 5 bytes, each on whole lines"


def test_every_tensor_begins_where_the_processor_likes_it():
    first, second = MappedTensors((torch.ones(3), torch.ones(3, dtype=torch.float64))).value()
    assert second.data_ptr() - first.data_ptr() == 64


@pytest.mark.skipif(os.name == "nt", reason="counts pages as Linux and macOS do")
def test_what_is_let_go_goes_back_to_the_system():
    def resident():
        gc.collect()
        return psutil.Process().memory_info().rss

    before = resident()
    many = [MappedTensors(torch.ones(1 << 18)) for _ in range(100)]  # 100 MB
    assert resident() - before > 90 << 20
    del many[1::2]
    assert resident() - before < 60 << 20
    assert all(torch.equal(kept.value(), torch.ones(1 << 18)) for kept in many)
