"""Steps of latents without the decoder: a linear map, or a cubic one where there are images to fit it to."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from diffusion_studio.generation import latent_views
from diffusion_studio.generation.autoencoders import Autoencoder
from diffusion_studio.generation.latent_views import features
from diffusion_studio.generation.latents import LatentSpace
from diffusion_studio.generation.space import PixelSpace
from diffusion_studio.generation.unet_model import example_images
from diffusion_studio.models import cards
from diffusion_studio.storage.places import cache_dir, models_dir
from tests.model_folders import save

SIDE, FACTOR, SQUARE = 64, 4, 16


class Bent(Autoencoder):
    """A colour is the cube of a latent, which no linear map follows."""

    def encode(self, pictures, noise):
        colours = F.avg_pool2d(pictures, FACTOR)
        latents = colours.sign() * colours.abs() ** (1 / 3)
        return F.pad(latents, (0, 0, 0, 0, 0, self.channels - 3))

    def _decode(self, latent, count):
        return F.interpolate(latent[:, :3] ** 3, scale_factor=FACTOR)


def images(count=20):
    """(H, W, 3) uint8: each of sixteen squares of one colour."""
    draw = np.random.default_rng(0)
    colours = draw.integers(64, 192, (count, SIDE // SQUARE, SIDE // SQUARE, 3), dtype=np.uint8)
    return list(colours.repeat(SQUARE, axis=1).repeat(SQUARE, axis=2))


def space(channels=4, examples=tuple):
    autoencoder = Bent(torch.nn.Identity(), "cpu", channels, FACTOR)
    autoencoder.digest = f"bent {channels}"
    return LatentSpace(autoencoder, PixelSpace((3, SIDE, SIDE)), examples=examples)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(latent_views, "_fitted", {})


def error(own):
    """Root-mean-square, in levels, of what is shown of images whose latents are known."""
    shown = [own.views.preview(own.encode(image, lambda: torch.zeros(())))[0] for image in images()]
    middle = np.s_[SQUARE // 2 :: SQUARE, SQUARE // 2 :: SQUARE]  # of the squares, whose edges are blended
    apart = [one[middle].astype(float) - other[middle] for one, other in zip(shown, images(), strict=True)]
    return np.sqrt(np.mean(np.square(apart)))


def test_with_images_of_its_kind_a_bent_space_is_shown_in_its_colours():
    linear = error(space())
    latent_views._fitted.clear()
    cubic = error(space(examples=images))
    assert cubic < 0.5 * linear, (cubic, linear)


def test_the_images_are_asked_for_once_and_the_map_is_kept(monkeypatch):
    asked = []

    def examples():
        asked.append(1)
        return images()

    first = space(examples=examples).plain_views.table
    monkeypatch.setattr(latent_views, "_fitted", {})  # as in the next process
    again = space(examples=examples).plain_views.table
    assert len(asked) == 1 and torch.equal(first, again)
    path = cache_dir() / "latent-previews.json"
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), "broken")))
    monkeypatch.setattr(latent_views, "_fitted", {})
    assert torch.allclose(space(examples=examples).plain_views.table, first) and len(asked) == 2


def test_many_channels_or_no_images_have_a_linear_map():
    asked = []
    assert space(16, lambda: asked.append(1) or images()).plain_views.table.shape == (3, 17) and not asked
    assert space(4).plain_views.table.shape == (3, 5)
    assert space(4, images).plain_views.table.shape == (3, 35)


def test_features_are_the_products_of_what_is_near():
    latents = torch.tensor([[2.0, -9.0]])[..., None, None]
    found = features(latents, cubic=True)[0, :, 0, 0].tolist()
    assert found == [2, -9, 4, -6, 9, 8, -12, 18, -27, 1]
    assert features(latents, cubic=False)[0, :, 0, 0].tolist() == [2, -9, 1]


def test_the_images_are_those_of_the_sheet():
    save(models_dir() / "tiny")
    card = cards.find("tiny")
    height, width = card.sides
    assert example_images(card) == []
    sheet = (
        np.arange(6 * height * width * 3, dtype=np.uint32).reshape(2 * height, 3 * width, 3).astype(np.uint8)
    )
    Image.fromarray(sheet).save(card.path / "samples.png")
    found = example_images(card)
    assert len(found) == 6 and np.array_equal(found[4], sheet[height:, width : 2 * width])
    Image.fromarray(sheet[:-1]).save(card.path / "samples.png")
    assert example_images(card) == []
    (card.path / "samples.png").write_bytes(b"no image")
    assert example_images(card) == []
