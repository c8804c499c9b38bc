"""What a text model takes is said before it is loaded; a network larger than the card is placed layer by layer."""

from pathlib import Path

import pytest
import torch

from diffusion_studio.models.text import memory
from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.models.text.families import FAMILIES, template
from tests.text_pipelines import network

PARTS = {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480}
FACTS = TextFacts(family="sd1", pipeline="", source=Path("x"), parameters=PARTS)


def test_the_estimate_grows_with_the_work_and_halves_with_the_format():
    whole, half = memory.estimate(FACTS), memory.estimate(FACTS, "bfloat16")
    assert whole.weights == 4 * sum(PARTS.values()) and half.weights == whole.weights // 2
    assert half.on_card == 2 * (PARTS["unet"] + PARTS["vae"]) + half.work < half.on_cpu
    assert memory.estimate(FACTS, sides=(1024, 1024)).work > whole.work
    assert memory.estimate(FACTS, count=8).work > whole.work
    assert memory.estimate(FACTS, "float16").weights > half.weights  # its autoencoder stays in float32
    assert (
        memory.needs(FACTS).count("GB") == 3
        and memory.needs(TextFacts(family="sd1", pipeline="", source=Path())) == ""
    )


def test_a_network_without_room_is_placed_layer_by_layer_and_answers_the_same():
    torch.manual_seed(0)
    net = network()
    asked = (torch.randn(1, 4, 8, 8), 5, torch.randn(1, 7, 64))
    with torch.inference_mode():
        whole = net(*asked).sample
        assert not memory.is_apart(memory.place(net, "cpu", free=1 << 40))
        memory.place(net, "cpu", work=1, free=1)
        assert memory.is_apart(net) and all(weight.is_meta for weight in net.conv_in.parameters())
        assert torch.equal(net(*asked).sample, whole)
        memory.gather(net)
        assert not memory.is_apart(net) and not any(weight.is_meta for weight in net.parameters())
        assert torch.equal(net(*asked).sample, whole)


@pytest.mark.parametrize(
    ("family", "part", "kind", "count"),
    [
        ("sd1", "unet", "UNet2DConditionModel", 859_520_964),
        ("sd2", "unet", "UNet2DConditionModel", 865_910_724),
        ("sdxl", "unet", "UNet2DConditionModel", 2_567_463_684),
        ("sdxl", "vae", "AutoencoderKL", 83_653_863),
        ("sd1", "text_encoder", "CLIPTextModel", 123_060_480),
        ("sd2", "text_encoder", "CLIPTextModel", 340_387_840),
        ("sdxl", "text_encoder_2", "CLIPTextModelWithProjection", 694_659_840),
        ("z-image", "transformer", "ZImageTransformer2DModel", 6_154_908_736),
    ],
)
def test_the_configurations_that_come_with_the_program_are_the_published_ones(family, part, kind, count):
    """By their number of parameters, counted without memory."""
    from diffusion_studio.models.text.components import Component, blank

    assert part in FAMILIES[family].parts
    net = blank(Component(part, kind, template(family, part), (), where=Path(family)))
    assert sum(weight.numel() for weight in net.parameters()) == count
