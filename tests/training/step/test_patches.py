"""Patches: cut where they say they are, told to the network, and gone again where whole images are generated."""

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.packed.engine import difference
from diffusion_studio.diffusion.packed.network import Engine
from diffusion_studio.diffusion.unet import UNet, coordinates
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.models import cards
from diffusion_studio.models.export import export_model
from diffusion_studio.models.folder import read_model
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage.places import models_dir
from diffusion_studio.training.carry_over import fit_network, with_coordinates
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.loop import train
from diffusion_studio.training.step.patches import SHARES, Patches
from diffusion_studio.training.step.trainer import Trainer
from tests.model_folders import TINY, calm, diffusers, save


def placed(levels=0, size=64, **changes):
    channels = 3 * 4**levels
    config = {**TINY, "sample_size": size >> levels, "coordinates": True, **changes}
    space = ("pixels", "haar")[levels]
    return UNetConfig.from_dict(
        {**config, "in_channels": channels + 2, "out_channels": channels, "space": space}
    )


@pytest.mark.parametrize("levels", [0, 1])
def test_a_patch_is_cut_where_it_says(levels):
    side = 64 >> levels
    named = coordinates(side, side).repeat_interleave(1 << levels, 1).repeat_interleave(1 << levels, 2)
    clean, patches = named.expand(40, -1, -1, -1), Patches(placed(levels))
    draw, seen = torch.Generator().manual_seed(0), []
    for _ in range(200):
        patch, places = patches.cut(clean, draw)
        seen.append(patch.shape[-1])
        if places is None:
            assert patch is clean
        else:
            assert torch.equal(places, patch[:, :, :: 1 << levels, :: 1 << levels])
            assert (
                len({tuple(row[:, 0, 0].tolist()) for row in places}) > 10
            )  # each image has a place of its own
    for part, share in SHARES:
        assert seen.count(64 // part) / 200 == pytest.approx(share, abs=0.12)


def test_a_network_told_nothing_sees_a_whole_image():
    network = calm(UNet(placed()).eval())
    x, t = torch.randn(2, 3, 64, 64), torch.tensor([5.0, 600.0])
    where = coordinates(64, 64).expand(2, -1, -1, -1)
    with torch.no_grad():
        whole = network(x, t)
        assert torch.equal(whole, network(x, t, places=where))
        assert not torch.allclose(whole, network(x, t, places=where - 1))
        assert difference(Engine(network, torch.float32), network) < 1e-4


def test_a_trained_network_begins_as_it_was():
    network = calm(UNet(UNetConfig.from_dict(TINY)).eval())
    told = with_coordinates(network)
    x, t = torch.randn(1, 3, 8, 8), torch.tensor([5.0])
    with torch.no_grad():
        assert torch.allclose(told(x, t), network(x, t), atol=1e-5)
    larger, _ = fit_network(told, 16, 4)
    assert larger.config.channels == 4 and larger.config.coordinates and larger.config.sides == (16, 16)


def test_a_resume_is_bit_for_bit():
    draw = np.random.default_rng(0)
    pictures = Pictures(draw.integers(0, 256, (9, 3, 64, 64), dtype=np.uint8), np.zeros(9, np.int64), (), [])
    settings = TrainingSettings(size=64, batch=2, steps=6, warmup=2, seed=3, patches=True, augment=0.5)

    def made():
        network = UNet(placed(1))
        network.load_state_dict(calm(UNet(placed(1))).state_dict())
        return Trainer(settings, pictures, device="cpu", precision="float32", network=network)

    straight, first, second = made(), made(), made()
    sizes = {straight.batch(step).clean.shape[-1] for step in range(6)}
    assert sizes == {64, 32, 16}
    for trainer, steps in ((straight, 6), (first, 3)):
        for _ in range(steps):
            trainer.step(0.1)
    second.load(first.state())
    for _ in range(3):
        second.step(0.1)
    for name, tensor in straight.state().items():
        assert torch.equal(tensor, second.state()[name]), name
    for trainer in (straight, first, second):
        trainer.close()


@pytest.mark.parametrize("changes", [{"size": 32}, {"seamless": True}, {"space": "latents"}])
def test_what_has_no_patches_is_refused_in_a_sentence(changes):
    with pytest.raises(UserError, match=r"Patches.*\."):
        TrainingSettings(**{"size": 64, "patches": True, **changes})


def test_small_patches_are_left_out_where_the_network_has_no_room_and_none_are_refused():
    deep = {
        "block_out_channels": [8] * 4,
        "down_block_types": ["DownBlock2D"] * 4,
        "up_block_types": ["UpBlock2D"] * 4,
    }
    assert Patches(placed(**deep)).parts == [64, 32, 16]
    assert Patches(placed(1, **deep)).parts == [64, 32]
    with pytest.raises(UserError, match="too often"):
        Patches(placed(1, size=32, **deep))


def test_a_model_trained_on_patches_goes_out_with_lines_that_work(tmp_path, monkeypatch, folder):
    diffusers()
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    save(models_dir() / "tiny-haar", in_channels=12, out_channels=12, space="haar")
    settings = TrainingSettings(
        folder=str(folder),
        name="Patched",
        start_from="tiny-haar",
        size=64,
        patches=True,
        batch=2,
        steps=2,
        sample_every=0,
    )
    list(train(settings))
    card = cards.find("patched")
    assert card.network.coordinates and card.channels == 3 and card.sides == (64, 64)
    export_model("patched", tmp_path / "given")
    code = (tmp_path / "given" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    code = code.replace("num_inference_steps=50", "num_inference_steps=2")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    x, t = torch.randn(2, 3, 64, 64), torch.tensor([5.0, 600.0])
    asked = [torch.zeros(2, dtype=torch.int64)] if card.class_count else []
    with torch.no_grad():
        theirs = names["pipeline"].unet(x, t).sample
        ours = read_model(card.path).network(x, t, *asked)
    assert torch.allclose(theirs, ours, atol=1e-4)
