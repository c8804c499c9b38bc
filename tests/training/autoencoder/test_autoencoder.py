"""The autoencoder is diffusers' AutoencoderTiny; its training lowers the error, stops when that is done, and resumes."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
from diffusion_studio.diffusion.autoencoder_config import AutoencoderConfig
from diffusion_studio.errors import UserError
from diffusion_studio.training.autoencoder.adapting import adapt
from diffusion_studio.training.autoencoder.fitting import Fitting, psnr, settle

TINY = AutoencoderConfig(channels=4, width=8, latent_channels=2, blocks=(1, 1))


@pytest.fixture
def discs():
    """(24, 4, 16, 16) uint8: discs of a colour each on nothing."""
    chance = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16]
    images = np.zeros((24, 4, 16, 16), np.uint8)
    for image in images:
        inside = (x - chance.integers(4, 12)) ** 2 + (y - chance.integers(4, 12)) ** 2 < 20
        image[:3] = inside * chance.integers(40, 255, (3, 1, 1))
        image[3] = inside * 255
    return images


def network(config=TINY):
    torch.manual_seed(1)
    return TinyAutoencoder(config)


def test_it_is_the_one_of_diffusers():
    config = AutoencoderConfig(channels=3, width=8, latent_channels=4, blocks=(1, 2, 2), scale=0.7)
    ours, theirs = network(config), AutoencoderTiny.from_config(config.to_diffusers())
    theirs.load_state_dict(ours.state_dict())
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        latents = theirs.encode(images).latents
        assert torch.equal(ours.encode(images), latents * 0.7) and latents.shape == (2, 4, 4, 4)
        assert torch.allclose(ours.decode(latents * 0.7), theirs.decode(latents).sample, atol=1e-6)
    assert AutoencoderConfig.from_diffusers(dict(theirs.config)) == config


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"act_fn": "silu"}, "act_fn"),
        ({"num_encoder_blocks": "x"}, "understood"),
        ({"latent_channels": 0}, "built"),
    ],
)
def test_one_that_is_built_otherwise_is_refused(wrong, words):
    with pytest.raises(UserError, match=words):
        AutoencoderConfig.from_diffusers({**TINY.to_diffusers(), **wrong})


def test_its_error_falls_and_its_latents_are_settled(discs):
    images = torch.from_numpy(discs)
    learning = network()
    before = psnr(learning, images)
    for _ in Fitting(learning, images, steps=150, dtype=torch.float32).run():
        pass
    assert psnr(learning, images) > before + 3
    settle(learning, images)
    with torch.no_grad():
        latents = learning.encode(images / 127.5 - 1)
    assert float(latents.square().mean()) == pytest.approx(1, abs=0.01)


def test_a_resumed_training_goes_on_bit_for_bit(discs):
    images = torch.from_numpy(discs)
    whole, half, rest = (Fitting(network(), images, steps=6, batch=4, dtype=torch.float32) for _ in range(3))
    list(whole.run())
    steps = half.run()
    for _ in range(3):
        next(steps)
    rest.load(half.state())
    list(rest.run())
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, rest.network.state_dict()[name])


def test_a_folder_is_adapted_to_until_nothing_is_gained(discs, monkeypatch):
    from diffusion_studio.training.autoencoder import adapting

    monkeypatch.setattr(adapting, "ROUND", 10)
    monkeypatch.setattr(adapting, "COOLING", 15)
    shipped = network()
    kept = {name: tensor.clone() for name, tensor in shipped.state_dict().items()}
    rounds = list(adapt(shipped, discs, seed=3, dtype=torch.float32, longest=3))
    assert rounds[0].step == 0 and rounds[-1].now > rounds[0].before
    assert all(torch.equal(tensor, kept[name]) for name, tensor in shipped.state_dict().items())
    for entry, made, told in (
        (rounds[-1], rounds[-1].decoded, rounds[-1].now),
        (rounds[-1], rounds[-1].decoded_before, rounds[0].before),
    ):
        assert made.shape == entry.images.shape and made.dtype == np.uint8
        if len(entry.images) == max(1, len(discs) // 5):  # all that is measured
            error = np.square(made.astype(float) - entry.images).mean()
            assert 10 * np.log10(255**2 / error) == pytest.approx(told, abs=0.1)
    assert rounds[-1].network.config.scale != 1 and not next(rounds[-1].network.parameters()).requires_grad
    again = list(adapt(rounds[-1].network, discs[:1], seed=3, dtype=torch.float32, longest=0))
    assert again[-1].now >= again[0].before
    assert [entry.step for entry in again] == [0, 10, 20, 25, 25], "a last round with a falling learning rate"


def test_one_round_without_a_gain_is_borne_and_two_end_it(discs, monkeypatch):
    from diffusion_studio.training.autoencoder import adapting

    gains = iter([20.0, 21.0, 21.0, 22.0, 21.0, 22.01, 22.3, 22.5])
    monkeypatch.setattr(adapting, "psnr", lambda *_: next(gains))
    monkeypatch.setattr(adapting, "ROUND", 2)
    monkeypatch.setattr(adapting, "COOLING", 3)
    rounds = list(adapt(network(), discs, seed=3, dtype=torch.float32))
    assert [entry.step for entry in rounds] == [0, 2, 4, 6, 8, 10, 12, 13, 13]
    assert rounds[-1].now == 22.5


def test_the_rate_falls_to_its_end_once_that_is_known(discs):
    fitting = Fitting(network(), torch.from_numpy(discs), steps=10**9, batch=2, dtype=torch.float32)
    rates = []
    for fit in fitting.run():
        rates.append(fitting.optimizer.param_groups[0]["lr"])
        if fit.step == 110:
            fitting.end_in(10)
    assert len(rates) == 120 and rates[105:110] == pytest.approx([1e-3] * 5)
    assert rates[110:] == sorted(rates[110:], reverse=True) and rates[-1] < 1e-4
