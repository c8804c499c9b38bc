"""Augmentation told to the network: what was done is said, nothing said changes nothing, and the model does without it."""

from dataclasses import replace

import pytest
import torch

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.models import cards
from diffusion_studio.models.folder import read_model
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training import averages
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import runs
from diffusion_studio.training.step.augmentation import LABELS, augmented, reflected, scaled
from tests.model_folders import TINY, calm


def undone(image, label):
    """An image as it was before it was mirrored and rotated, by its label alone."""
    mirrored, upside_down, cos, sin = (round(value) for value in label[:4].tolist())
    turns = {(0, 0): 0, (-1, 1): 1, (-2, 0): 2, (-1, -1): 3}[cos, sin]
    image = image.rot90(-turns, (1, 2))
    image = image.flip(1) if upside_down else image
    return image.flip(2) if mirrored else image


def test_what_was_done_to_an_image_is_said():
    clean = torch.rand(300, 3, 16, 16)
    changed, labels = augmented(clean, 0.3, torch.Generator().manual_seed(0))
    exact, said = 0, labels[:, 4:].abs().sum(dim=1) > 0
    for before, after, label, more in zip(clean, changed, labels, said, strict=True):
        if not more:
            assert torch.equal(undone(after, label), before)
            exact += not torch.equal(after, before)
    assert exact > 50 and 0.3 < said.float().mean() < 0.7
    assert (labels[(changed == clean).flatten(1).all(dim=1)].abs().sum(dim=1) == 0).any()
    assert labels[:, 4:6].abs().max() <= 0.125 and labels.abs().amax(dim=0).min() > 0


def test_moving_keeps_pixels_and_mirrors_what_comes_in():
    assert reflected(4, 1).tolist() == [1, 0, 1, 2] and reflected(4, -1).tolist() == [1, 2, 3, 2]
    dot = torch.zeros(1, 9, 9)
    dot[0, 4, 4] = 1
    assert scaled(dot, 3.0)[0, 4, 4] == 1 and scaled(dot, 3.0).sum() == pytest.approx(9, rel=0.02)
    assert torch.allclose(scaled(torch.full((2, 8, 8), 0.5), 0.8), torch.tensor(0.5))


def test_a_network_told_nothing_answers_as_without():
    network = calm(UNet(UNetConfig.from_dict(TINY)).eval())
    x, t = torch.randn(3, 3, 8, 8), torch.tensor([5.0, 50.0, 500.0])
    with torch.no_grad():
        before = network(x, t)
        network.learn_augmentation(LABELS)
        torch.nn.init.normal_(network.augment_embedding.weight)
        assert torch.equal(network(x, t), before)
        assert torch.equal(network(x, t, augment=torch.zeros(3, LABELS)), before)
        assert not torch.allclose(network(x, t, augment=torch.ones(3, LABELS)), before)


def test_the_model_of_a_run_that_augmented_has_nothing_of_it(settings):
    list(train(replace(settings, augment=0.5)))
    model, run = read_model(cards.find("tiny").path).network, runs.find("tiny")
    assert not any("augment" in name for name in model.state_dict())
    kept = averages.to_offer(run).network
    x, t, rows = torch.randn(2, 3, 8, 8), torch.tensor([5.0, 50.0]), torch.tensor([0, 1])
    with torch.no_grad():
        assert torch.equal(model(x, t, rows), kept(x, t, rows))
    (*_, last) = train(TrainingSettings(steps=10), resume="tiny", given={"steps"})
    assert last.name == "tiny"


def test_latents_are_not_augmented():
    with pytest.raises(UserError, match="Augmentation is for pixels"):
        TrainingSettings(size=64, space="latents", augment=0.1)
