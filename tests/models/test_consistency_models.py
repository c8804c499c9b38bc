"""Consistency models of diffusers: opened, drawn in one, two and more steps, exported as what they are."""

import json

import numpy as np
import pytest
import torch

from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.models import cards, export_readme, library
from diffusion_studio.models.export import export_model, schedule_numbers
from diffusion_studio.models.wording import predicts
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.provenance import begin
from tests.model_folders import TINY, calm, change_json, diffusers

NETWORK = {
    **TINY,
    "num_class_embeds": 4,
    "down_block_types": ["ResnetDownsampleBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "ResnetUpsampleBlock2D"],
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "resnet_time_scale_shift": "scale_shift",
    "attn_norm_num_groups": 4,
}


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    package = diffusers()
    network = calm(package.UNet2DModel(**NETWORK), 3, scale=0.5)
    yield package.ConsistencyModelPipeline(network, package.CMStochasticIterativeScheduler())
    close_models()


def imported(pipeline, folder, **config):
    pipeline.save_pretrained(folder)
    if config:
        change_json(folder / "scheduler" / "scheduler_config.json", **config)
    return library.import_model(folder, "mine")


def drawn_by_diffusers(pipeline, steps, label):
    scheduler, generator = pipeline.scheduler, torch.Generator().manual_seed(11)
    scheduler.set_timesteps(steps)
    x = torch.randn((1, 3, 8, 8), generator=generator) * scheduler.init_noise_sigma
    with torch.no_grad():
        for t in scheduler.timesteps:
            answer = pipeline.unet(
                scheduler.scale_model_input(x, t), t, class_labels=torch.tensor([label])
            ).sample
            x = scheduler.step(answer, t, x, generator=generator).prev_sample
    return ((x.clamp(-1, 1) + 1) * 127.5)[0].permute(1, 2, 0).numpy()


def drawn_here(card, **changes):
    settings = GenerationSettings(**{
        "model": card.name, "seed": 11, "device": "cpu", "precision": "float32", "class_label": "class 2",
        **{name: getattr(card.defaults(), name) for name in ("sampler", "spacing", "clipping", "steps")}, **changes,
    })  # fmt: skip
    return list(open_model(card, device="cpu", precision="float32").previews(settings))


@pytest.mark.parametrize("config", [{}, {"s_noise": 1.01, "sigma_max": 40.0, "clip_denoised": False}])
def test_in_any_number_of_steps_it_is_diffusers_own_picture(pipeline, tmp_path, config):
    card = imported(pipeline, tmp_path / "theirs", **config)
    pipeline.scheduler = type(pipeline.scheduler)(**config)
    assert (card.defaults().sampler, card.defaults().steps, card.remarks) == ("consistency", 2, ())
    for steps in (1, 2, 3, 7):
        right = drawn_by_diffusers(pipeline, steps, 2)
        *_, last = drawn_here(card, steps=steps)
        assert right.std() > 1 and np.abs(last.denoised[0].astype(float) - right).max() <= 1


def test_every_view_and_other_ways_to_draw(pipeline, tmp_path):
    card = imported(pipeline, tmp_path / "theirs")
    assert predicts(card) == "Clean image (consistency); 40 noise levels"
    for way in (
        {"sampler": "dpmpp_2m", "steps": 6},
        {"spacing": "karras", "steps": 3},
        {"sampler": "ddpm", "steps": 4},
    ):
        steps = drawn_here(card, **way)
        assert len(steps) == way["steps"] + 1
        assert all(
            step.views.view(name).shape == (1, 8, 8, 3) for step in steps for name in ("noisy", "noise")
        )


def test_it_is_exported_as_it_came(pipeline, tmp_path):
    card = imported(pipeline, tmp_path / "theirs", of_the_future=1)
    given = export_model("mine", tmp_path / "given")
    for name in ("model_index.json", "scheduler/scheduler_config.json"):
        before, after = (json.loads((place / name).read_text()) for place in (tmp_path / "theirs", given))
        assert before == after
    again = diffusers().ConsistencyModelPipeline.from_pretrained(given, low_cpu_mem_usage=False)
    same = again.unet.state_dict()
    assert all(torch.equal(value, same[name]) for name, value in pipeline.unet.state_dict().items())
    text = export_readme.for_diffusers(card, str(given))
    assert "ConsistencyModelPipeline" in text and "class_labels=0, num_inference_steps=2" in text
    numbers = schedule_numbers(open_model(card, device="cpu").checkpoint.schedule, card.prediction)
    assert (numbers["sigma_max"], numbers["timesteps"], numbers["prediction_type"]) == (
        80.0,
        40,
        "consistency",
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"sigma_min": 90.0}, "sigma_min must be above 0 and below sigma_max"),
        ({"sigma_data": "much"}, "sigma_data must be a number above 0"),
        ({"clip_denoised": "no"}, "clip_denoised must be true or false"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(pipeline, tmp_path, config, said):
    with pytest.raises(UserError, match=said):
        imported(pipeline, tmp_path / "theirs", **config)


def test_a_consistency_model_is_not_trained_further(pipeline, tmp_path):
    imported(pipeline, tmp_path / "theirs")
    pictures = Pictures(np.zeros((2, 3, 8, 8), np.uint8), np.zeros(2, np.int64), (), ["a", "b"])
    with pytest.raises(UserError, match="is a consistency model"):
        begin(TrainingSettings(folder="x", name="y", size=8, start_from="mine"), pictures)


def test_a_variance_that_is_to_be_learned_needs_its_channels(tmp_path, pipeline):
    pipeline.scheduler = diffusers().DDPMScheduler(variance_type="learned_range")
    with pytest.raises(UserError, match="twice as many channels out as in"):
        imported(pipeline, tmp_path / "theirs")
