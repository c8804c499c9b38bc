"""The U-Net against diffusers' UNet2DModel: names, shapes, answers; and the configurations that are refused."""

import dataclasses
import inspect
import json
import math
import subprocess
import sys
import warnings

import pytest
import torch

from diffusion_studio.diffusion import unet_blocks
from diffusion_studio.diffusion.unet import UNet, sinusoidal
from diffusion_studio.diffusion.unet_blocks import attend, double, pointwise
from diffusion_studio.diffusion.unet_config import UNetConfig

PLAIN = {  # small widths, everything else as google/ddpm-cifar10-32
    "sample_size": 16,
    "block_out_channels": [16, 32],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "norm_eps": 1e-6,
    "attention_head_dim": None,
}
CIFAR = {  # google/ddpm-cifar10-32, widths apart
    "act_fn": "silu",
    "attention_head_dim": None,
    "center_input_sample": False,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "in_channels": 3,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-06,
    "out_channels": 3,
    "sample_size": 32,
    "time_embedding_type": "positional",
    "_class_name": "UNet2DModel",
    "_diffusers_version": "0.0.4",
}
CAT = {  # google/ddpm-cat-256 and its siblings (church, bedroom, celebahq, ema-…), widths apart
    **CIFAR,
    "down_block_types": ["DownBlock2D"] * 4 + ["AttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "AttnUpBlock2D"] + ["UpBlock2D"] * 4,
    "sample_size": 256,
}
ARCHITECTURES = {
    "ddpm-cifar10-32": {**CIFAR, "block_out_channels": [16, 32, 32, 32], "norm_num_groups": 8},
    "ddpm-cat-256": {**CAT, "block_out_channels": [16, 16, 32, 32, 64, 64], "norm_num_groups": 8},
    "with heads": {**PLAIN, "attention_head_dim": 8},
    "with heads that leave channels over": {**PLAIN, "attention_head_dim": 12},
    "heads wider than a level without attention": {**PLAIN, "attention_head_dim": 32},
    "class-conditional": {**PLAIN, "num_class_embeds": 5},
    "class as a timestep": {**PLAIN, "class_embed_type": "timestep"},
    "class as an embedding": {**PLAIN, "class_embed_type": "identity"},
    "scale and shift": {**PLAIN, "resnet_time_scale_shift": "scale_shift", "attention_head_dim": 8},
    "scale and shift, normed attention": {
        **PLAIN,
        "resnet_time_scale_shift": "scale_shift",
        "attn_norm_num_groups": 4,
    },
    "no attention in the middle": {**PLAIN, "add_attention": False},
    "no middle": {**PLAIN, "mid_block_type": None},
    "scaled middle": {**PLAIN, "mid_block_scale_factor": math.sqrt(2)},
    "no attention at all": {
        **PLAIN,
        "down_block_types": ["DownBlock2D"] * 2,
        "up_block_types": ["UpBlock2D"] * 2,
        "add_attention": False,
    },
    "padded": {**PLAIN, "downsample_padding": 1},
    "cosines first": {**PLAIN, "flip_sin_to_cos": True, "freq_shift": 0},
    "odd width of time": {**PLAIN, "block_out_channels": [15, 30], "norm_num_groups": 5},
    "dropout": {**PLAIN, "dropout": 0.3},
    "resampled in residual blocks": {
        **PLAIN,
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "down_block_types": ["AttnDownBlock2D"] * 2,
        "up_block_types": ["AttnUpBlock2D"] * 2,
    },
    "resampled in residual blocks, scale and shift": {
        **PLAIN,
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "down_block_types": ["AttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "AttnUpBlock2D"],
        "resnet_time_scale_shift": "scale_shift",
    },
    "blocks of consistency models": {
        **PLAIN,
        "down_block_types": ["ResnetDownsampleBlock2D", "AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "ResnetUpsampleBlock2D"],
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "resnet_time_scale_shift": "scale_shift",
        "attn_norm_num_groups": 8,
        "attention_head_dim": 8,
        "num_class_embeds": 5,
    },
    "ADM: three levels, their own resampling, heads": {
        **PLAIN,
        "block_out_channels": [16, 24, 32],
        "down_block_types": ["ResnetDownsampleBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"],
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "attention_head_dim": 8,
        "out_channels": 6,
    },
    "three layers, three levels": {
        **PLAIN,
        "layers_per_block": 3,
        "block_out_channels": [16, 24, 32],
        "down_block_types": ["AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D"],
    },
    "one level": {
        **PLAIN,
        "block_out_channels": [16],
        "down_block_types": ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"],
    },
    "grey, six channels out": {**PLAIN, "in_channels": 1, "out_channels": 6},
    "input from 0 to 1": {**PLAIN, "center_input_sample": True},
    "learned time": {**PLAIN, "time_embedding_type": "learned", "num_train_timesteps": 1000},
    "wide time": {**PLAIN, "time_embedding_dim": 48},
    **{f"activation {name}": {**PLAIN, "act_fn": name} for name in ("swish", "mish", "gelu", "relu")},
}
WIDE = {**CIFAR, "block_out_channels": [128, 256, 256, 256], "norm_num_groups": 32}


@pytest.fixture(scope="module")
def diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("diffusers")


def shaken(network):
    """Every parameter away from its first value, so that swapped norms, biases and projections show."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network.eval()


def question(config, side=None, seed=1):
    """A batch of two: pictures (wider than high), two timesteps, labels as the network takes them."""
    generator = torch.Generator().manual_seed(seed)
    factor = 2 ** (len(config["block_out_channels"]) - 1)
    height, width = (side, side) if side else (max(8, factor), max(8, factor) + factor)
    x = torch.randn(2, config.get("in_channels", 3), height, width, generator=generator)
    kind = config.get("class_embed_type")
    if kind == "identity":
        labels = torch.randn(2, 4 * config["block_out_channels"][0], generator=generator)
    elif kind == "timestep":
        labels = torch.tensor([3.0, 250.0])
    else:
        labels = torch.tensor([4, 0]) if config.get("num_class_embeds") else None
    return x, torch.tensor([0.0, 999.0]), labels


def theirs(diffusers, config):
    return shaken(diffusers.UNet2DModel(**{key: value for key, value in config.items() if key[0] != "_"}))


def check_equal(network, reference, config, side=None):
    x, timestep, labels = question(config, side)
    whole = timestep.long() if config.get("time_embedding_type") == "learned" else timestep
    with torch.no_grad():
        expected = reference(x, whole, class_labels=labels).sample
        answer = network(x, timestep, labels)
    assert answer.shape == expected.shape and answer.dtype == expected.dtype
    assert float((answer - expected).abs().max() / expected.abs().max()) < 1e-5


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_answers_are_those_of_unet2dmodel_with_its_weights_and_with_ours(diffusers, name):
    """Within 1e-5, weights copied there and back under exactly the same names."""
    config = ARCHITECTURES[name]
    reference = theirs(diffusers, config)
    network = UNet(UNetConfig.from_dict(config)).eval()
    network.load_state_dict(reference.state_dict(), strict=True)
    check_equal(network, reference, config)

    shaken(network)
    reference.load_state_dict(network.state_dict(), strict=True)
    check_equal(network, reference, config)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_config_diffusers_writes_is_read_and_ours_is_read_by_diffusers(diffusers, name):
    reference = diffusers.UNet2DModel.from_config(
        {key: value for key, value in ARCHITECTURES[name].items() if key[0] != "_"}
    )
    ours = UNetConfig.from_dict(json.loads(reference.to_json_string()))
    assert ours == UNetConfig.from_dict(ARCHITECTURES[name])
    again = diffusers.UNet2DModel.from_config(json.loads(json.dumps(ours.to_dict())))
    assert set(again.state_dict()) == set(reference.state_dict())
    assert UNetConfig.from_dict(json.loads(again.to_json_string())) == ours


@pytest.mark.slow
def test_the_full_ddpm_cifar10_32(diffusers):
    reference = theirs(diffusers, WIDE)
    network = UNet(UNetConfig.from_dict(WIDE)).eval()
    network.load_state_dict(reference.state_dict(), strict=True)
    assert sum(parameter.numel() for parameter in network.parameters()) == 35_746_307
    check_equal(network, reference, WIDE, side=32)


def test_defaults_are_unet2dmodels(diffusers):
    theirs = inspect.signature(diffusers.UNet2DModel.__init__).parameters
    ours = {field.name: field.default for field in dataclasses.fields(UNetConfig)}
    alone = {"space": "pixels", "padding": "zeros", "coordinates": False}
    assert {name: ours.pop(name) for name in alone} == alone
    assert ours == {name: parameter.default for name, parameter in theirs.items() if name != "self"}


# --- the network by itself ---


@pytest.fixture
def network():
    return shaken(UNet(UNetConfig.from_dict({**PLAIN, "num_class_embeds": 5})))


@torch.no_grad()
def test_the_same_question_has_the_same_answer_bit_for_bit(network):
    x, timestep, labels = question({**PLAIN, "num_class_embeds": 5})
    before = x.clone()
    assert torch.equal(network(x, timestep, labels), network(x, timestep, labels))
    assert torch.equal(x, before)
    torch.manual_seed(3)
    one = UNet(network.config)
    torch.manual_seed(3)
    other = UNet(network.config)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@torch.no_grad()
def test_pictures_of_a_batch_do_not_see_each_other(network):
    x, timestep, labels = question({**PLAIN, "num_class_embeds": 5})
    both = network(x, timestep, labels)
    for k in range(2):
        torch.testing.assert_close(
            both[k : k + 1], network(x[k : k + 1], timestep[k : k + 1], labels[k : k + 1])
        )


@torch.no_grad()
def test_a_timestep_may_be_one_number_for_all_or_a_fraction(network):
    x, _, labels = question({**PLAIN, "num_class_embeds": 5})
    for_each = network(x, torch.tensor([70.0, 70.0]), labels)
    assert torch.equal(network(x, torch.tensor(70), labels), for_each)
    assert torch.equal(network(x, torch.tensor([70.0]), labels), for_each)
    halfway = network(x, torch.tensor(70.5), labels)
    assert (halfway - for_each).abs().max() > 1e-4


@torch.no_grad()
def test_time_and_class_matter(network):
    x, _, _ = question(PLAIN)
    answers = [
        network(x, torch.tensor(t), torch.full((2,), label))
        for t, label in [(0, 0), (500, 0), (0, 1), (500, 1)]
    ]
    for i in range(4):
        for j in range(i):
            assert (answers[i] - answers[j]).abs().max() > 1e-3


def test_labels_are_asked_for_and_refused():
    x, timestep, _ = question(PLAIN)
    with pytest.raises(ValueError, match="labels must be None"):
        UNet(UNetConfig.from_dict(PLAIN))(x, timestep, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="needs labels"):
        UNet(UNetConfig.from_dict({**PLAIN, "num_class_embeds": 5}))(x, timestep)


def test_gradients_reach_every_parameter():
    for name in ("ddpm-cifar10-32", "class-conditional", "scale and shift, normed attention", "learned time"):
        config = ARCHITECTURES[name]
        network = shaken(UNet(UNetConfig.from_dict(config))).train()
        x, timestep, labels = question(config)
        network(x, timestep, labels).square().mean().backward()
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


@torch.no_grad()
def test_dropout_works_in_training_only():
    network = shaken(UNet(UNetConfig.from_dict({**PLAIN, "dropout": 0.5})))
    x, timestep, _ = question(PLAIN)
    assert torch.equal(network(x, timestep), network(x, timestep))
    network.train()
    assert not torch.equal(network(x, timestep), network(x, timestep))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_answer_has_the_weights_dtype(network, dtype):
    x, timestep, labels = question({**PLAIN, "num_class_embeds": 5})
    exact = network(x, timestep, labels)
    answer = network.to(dtype)(x.to(dtype), timestep, labels)
    assert answer.dtype == dtype
    error = (answer.float() - exact).abs().max() / exact.abs().max()
    assert error < (0.05 if dtype == torch.bfloat16 else 1e-5)


@pytest.mark.parametrize("tokens", [1, 7, 64])
def test_attention_written_out_is_torchs(monkeypatch, tokens):
    q, k, v = torch.randn(3, 2, 4, tokens, 8, generator=torch.Generator().manual_seed(0))
    written_out = attend(q, k, v)
    torch.testing.assert_close(written_out, torch.nn.functional.scaled_dot_product_attention(q, k, v))
    monkeypatch.setattr(unet_blocks, "LONGEST_EXPLICIT_ATTENTION", 0)
    torch.testing.assert_close(attend(q, k, v), written_out)


def test_doubling_and_convolution_in_one_are_one_after_the_other():
    x, weight = torch.randn(2, 3, 5, 4, requires_grad=True), torch.randn(6, 3, 3, 3, requires_grad=True)
    bias, push = torch.randn(6), torch.randn(2, 6, 10, 8)
    doubled = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
    expected = torch.nn.functional.conv2d(doubled, weight, bias, padding=1)
    found = double(x, weight, bias)
    torch.testing.assert_close(found, expected)
    for own, other in zip(
        *(torch.autograd.grad(y, (x, weight), push) for y in (found, expected)), strict=True
    ):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_a_pointwise_convolution_as_a_product_learns_as_it_does_itself():
    conv = torch.nn.Conv2d(6, 4, 1)
    x, push = torch.randn(2, 6, 16, 17, requires_grad=True), torch.randn(2, 4, 16, 17)
    inputs = (x, conv.weight, conv.bias)
    found, expected = pointwise(conv, x), conv(x)
    torch.testing.assert_close(found, expected)
    for own, other in zip(*(torch.autograd.grad(y, inputs, push) for y in (found, expected)), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_a_network_answers_alike_while_it_learns(network):
    x, timestep = torch.randn(2, 3, 16, 16), torch.tensor([3, 700])
    labels = None if network.class_embedding is None else torch.tensor([0, 1])
    with torch.no_grad():
        answers = [network.train(mode)(x, timestep, labels) for mode in (False, True)]
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-5)


def test_sinusoids_are_their_formula():
    """Vaswani et al. 2017, sec. 3.5: sin and cos of t / 10000^(k / (d/2 - shift))."""
    for width, shift in [(8, 0), (8, 1), (7, 1)]:
        half = width // 2
        for cos_first in (False, True):
            rows = sinusoidal(torch.tensor([0.0, 3.5, 999.0]), width, cos_first, shift)
            assert rows.shape == (3, width) and rows.dtype == torch.float32
            for t, row in zip([0.0, 3.5, 999.0], rows.tolist(), strict=True):
                angles = [t / 10_000 ** (k / (half - shift)) for k in range(half)]
                sines, cosines = [math.sin(a) for a in angles], [math.cos(a) for a in angles]
                expected = (cosines + sines if cos_first else sines + cosines) + [0.0] * (width % 2)
                assert row == pytest.approx(expected, abs=1e-4)


# --- the configuration ---


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_config_survives_json(name):
    config = UNetConfig.from_dict(ARCHITECTURES[name])
    values = json.loads(json.dumps(config.to_dict()))
    assert values["_class_name"] == "UNet2DModel"
    assert UNetConfig.from_dict(values) == config
    assert hash(config) == hash(UNetConfig.from_dict(values))


def test_the_smallest_factor_halves_once_a_level_but_the_last():
    assert UNetConfig.from_dict(ARCHITECTURES["one level"]).smallest_factor == 1
    assert UNetConfig.from_dict(ARCHITECTURES["ddpm-cifar10-32"]).smallest_factor == 8
    assert UNetConfig.from_dict(ARCHITECTURES["ddpm-cat-256"]).smallest_factor == 32


def test_the_config_knows_no_torch_until_a_network_is_built():
    code = "import sys, diffusion_studio.diffusion.unet_config as c; c.UNetConfig(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


BAD = [
    ("in_channels", 0),
    ("in_channels", 3.0),
    ("in_channels", True),
    ("in_channels", 10**9),
    ("out_channels", "3"),
    ("out_channels", None),
    ("block_out_channels", []),
    ("block_out_channels", [16] * 9),
    ("block_out_channels", [16, 0]),
    ("block_out_channels", [16, -32]),
    ("block_out_channels", [16, 1 << 40]),
    ("block_out_channels", [16, "32"]),
    ("block_out_channels", [16, [32]]),
    ("block_out_channels", 16),
    ("block_out_channels", None),
    ("block_out_channels", "ab"),
    ("block_out_channels", {"a": 1}),
    ("block_out_channels", [16, 20]),
    ("layers_per_block", 0),
    ("layers_per_block", 100_000),
    ("layers_per_block", [1, 2]),
    ("norm_num_groups", 0),
    ("norm_num_groups", None),
    ("norm_num_groups", 7),
    ("downsample_padding", 2),
    ("downsample_padding", -1),
    ("downsample_padding", None),
    ("down_block_types", ["DownBlock2D"]),
    ("down_block_types", ["DownBlock2D", "SkipDownBlock2D"]),
    ("down_block_types", ["DownBlock2D", ["AttnDownBlock2D"]]),
    ("down_block_types", ["DownBlock2D", None]),
    ("down_block_types", "DownBlock2D"),
    ("down_block_types", None),
    ("up_block_types", ["UpBlock2D", "DownBlock2D"]),
    ("up_block_types", ["UpBlock2D"] * 3),
    ("up_block_types", {"UpBlock2D": 2}),
    ("mid_block_type", "UNetMidBlock2DCrossAttn"),
    ("mid_block_type", ["UNetMidBlock2D"]),
    ("time_embedding_type", "fourier"),
    ("time_embedding_type", None),
    ("time_embedding_dim", 0),
    ("time_embedding_dim", 1.5),
    ("downsample_type", "pool"),
    ("upsample_type", None),
    ("act_fn", "tanh"),
    ("act_fn", {}),
    ("resnet_time_scale_shift", "ada_group"),
    ("class_embed_type", "projection"),
    ("num_class_embeds", 0),
    ("num_class_embeds", 10**7),
    ("num_class_embeds", "ten"),
    ("num_train_timesteps", 0),
    ("attention_head_dim", 0),
    ("attention_head_dim", 64),
    ("attention_head_dim", "8"),
    ("attn_norm_num_groups", 5),
    ("attn_norm_num_groups", 0),
    ("sample_size", -1),
    ("sample_size", "16"),
    ("freq_shift", -1),
    ("freq_shift", 8),
    ("freq_shift", "1"),
    ("mid_block_scale_factor", 0),
    ("mid_block_scale_factor", math.nan),
    ("dropout", 1.5),
    ("dropout", math.inf),
    ("dropout", None),
    ("norm_eps", -1e-6),
    ("norm_eps", math.nan),
    ("norm_eps", True),
    ("center_input_sample", 1),
    ("flip_sin_to_cos", "yes"),
    ("add_attention", None),
]


@pytest.mark.parametrize(("key", "value"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_value_is_refused_with_its_key(key, value):
    with pytest.raises(ValueError, match=rf"\b{key}\b") as caught:
        UNetConfig.from_dict({**PLAIN, key: value})
    assert len(str(caught.value)) < 300 and str(caught.value).endswith(".")


def test_an_unknown_key_is_refused_by_name_and_a_note_is_not():
    with pytest.raises(ValueError, match="'encoder_hid_dim' is not a setting"):
        UNetConfig.from_dict({**PLAIN, "encoder_hid_dim": 8})
    assert UNetConfig.from_dict({**PLAIN, "_name_or_path": "somewhere"}) == UNetConfig.from_dict(PLAIN)


def test_a_long_bad_value_makes_a_short_message():
    with pytest.raises(ValueError, match="act_fn") as caught:
        UNetConfig.from_dict({**PLAIN, "act_fn": "x" * 10_000})
    assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match="yyy") as caught:
        UNetConfig.from_dict({**PLAIN, "y" * 10_000: 1})
    assert len(str(caught.value)) < 300
