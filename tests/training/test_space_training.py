"""A network that sees Haar bands is trained, resumed, published, generated with and exported; everybody else sees pixels."""

import json
import warnings
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.spaces import to_bands
from diffusion_studio.errors import UserError
from diffusion_studio.events import Preview, Saved
from diffusion_studio.jobs.generate import generate
from diffusion_studio.models import cards, export_readme
from diffusion_studio.models.wording import architecture, attention_sides, draws
from diffusion_studio.pictures import start_pictures
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training import loop
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import runs
from diffusion_studio.training.step.trainer import Trainer
from diffusion_studio.training_events import CheckpointSaved, Published, Samples
from tests.model_folders import diffusers
from tests.training.runs_here import digest


@pytest.fixture
def settings(settings):
    return replace(settings, space="haar", steps=4)


def test_stop_and_resume_are_bit_for_bit(settings):
    settings = replace(settings, autosave_steps=2, precision="bfloat16")
    list(train(replace(settings, name="Straight")))
    with closing(train(settings)) as job:
        for event in job:
            if isinstance(event, CheckpointSaved):
                break
    list(train(TrainingSettings(), resume="tiny"))
    assert digest(runs.find("tiny"), 4) == digest(runs.find("straight"), 4)


def test_the_loss_is_that_of_the_bands(settings, folder):
    """An orthonormal transform: the mean squared error over pixels is the one over bands."""
    from diffusion_studio.training.images import load_pictures

    *_, pictures = load_pictures(folder, 8)
    with closing(
        Trainer(replace(settings, min_snr=0.0), pictures, device="cpu", precision="float32")
    ) as trainer:
        with torch.no_grad():
            for weight in trainer.network.conv_out.parameters():
                weight.normal_(generator=torch.Generator().manual_seed(0), std=0.05)
        batch = trainer.batch(0)
        with torch.no_grad():
            noisy = trainer.objective.noisy(batch.clean, batch.noise, batch.timestep)
            target = trainer.objective.target(batch.clean, batch.noise, batch.timestep)
            answer = trainer.network(noisy, batch.timestep, batch.labels)
            in_bands = (to_bands(answer, 1) - to_bands(target, 1)).square().mean((1, 2, 3))
            assert torch.allclose(trainer.loss(trainer.network, batch, weighted=False), in_bands, rtol=1e-5)


def test_from_training_to_image(settings, monkeypatch):
    monkeypatch.setattr(loop, "SAMPLE_COUNT", 2)
    events = list(train(replace(settings, sample_every=1e-9, steps=2)))
    assert next(event for event in events if isinstance(event, Samples)).ema.shape == (2, 8, 8, 3)
    assert isinstance(events[-1], Published)
    card = cards.find("tiny")
    assert (card.size, card.channels, card.sides, card.network.space) == (8, 3, (8, 8), "haar")
    assert "Haar bands" in architecture(card) and draws(card).startswith("8 × 8 pixels, in colour")
    assert attention_sides(card.network, 8) == [4]
    assert card.trained["settings"]["space"] == "haar"
    config = json.loads((card.path / "unet" / "config.json").read_text())
    assert (config["space"], config["in_channels"], config["sample_size"]) == ("haar", 12, 4)

    request = GenerationSettings(model="tiny", steps=4, seed=5)
    events = list(generate(request))
    (saved,) = [event for event in events if isinstance(event, Saved)]
    assert saved.picture.shape == (8, 8, 3)
    previews = [event for event in events if isinstance(event, Preview)]
    assert previews[0].noisy.shape == (1, 8, 8, 3)  # the timeline sees pixels: the noise of the seed itself

    source = start_pictures.keep(np.full((8, 8, 3), 90, np.uint8))
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 255
    again = list(generate(replace(request, source=source, mask=start_pictures.keep_mask(mask))))
    (masked,) = [event for event in again if isinstance(event, Saved)]
    assert np.abs(masked.picture[4:].astype(int) - 90).max() <= 1  # what is kept is kept in pixels


def test_a_checkpoint_generates_and_a_new_run_starts_from_the_model(settings):
    list(train(replace(settings, steps=2)))
    from diffusion_studio.training.checkpoint_model import open_checkpoint

    model = open_checkpoint("run:tiny")
    assert model.shape == (3, 8, 8) and model.card.channels == 3
    events = list(train(replace(settings, name="More", start_from="tiny", space="pixels", steps=2)))
    assert isinstance(events[-1], Published) and cards.find("more").network.space == "haar"
    assert runs.find("more").facts["settings"]["space"] == "haar"


def test_a_size_that_does_not_fit_is_said_before_anything_is_written(settings):
    with pytest.raises(UserError, match="haar2"):
        list(train(replace(settings, space="haar2")))  # 2×2 places of bands are too few
    assert not runs.list_runs()


@pytest.mark.parametrize("space", ["haar", "haar2"])
def test_the_lines_of_the_readme_make_the_same_answers_in_diffusers(settings, space):
    pytest.importorskip("diffusers")
    diffusers()
    list(train(replace(settings, space=space, size=16, steps=2, classes=False)))
    card = cards.find("tiny")
    text = export_readme.for_diffusers(card, str(card.path))
    code = text.split("```python\n")[1].split("pipeline(num")[0]
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, names)
    from diffusion_studio.models.folder import read_model

    network = read_model(card.path).network
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([5, 900])
    with torch.no_grad():
        assert torch.allclose(names["pipeline"].unet(x, t).sample, network(x, t), atol=1e-5)
        image = names["pipeline"](num_inference_steps=2, output_type="np").images
    assert image.shape == (1, 16, 16, 3)


def test_an_onnx_network_holds_the_transform(settings, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from diffusion_studio.diffusion.unet import UNet
    from diffusion_studio.diffusion.unet_config import UNetConfig
    from diffusion_studio.models.onnx import write_onnx
    from tests.model_folders import TINY, calm

    network = calm(
        UNet(UNetConfig.from_dict({**TINY, "in_channels": 12, "out_channels": 12, "space": "haar"}))
    )
    assert write_onnx(network.eval(), tmp_path / "model.onnx") < 1e-3
