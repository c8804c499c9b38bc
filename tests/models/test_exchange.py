"""A model's whole way: saved by diffusers, imported, drawn with, exported, and opened by diffusers again."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.models import cards, export, library
from diffusion_studio.models.weights_found import OLD_ATTENTION, WEIGHTS
from diffusion_studio.settings.generation import GenerationSettings
from tests.model_folders import ARCHITECTURES, FULL_WIDTH, diffusers, diffusers_pipeline

SEED = 11


@pytest.fixture(autouse=True)
def nothing_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    yield
    close_models()


def drawn_by_diffusers(pipeline, steps):
    """DDIM as `DDIMPipeline` walks it, with a class for the networks that ask for one: what it begins with, and each
    step's noisy picture, the last of which is the finished one; in 0 to 255."""
    unet = pipeline.unet.eval()
    scheduler = diffusers().DDIMScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    asks = unet.config.num_class_embeds or unet.config.class_embed_type
    size, generator = unet.config.sample_size, torch.Generator().manual_seed(SEED)
    x = torch.randn((1, unet.config.in_channels, size, size), generator=generator)
    walked = [x]
    with torch.no_grad():
        for t in scheduler.timesteps:
            answer = unet(x, t, class_labels=torch.tensor([2]) if asks else None).sample
            x = scheduler.step(answer, t, x, use_clipped_model_output=True).prev_sample
            walked.append(x)
    return ((torch.cat(walked).clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).numpy()


def drawn_here(card, steps):
    classes = card.class_count or card.network.class_embed_type
    label = (card.classes[2] if card.class_count else "2") if classes else ""
    plan = GenerationSettings(
        steps=steps, seed=SEED, sampler="ddim", class_label=label, precision="float32", device="cpu"
    )
    frames = open_model(card, device="cpu", precision="float32").previews(plan)
    return np.concatenate([frame.views.view("noisy") for frame in frames]).astype(float)


def check_the_whole_way(tmp_path, config, steps=50, **schedule):
    pipeline = diffusers_pipeline(config, seed=3, **schedule)
    pipeline.save_pretrained(tmp_path / "theirs")
    card = library.import_model(tmp_path / "theirs", "mine")
    right = drawn_by_diffusers(pipeline, steps)
    assert right[-1].std() > 1  # a picture, not one colour
    assert np.abs(drawn_here(card, steps) - right).max() <= 1
    before = {name: tensor.clone() for name, tensor in pipeline.unet.state_dict().items()}
    del pipeline
    close_models()
    given = export.export_model("mine", tmp_path / "given")
    again = diffusers().DDPMPipeline.from_pretrained(given, low_cpu_mem_usage=False)
    after = again.unet.state_dict()
    assert set(before) == set(after) and all(torch.equal(before[name], after[name]) for name in before)
    for name, value in schedule.items():
        assert again.scheduler.config[name] == value


HOW = {
    "cosine v": {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
    "clean picture, 200 timesteps": {"prediction_type": "sample", "num_train_timesteps": 200},
    "its own betas": {"trained_betas": [0.001 + k * 1e-4 for k in range(100)], "num_train_timesteps": 100},
    "range": {"beta_schedule": "scaled_linear", "clip_sample_range": 1.5},
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_diffusers_own_pictures_come_of_its_models(tmp_path, name):
    """DDIM in 50 steps, each within one level of 255, and the same tensors on the way back."""
    known = name.startswith("ddpm")  # those are on the hub, with the schedule DDPM began with
    check_the_whole_way(tmp_path, ARCHITECTURES[name], **({} if known else HOW["cosine v"]))


@pytest.mark.parametrize("how", [*HOW][1:])
def test_of_every_schedule(tmp_path, how):
    check_the_whole_way(tmp_path, ARCHITECTURES["class-conditional"], **HOW[how])


def test_with_the_old_names_of_attention(tmp_path):
    pipeline = diffusers_pipeline(ARCHITECTURES["ddpm-cifar10-32"], seed=3)
    pipeline.save_pretrained(tmp_path / "theirs")
    weights = tmp_path / "theirs" / "unet" / WEIGHTS
    old = {new: name for name, new in OLD_ATTENTION.items()}

    def renamed(name):
        for new, before in old.items():
            name = name.replace(f".{new}.", f".{before}.") if "attentions" in name else name
        return name

    state = {renamed(name): tensor for name, tensor in load_file(weights).items()}
    assert any(".proj_attn." in name for name in state) and not any(".to_q." in name for name in state)
    save_file(state, weights)
    card = library.import_model(tmp_path / "theirs", "mine")
    assert np.abs(drawn_here(card, 50) - drawn_by_diffusers(pipeline, 50)).max() <= 1
    given = export.export_model("mine", tmp_path / "given")
    again = diffusers().UNet2DModel.from_pretrained(given / "unet", low_cpu_mem_usage=False).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in pipeline.unet.state_dict().items())


def test_without_a_pipeline_around_it(tmp_path):
    """A bare `unet/` has DDPM's own schedule."""
    pipeline = diffusers_pipeline(ARCHITECTURES["heads"], seed=3)
    pipeline.unet.save_pretrained(tmp_path / "unet")
    card = library.import_model(tmp_path / "unet", "mine")
    assert np.abs(drawn_here(card, 50) - drawn_by_diffusers(pipeline, 50)).max() <= 1


@pytest.mark.parametrize("name", FULL_WIDTH)
def test_at_full_width_every_tensor_has_its_name_and_shape(name):
    """Without the numbers in them, for the time those take: the images are compared by tests/benchmarks/exchange.py."""
    with torch.device("meta"):
        theirs = diffusers().UNet2DModel(**FULL_WIDTH[name])
        ours = UNet(UNetConfig.from_dict(dict(theirs.config)))
    shapes = {key: tensor.shape for key, tensor in theirs.state_dict().items()}
    assert {key: tensor.shape for key, tensor in ours.state_dict().items()} == shapes
    count = sum(tensor.numel() for tensor in ours.parameters())
    assert name != "ddpm-cat-256" or count == 113_673_219
