"""Text models from folders and from single files: the same parts, without a network, and nothing taken on trust."""

import socket

import numpy as np
import pytest
import torch

from diffusion_studio.models.kinds import kind_of
from diffusion_studio.models.text.cards import card_of
from diffusion_studio.models.text.description import describe
from diffusion_studio.models.text.parts import open_parts
from diffusion_studio.settings.generation import GenerationSettings
from tests.text_pipelines import MAKERS, latent_network, network, single_file, write

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def pipelines():
    from tqdm.auto import tqdm

    tqdm.monitor_interval = 0  # its monitor is a thread that never ends
    return {name: make() for name, make in MAKERS.items()}


@pytest.fixture(scope="module")
def folders(pipelines, tmp_path_factory):
    place = tmp_path_factory.mktemp("folders")
    for name, pipeline in pipelines.items():
        pipeline.save_pretrained(place / name)
    return place


@pytest.fixture
def no_network(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("a network was asked")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refused)


def equal(ours, theirs):
    mine, other = ours.state_dict(), theirs.state_dict()
    assert mine.keys() == other.keys()
    assert [name for name in mine if not torch.equal(mine[name], other[name])] == []


def encoders(pipeline):
    return [getattr(pipeline, name) for name in ("text_encoder", "text_encoder_2") if hasattr(pipeline, name)]


@pytest.mark.parametrize("family", list(MAKERS))
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_every_part_is_opened_as_it_was_saved(pipelines, folders, family, kind, tmp_path, no_network):
    pipeline = pipelines[family]
    if kind == "folder":
        parts = open_parts(folders / family)
    else:
        parts = open_parts(write(tmp_path / "model-768.safetensors", single_file(family, pipeline)))
    assert (parts.kind == family) or (
        kind == "folder" and family == "sd2"
    )  # by the width of its texts, here a tiny one
    equal(parts.unet, pipeline.unet)
    equal(parts.vae, pipeline.vae)
    assert dict(parts.vae.config)["scaling_factor"] == pipeline.vae.config.scaling_factor
    for own, theirs in zip(parts.text_encoders, encoders(pipeline), strict=True):
        equal(own, theirs)
        assert own.config.hidden_act == theirs.config.hidden_act
    assert parts.scheduler_config["prediction_type"] == pipeline.scheduler.config.prediction_type
    x, ids = torch.zeros(1, 4, 16, 16), torch.zeros(1, 77, dtype=torch.long)
    told = {"text_embeds": torch.ones(1, 64), "time_ids": torch.ones(1, 6)} if family == "sdxl" else None
    words = torch.ones(1, 77, pipeline.unet.config.cross_attention_dim)
    with torch.no_grad():
        for ours, theirs in ((parts.unet, pipeline.unet),):
            answers = [
                net(x, 7, encoder_hidden_states=words, added_cond_kwargs=told).sample
                for net in (ours, theirs)
            ]
            assert torch.equal(*answers)  # heads, which shapes do not show, are right as well
        for own, theirs in zip(parts.text_encoders, encoders(pipeline), strict=True):
            assert torch.equal(own(ids)[0], theirs(ids)[0])
    for own, name in zip(parts.tokenizers, ("tokenizer", "tokenizer_2"), strict=False):
        text = "A photo of an astronaut, it's 1920 (ÉTÉ) 猫 !!"
        theirs = getattr(pipeline, name)
        padded = {"padding": "max_length", "max_length": 77}
        assert own(text, **padded)["input_ids"] == theirs(text, **padded)["input_ids"]


@pytest.mark.parametrize("layout", ["CompVis", "diffusers"])
@pytest.mark.parametrize("middle", ["UNetMidBlock2D", None])
def test_a_network_that_was_made_smaller_is_counted_block_by_block(pipelines, layout, middle, tmp_path):
    """As SSD-1B, Vega and KOALA: other depths downward and upward, and no attention or nothing between them."""
    pipeline = pipelines["sdxl"]
    torch.manual_seed(7)
    smaller = network(
        (64, 128),
        context=128,
        heads=(1, 2),
        cross=(False, True),
        transformer_layers_per_block=[1, 2],
        reverse_transformer_layers_per_block=[[2, 3], 1],
        mid_block_type=middle,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=64 + 6 * 256,
    )
    whole = single_file("sdxl", pipeline)
    rest = {name: value for name, value in whole.items() if not name.startswith("model.diffusion_model.")}
    own = latent_network(smaller) if layout == "CompVis" else prefixed("unet.", smaller.state_dict())
    parts = open_parts(write(tmp_path / "smaller.safetensors", rest | own))
    equal(parts.unet, smaller)
    told = {"text_embeds": torch.ones(1, 64), "time_ids": torch.ones(1, 6)}
    asked = {"encoder_hidden_states": torch.ones(1, 77, 128), "added_cond_kwargs": told}
    with torch.no_grad():
        x = torch.randn(1, 4, 16, 16)
        assert torch.equal(parts.unet(x, 7, **asked).sample, smaller(x, 7, **asked).sample)


def prefixed(prefix, tensors):
    return {prefix + name: value for name, value in tensors.items()}


@pytest.mark.parametrize("family", list(MAKERS))
def test_one_file_makes_the_image_that_diffusers_makes(pipelines, family, tmp_path, no_network):
    pipeline, path = pipelines[family], tmp_path / "model-768.safetensors"
    write(path, single_file(family, pipeline))
    card = card_of(describe(path), family, path)
    model = kind_of(card).open(card, "cpu", "float32")
    asked = GenerationSettings(
        prompt="a red cat",
        steps=4,
        seed=3,
        sampler="ddim",
        spacing="leading",
        guidance=5.0,
        width=64,
        height=64,
    )
    *_, last = model.previews(asked)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(asked.seed)
    how = {"num_inference_steps": 4, "guidance_scale": 5.0, "width": 64, "height": 64, "output_type": "np"}
    wanted = pipeline(asked.prompt, generator=generator, **how).images[0] * 255
    assert np.abs(last.result[0] - wanted).max() <= 1 and wanted.std() > 5
