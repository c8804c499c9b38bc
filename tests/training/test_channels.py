"""Images with transparency and grey ones of 16 bits, from a folder to a model and to what it generates."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from diffusion_studio.errors import UserError
from diffusion_studio.events import Warned
from diffusion_studio.jobs.generate import generate
from diffusion_studio.models import cards
from diffusion_studio.models.folder import read_model
from diffusion_studio.pictures import reading
from diffusion_studio.pictures.channels import common_palette, on_white, premultiplied, seen_as, straight
from diffusion_studio.pictures.decoding import open_picture
from diffusion_studio.pictures.fitting import fit
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.saving import SavingSettings
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.carry_over import fit_network
from diffusion_studio.training.images import load_pictures
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import runs
from diffusion_studio.training.step.architectures import shape_for
from diffusion_studio.training.step.new_network import fresh_network
from diffusion_studio.training.step.trainer import as_tensor, to_range
from diffusion_studio.training_events import CheckpointSaved, Published


def sprite(number, hidden=(255, 0, 255)):
    """8×8: a red or green square on nothing, with a loud colour hidden under it."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., :3] = hidden
    pixels[2:6, 2:6] = (200, 30, 20, 255) if number % 2 else (20, 160, 40, 255)
    return pixels


@pytest.fixture
def sprites(tmp_path):
    folder = tmp_path / "sprites"
    folder.mkdir()
    for number in range(24):
        Image.fromarray(sprite(number)).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def wanted(settings, sprites):
    return replace(settings, folder=str(sprites), classes=False)


def whole(path):
    """(mode, pixels) of a file."""
    with Image.open(path) as image:
        return image.mode, np.asarray(image)


def last(job):
    return list(job)[-1]


# What is seen of a file -------------------------------------------------------------------------------------------------


def test_what_lies_hidden_under_a_transparent_pixel_is_never_seen(tmp_path):
    seen = []
    for hidden in ((255, 0, 255), (0, 0, 0)):
        Image.fromarray(sprite(1, hidden).repeat(3, 0).repeat(3, 1)).save(tmp_path / "a.png")
        opened = open_picture(tmp_path / "a.png")
        seen.append(fit(seen_as(opened, "rgba"), 10))  # 24 -> 10: no whole factor, so colours are mixed
    assert np.array_equal(*seen)
    image = seen[0]
    assert image.shape == (4, 10, 10) and ((image[3] > 0) & (image[3] < 255)).any()
    assert (image[:3] <= image[3]).all()
    edge = straight(image.transpose(1, 2, 0))[(image[3] > 60) & (image[3] < 200)]
    # no halo: the colour of the square up to its edge
    assert np.abs(edge[:, :3].astype(int) - (200, 30, 20)).max() <= 16


def test_straight_and_premultiplied_are_each_others_inverse():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 4), dtype=np.uint8)
    pixels[..., 3] = np.maximum(pixels[..., 3], 128)
    back = straight(premultiplied(pixels))
    assert np.abs(back.astype(int) - pixels).max() <= 1
    snapped = straight(premultiplied(pixels), binary=True)
    assert set(np.unique(snapped[..., 3])) == {255} and np.array_equal(snapped[..., :3], back[..., :3])
    assert not straight(np.array([[90, 90, 90, 0]], np.uint8)).any()
    assert on_white(np.array([[0, 0, 0, 0], [10, 20, 30, 255]], np.uint8)).tolist() == [
        [255] * 3,
        [10, 20, 30],
    ]


@pytest.mark.parametrize("kind", ["tRNS", "RGBA that is opaque", "LA"])
def test_every_way_to_be_transparent_is_seen(tmp_path, kind):
    if kind == "tRNS":
        image = Image.new("P", (4, 4), 0)
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.putpixel((0, 0), 1)
        image.save(tmp_path / "p.png", transparency=0)
    else:
        mode, colour = ("LA", (90, 120)) if kind == "LA" else ("RGBA", (9, 8, 7, 255))
        Image.new(mode, (4, 4), colour).save(tmp_path / "p.png")
    opened = open_picture(tmp_path / "p.png")
    assert opened.transparent == (kind != "RGBA that is opaque")
    seen = fit(seen_as(opened, "rgba"), 4)
    alpha = {"tRNS": [255, 0], "RGBA that is opaque": [255, 255], "LA": [120, 120]}[kind]
    assert seen[3, 0, :2].tolist() == alpha


def test_grey_of_16_bits_keeps_all_of_them(tmp_path):
    light = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    for name in ("a.png", "b.tif"):
        Image.fromarray(light).save(tmp_path / name)
        opened = open_picture(tmp_path / name)
        assert np.array_equal(fit(seen_as(opened, "grey16"), 8)[0], light)
    Image.fromarray((light >> 8).astype(np.uint8)).save(tmp_path / "c.png")
    assert open_picture(tmp_path / "c.png").light is None
    kept = to_range(as_tensor(light[None, None]))
    assert torch.allclose(kept, torch.tensor(light[None, None].astype(np.float32)) / 32767.5 - 1, atol=1e-6)


def test_a_palette_is_found_where_colours_are_few():
    images = np.stack([premultiplied(sprite(number)).transpose(2, 0, 1) for number in range(3)])
    assert common_palette(images) == ("#14a028", "#c81e14")
    assert common_palette(np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)) == ()


def test_odd_files_among_sprites(sprites):
    Image.new("RGB", (30, 20), "blue").save(sprites / "opaque.png")
    Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(sprites / "nothing.png")
    Image.new("RGBA", (1, 1), (9, 9, 9, 90)).save(sprites / "one.png")
    *_, found = load_pictures(sprites, 8, channels="rgba")
    assert found.images.shape == (26, 4, 8, 8) and found.covered == []
    assert found.skipped == [("nothing.png", "it is transparent everywhere")]
    assert (found.images[found.names.index("opaque.png"), 3] == 255).all()
    *_, flat = load_pictures(sprites, 8, channels="rgb")
    assert flat.images.shape[1] == 3 and len(flat.covered) == 26


# From a folder to images ------------------------------------------------------------------------------------------------


def test_sprites_become_a_model_that_generates_sprites(wanted, tmp_path):
    assert isinstance(last(train(wanted)), Published)
    run = runs.find("tiny")
    assert run.facts["settings"]["channels"] == "rgba"
    card = cards.find("tiny")
    assert card.channels == 4 and card.pixels_are.premultiplied and card.pixels_are.binary_alpha
    assert card.pixels_are.palette == ("#14a028", "#c81e14")
    assert whole(card.samples)[0] == "RGBA"
    own = GenerationSettings(model="tiny", steps=2, seed=5, count=2)
    saved = [event for event in generate(own, folder=tmp_path / "out") if hasattr(event, "picture")]
    for event in saved:
        mode, pixels = whole(event.path)
        assert mode == "RGBA"
        assert set(np.unique(pixels[..., 3])) <= {0, 255}  # as the set's is
        assert not pixels[pixels[..., 3] == 0].any()  # nothing lies hidden
        assert np.array_equal(reading.read(event.path).pixels(), pixels) or (pixels[..., 3] == 255).all()
        again = list(generate(replace(reading.read(event.path).settings), folder=tmp_path / "again"))
        assert np.array_equal(next(e for e in again if hasattr(e, "picture")).picture, event.picture)
    jpeg = list(generate(own, folder=tmp_path / "flat", saving=SavingSettings(format="jpeg")))
    assert any("laid on white" in event.text for event in jpeg if isinstance(event, Warned))
    assert whole(next(e for e in jpeg if hasattr(e, "picture")).path)[0] == "RGB"


def test_a_run_on_sprites_resumes_bit_for_bit(wanted):
    list(train(replace(wanted, name="Whole", steps=6)))
    job = train(replace(wanted, name="Part", steps=6, autosave_steps=3))
    next(event for event in job if isinstance(event, CheckpointSaved))
    job.close()
    list(train(TrainingSettings(), resume="part"))
    one, two = (
        load_file(max((runs.find(name).path / "checkpoints").iterdir()) / "state.safetensors")
        for name in ("whole", "part")
    )
    assert one["weights.conv_in.weight"].shape[1] == 4
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_one_transparent_image_among_others_is_laid_on_white_and_said(settings, folder):
    Image.fromarray(sprite(1)).save(folder / "dark" / "sprite.png")
    job = train(replace(settings, steps=1))
    said = [event.text for event in job if isinstance(event, Warned)]
    assert any("sprite.png" in text and "laid on white" in text for text in said)
    assert cards.find("tiny").channels == 3


def test_grey_of_16_bits_is_generated_and_saved_with_16_bits(settings, tmp_path):
    folder = tmp_path / "cells"
    folder.mkdir()
    for number in range(21):
        light = (np.random.default_rng(number).random((8, 8)) * 65535).astype(np.uint16)
        Image.fromarray(light).save(folder / f"{number}.png")
    list(train(replace(settings, folder=str(folder), classes=False, steps=2)))
    card = cards.find("tiny")
    assert card.channels == 1 and card.pixels_are.depth == 16
    saved = [e for e in generate(GenerationSettings(model="tiny", steps=2, seed=1)) if hasattr(e, "path")]
    mode, pixels = whole(saved[0].path)
    assert mode == "I;16" and len(np.unique(pixels % 257)) > 20
    assert np.array_equal(reading.read(saved[0].path).pixels()[..., 0], pixels)


# Starting from a model of other channels or sizes -----------------------------------------------------------------------


@pytest.mark.parametrize("space", ["pixels", "haar"])
def test_channels_are_added_without_changing_what_a_network_knows(space):
    network = fresh_network(shape_for(16, "small", space=space), 0).eval()
    torch.nn.init.normal_(network.conv_out.weight, std=0.1)
    x, t = torch.randn(2, 4, 16, 16), torch.tensor([100.0, 700.0])
    with torch.no_grad():
        wider, said = fit_network(network, 16, 4)
        answer = wider.eval()(x, t)
        assert torch.allclose(answer[:, :3], network(x[:, :3], t), atol=1e-5) and not answer[:, 3].any()
        back, _ = fit_network(wider, 16, 3)
        assert torch.allclose(back.eval()(x[:, :3], t), network(x[:, :3], t), atol=1e-5)
        grey, _ = fit_network(network, 16, 1)
        same = x[:, :1].expand(-1, 3, -1, -1)
        mean = network(same, t).mean(1, keepdim=True)
        assert torch.allclose(grey.eval()(x[:, :1], t), mean, atol=1e-5)
        colour, _ = fit_network(grey, 16, 3)
        assert torch.allclose(colour.eval()(same, t)[:, 1:2], mean, atol=1e-5)
    assert said == ["RGB → RGBA: what it knows of alpha begins at zero."]
    with pytest.raises(UserError, match="multiples of"):
        fit_network(network, 17, 3)


def test_a_model_is_trained_further_at_twice_its_size_and_with_alpha(settings, wanted, sprites):
    list(train(replace(settings, steps=2)))
    run = list(train(replace(wanted, name="Larger", size=16, start_from="tiny", steps=2)))
    said = [event.text for event in run if isinstance(event, Warned)]
    assert any("8×8 → 16×16" in text for text in said) and any("RGB → RGBA" in text for text in said)
    card = cards.find("larger")
    assert card.size == 16 and card.channels == 4 and len(card.trained["carried"]) == 2
    begun = load_file(runs.find("larger").path / "checkpoints" / "00000000" / "state.safetensors")
    old = read_model(cards.find("tiny").path).network.state_dict()
    weight = begun["weights.conv_in.weight"]
    assert torch.equal(weight[:, :3], old["conv_in.weight"]) and not weight[:, 3].any()
    assert torch.equal(
        begun["weights.mid_block.resnets.0.conv1.weight"], old["mid_block.resnets.0.conv1.weight"]
    )


# Tiles ------------------------------------------------------------------------------------------------------------------


def test_a_model_of_tiles_generates_tiles_unless_it_is_told_otherwise(settings):
    list(train(replace(settings, steps=2, seamless=True)))
    card = cards.find("tiny")
    assert card.network.padding == "circular" and card.defaults().seamless
    own = replace(card.defaults(), steps=2, seed=3)
    tile, other = (
        next(e for e in generate(replace(own, seamless=wanted), save=True) if hasattr(e, "picture")).picture
        for wanted in (True, False)
    )
    assert not np.array_equal(tile, other)


def test_the_palette_of_a_set_is_what_a_model_can_be_held_to(wanted):
    list(train(replace(wanted, steps=1)))
    own = GenerationSettings(model="tiny", steps=1, seed=3, colours="palette")
    picture = next(event for event in generate(own) if hasattr(event, "picture")).picture
    seen = picture[picture[..., 3] > 0][:, :3]
    assert {tuple(colour) for colour in seen.tolist()} <= {(0x14, 0xA0, 0x28), (0xC8, 0x1E, 0x14)}
    with pytest.raises(UserError, match="has no palette"):
        list(generate(GenerationSettings(steps=1, seed=3, colours="palette")))
