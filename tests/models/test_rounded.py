"""Weights in 8 bits: near enough to what they were, read again whatever their size, and refused where they are damaged."""

import pytest
import torch
from safetensors.torch import load, save

from diffusion_studio.errors import UserError
from diffusion_studio.models.rounded import read_rounded, rounded


def tensors(scale):
    torch.manual_seed(0)
    return {
        "a.weight": torch.randn(64, 32, 3, 3) * scale,
        "a.bias": torch.zeros(64),
        "norm": torch.full((8,), scale),
    }


@pytest.mark.parametrize("scale", [1e-6, 0.03, 1.0, 5000.0])
def test_they_come_back_within_a_sixteenth_and_take_a_byte_each(tmp_path, scale):
    path, given = tmp_path / "w.safetensors", tensors(scale)
    path.write_bytes(rounded(given))
    assert path.stat().st_size < sum(tensor.numel() for tensor in given.values()) + 500
    read = read_rounded(path)
    assert read.keys() == given.keys() and all(tensor.dtype == torch.float32 for tensor in read.values())
    smallest = max(float(tensor.abs().max()) for tensor in given.values()) / 448 * 2**-6
    for name, tensor in given.items():
        away = (read[name] - tensor).abs() / tensor.abs().clamp(min=smallest)
        assert float(away.max()) <= 1 / 16 + 1e-6, name
    assert not read["a.bias"].any()


def test_nothing_but_zeros_can_be_kept(tmp_path):
    path = tmp_path / "w.safetensors"
    for given in ({"a": torch.zeros(3)}, {"a": torch.zeros(0), "b": torch.zeros(2, 2)}):
        path.write_bytes(rounded(given))
        read = read_rounded(path)
        assert read.keys() == given.keys() and not any(tensor.any() for tensor in read.values())


def test_those_of_earlier_versions_in_16_bits_are_read_as_they_are(tmp_path):
    path, given = tmp_path / "w.safetensors", {"a": torch.randn(5).half()}
    path.write_bytes(save(given))
    assert torch.equal(read_rounded(path)["a"], given["a"].float())


@pytest.mark.parametrize("scale", ["nan", "0", "-2", "inf", "much"])
def test_a_scale_that_is_none_is_damage(tmp_path, scale):
    path = tmp_path / "w.safetensors"
    path.write_bytes(save(load(rounded(tensors(1.0))), metadata={"scale": scale}))
    with pytest.raises(UserError, match="damaged"):
        read_rounded(path)
    path.write_bytes(rounded(tensors(1.0))[:-5])
    with pytest.raises(UserError):
        read_rounded(path)
