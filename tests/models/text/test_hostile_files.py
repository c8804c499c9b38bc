"""Files of strangers that pretend to be text models, or are other things: a sentence each, and nothing is run or allocated."""

import json
import pickle
import struct

import pytest
import torch

from diffusion_studio.errors import UserError
from diffusion_studio.models import library
from diffusion_studio.models.text.parts import open_parts
from tests.text_pipelines import network, sd1, single_file, write

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def tensors():
    return single_file("sd1", sd1())


def header_of(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def rewrite(path, change):
    header, rest = header_of(path)
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + rest)
    return path


def refused(path, *words):
    with pytest.raises(UserError) as caught:
        library.import_model(path)
    sentence = str(caught.value)
    assert all(word in sentence for word in words), sentence
    with pytest.raises(UserError):
        open_parts(path)


def test_a_file_that_was_cut_off(tensors, tmp_path):
    path = write(tmp_path / "cut.safetensors", tensors)
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, "was cut off")


def test_a_pickle_and_a_pointer_under_its_name(tmp_path):
    (tmp_path / "evil.safetensors").write_bytes(pickle.dumps({"a": 1}))
    refused(tmp_path / "evil.safetensors", "pickle")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4265380512\n"
    (tmp_path / "pointer.safetensors").write_bytes(pointer)
    refused(tmp_path / "pointer.safetensors", "Git LFS")


def test_absurd_shapes_cost_nothing(tensors, tmp_path):
    path = write(tmp_path / "absurd.safetensors", tensors)

    def change(header):
        facts = header["model.diffusion_model.out.2.weight"]
        facts["shape"] = [2**30, 2**30, 3, 3]

    refused(rewrite(path, change), "does not have the bytes its shape needs")


def test_weights_that_do_not_fit_each_other(tensors, tmp_path):
    name = "model.diffusion_model.middle_block.0.in_layers.2.weight"
    path = write(tmp_path / "bent.safetensors", {**tensors, name: torch.zeros(7, 7)})
    refused(path, "1 weights do not fit", "7×7")
    refused(write(tmp_path / "less.safetensors", {k: v for k, v in tensors.items() if k != name}), "missing")


def test_weights_of_whole_numbers_and_broken_ones(tensors, tmp_path):
    name = "model.diffusion_model.out.2.bias"
    whole = write(tmp_path / "whole.safetensors", {**tensors, name: torch.zeros(4, dtype=torch.int32)})
    broken = write(tmp_path / "broken.safetensors", {**tensors, name: torch.full((4,), torch.nan)})
    for path, word in ((whole, "I32"), (broken, "not finite")):
        with pytest.raises(UserError, match=word):
            open_parts(path)


def test_quantized_weights_are_refused_by_name(tensors, tmp_path):
    path = write(tmp_path / "q.safetensors", {**tensors, "scaled_fp8": torch.zeros(2)})
    refused(path, "quantized")


@pytest.mark.parametrize(
    ("channels", "words"), [(9, "inpainting model"), (8, "edits by instructions"), (5, "takes 5 channels")]
)
def test_networks_that_take_more_than_latents(tensors, tmp_path, channels, words):
    wide = network(channels=channels)
    name = "model.diffusion_model.input_blocks.0.0.weight"
    path = write(tmp_path / "wide.safetensors", {**tensors, name: wide.conv_in.weight.detach()})
    refused(path, words)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["conditioner.embedders.0.model.token_embedding.weight"], "refiner of Stable Diffusion XL"),
        (["double_blocks.0.img_attn.norm.key_norm.scale"], "FLUX"),
        (["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"], "Stable Diffusion 3"),
        (["control_model.time_embed.0.weight"], "ControlNet"),
        (["emb_params"], "textual-inversion"),
        (["lora_unet_down_blocks_0.lora_down.weight"], "a LoRA"),
        (["decoder.conv_in.weight", "encoder.conv_in.weight"], "autoencoder"),
        (["text_model.encoder.layers.0.mlp.fc1.weight"], "text encoder"),
        (["something.else"], "no config.json"),
    ],
)
def test_other_things_people_share_are_said_to_be_what_they_are(names, words, tmp_path):
    refused(write(tmp_path / "x.safetensors", {name: torch.ones(2, 2) for name in names}), words)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("unet", {"layers_per_block": 100_000}, "layers_per_block"),
        ("unet", {"block_out_channels": [1e99]}, "block_out_channels"),
        ("unet", {"down_block_types": ["os.system", "DownBlock2D"]}, "cannot be built"),
        ("unet", {"a_new_setting": 5}, "a_new_setting"),
        ("text_encoder", {"num_hidden_layers": -5}, "num_hidden_layers"),
        ("text_encoder", {"architectures": ["EvilModel"]}, "EvilModel"),
        ("text_encoder", {"hidden_size": 128}, "do not fit"),
        ("vae", {"quantization_config": {"bits": 4}}, "quantized"),
    ],
)
def test_configurations_of_a_folder_are_judged(folder, part, change, words):
    path = folder / part / "config.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), **change}))
    try:
        with pytest.raises(UserError, match=words):
            open_parts(folder)
    finally:
        path.write_text(before)


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    away = path.rename(tmp_path / "away.safetensors")
    path.symlink_to(away)
    try:
        with pytest.raises(UserError, match="leads out"):
            open_parts(folder)
    finally:
        path.unlink()
        away.rename(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from tqdm.auto import tqdm

    tqdm.monitor_interval = 0
    place = tmp_path_factory.mktemp("pipeline") / "sd"
    sd1().save_pretrained(place)
    return place
