"""Haar bands are a rotation: exactly invertible, white noise stays white, and a network in them answers in pixels."""

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.names import SPACES as NAMES
from diffusion_studio.diffusion.packed.engine import difference, packed
from diffusion_studio.diffusion.spaces import to_bands, to_pixels
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import SPACES, UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.training.step.architectures import shape_for
from tests.model_folders import calm


@pytest.mark.parametrize("levels", [0, 1, 2])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_it_is_exactly_invertible_and_keeps_lengths(levels, channels):
    x = torch.randn(3, channels, 16, 8, generator=torch.Generator().manual_seed(0))
    bands = to_bands(x, levels)
    assert bands.shape == (3, channels * 4**levels, 16 >> levels, 8 >> levels)
    assert torch.allclose(to_pixels(bands, levels), x, atol=1e-6)
    assert torch.allclose(to_bands(to_pixels(bands, levels), levels), bands, atol=1e-6)
    assert torch.allclose(bands.square().sum((1, 2, 3)), x.square().sum((1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("levels", [1, 2])
def test_the_matrix_is_orthonormal(levels):
    side = 1 << levels
    basis = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
    matrix = to_bands(basis, levels).flatten(1)
    assert torch.allclose(matrix @ matrix.T, torch.eye(side * side, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("levels", [1, 2])
def test_white_noise_stays_white(levels):
    noise = torch.randn(400, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    bands = to_bands(noise, levels).flatten(2).permute(1, 0, 2).flatten(1).numpy()
    covariance = np.cov(bands)
    assert np.abs(covariance - np.eye(len(bands))).max() < 0.06
    assert np.abs(bands.mean(axis=1)).max() < 0.03


def test_the_first_band_is_the_image_at_half_the_side():
    x = torch.rand(1, 3, 4, 4)
    assert torch.allclose(to_bands(x, 1)[:, 0::4], 2 * torch.nn.functional.avg_pool2d(x, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_number_format_stays_and_is_rounded_once(dtype):
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    bands = to_bands(x, 1)
    assert bands.dtype == dtype
    assert torch.equal(
        bands,
        to_bands(x.double(), 1).to(torch.float64 if dtype == torch.float64 else torch.float32).to(dtype),
    )


@pytest.mark.parametrize(("space", "size"), [("haar", 16), ("haar2", 16), ("haar", 32), ("haar2", 32)])
def test_a_network_in_bands_takes_and_gives_pixels(space, size):
    config = shape_for(size, "small", 0, space)
    assert config.sides == (size, size) and config.channels == 3
    assert config.map_sides == (size >> SPACES[space],) * 2
    network = calm(UNet(config))
    x, t = torch.randn(2, 3, size, size), torch.tensor([3.0, 700.0])
    levels = SPACES[space]
    inner = UNet(UNetConfig.from_dict({**config.to_dict(), "space": "pixels"}))
    inner.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.allclose(network(x, t), to_pixels(inner(to_bands(x, levels), t), levels), atol=1e-5)


def test_the_packed_network_answers_the_same():
    network = calm(UNet(shape_for(16, "small", 0, "haar")))
    engine = packed(network.eval(), torch.float32)
    if engine is None:
        pytest.skip("no packed network on this computer")
    assert difference(engine, network) < 1e-4


def test_the_configuration_keeps_the_space_and_pixels_are_written_as_before():
    config = shape_for(32, "small", 3, "haar")
    assert UNetConfig.from_dict(config.to_dict()) == config
    assert config.to_dict()["space"] == "haar" and config.to_dict()["in_channels"] == 12
    assert "space" not in shape_for(32).to_dict()
    assert set(NAMES) == {*SPACES, "latents"}  # whose network sees what an autoencoder made of the image


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"space": "wavelets"}, "space"),
        ({"space": "haar2"}, "in_channels must be a multiple of 16"),
        ({"space": 3}, "space"),
    ],
)
def test_a_space_that_does_not_fit_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        UNetConfig.from_dict({**shape_for(32, "small", 0, "haar").to_dict(), **change})


@pytest.mark.parametrize(("size", "space"), [(30, "haar2"), (33, "haar"), (12, "haar2")])
def test_sizes_that_do_not_fit_are_refused_by_name(size, space):
    with pytest.raises(UserError, match=str(size)):
        shape_for(size, "small", 0, space)
