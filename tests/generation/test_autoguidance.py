"""Autoguidance: its formula, and a model that keeps early weights is led away from them, which others refuse."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.schedules import SCHEDULES
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import open_model
from diffusion_studio.models import cards, library
from diffusion_studio.models.export import export_model
from diffusion_studio.models.folder import write_model
from diffusion_studio.models.layout import EARLY
from diffusion_studio.models.weights_found import WEIGHTS
from diffusion_studio.storage.places import models_dir

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(factor):
    return lambda x, t, labels: x * factor + (0 if labels is None else labels[:, None, None, None])


def answer(**how):
    schedule = SCHEDULES["cosine"](100)
    return Denoiser(network(1.0), schedule, prediction="sample", clipping="none", **how).predict(X, 50.0)


def test_the_answer_is_led_away_from_the_early_one():
    assert torch.allclose(answer(early=network(0.5), autoguidance=3.0), 3 * X - 2 * 0.5 * X)
    assert torch.equal(answer(early=network(0.5), autoguidance=1.0), X)
    labels = {"labels": torch.tensor([1, 2]), "null_class": 3, "guidance": 2.0}
    plain, led = answer(**labels), answer(**labels, early=network(0.5), autoguidance=1.5)
    assert torch.allclose(
        led - plain, 0.5 * 0.5 * X, atol=1e-6
    )  # of the class asked for, beside its own guidance


@pytest.fixture
def model():
    config = UNetConfig(
        sample_size=8,
        block_out_channels=(32,),
        layers_per_block=1,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        late, early = UNet(config), UNet(config)

    def write(name, weights):
        schedule = SCHEDULES["cosine"](100)
        card = {"card_version": 1, "title": name, "recommended": {"sampler": "ddim", "autoguidance": 1.5}}
        write_model(models_dir() / name, late, schedule, prediction="v_prediction", card=card, early=weights)
        return cards.find(name)

    return write, list(early.parameters())


def test_a_model_with_early_weights_uses_them_and_one_without_says_so(model, tmp_path):
    write, early = model
    with_early, without = write("led", early), write("plain", None)
    assert "autoguidance" in with_early.options and "autoguidance" not in without.options
    made = []
    for card, guidance in ((with_early, 1.0), (without, 1.0), (with_early, 3.0)):
        settings = replace(card.defaults(), seed=1, steps=4, autoguidance=guidance)
        *_, last = open_model(card, precision="float32").previews(settings)
        made.append(last.denoised)
    assert np.array_equal(made[0], made[1]) and not np.array_equal(made[0], made[2])
    with pytest.raises(UserError, match="set Autoguidance to 1"):
        list(open_model(without).previews(replace(settings, model="plain")))
    assert (with_early.path / EARLY).stat().st_size < 0.3 * (
        with_early.path / "unet" / WEIGHTS
    ).stat().st_size
    copied = library.import_model(with_early.path)
    assert copied.name != "led" and copied.keeps_early
    *_, again = open_model(copied, precision="float32").previews(replace(settings, model=copied.name))
    assert np.array_equal(again.denoised, made[2])
    export_model(copied.name, tmp_path / "out", dtype="float16")
    assert (tmp_path / "out" / EARLY).read_bytes() == (with_early.path / EARLY).read_bytes()
    shutil.rmtree(copied.path / "early")
    assert cards.find(copied.name).defaults().autoguidance == 1  # it cannot
    path = with_early.path / "early" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(UserError):
        list(open_model(cards.find("led")).previews(settings))
