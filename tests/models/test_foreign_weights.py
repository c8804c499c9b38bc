"""A network's weights under every name they are saved with, and what is said of files that are something else."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import close_models, open_model
from diffusion_studio.models import cards, library
from diffusion_studio.models.export import export_model
from diffusion_studio.models.folder import read_model
from diffusion_studio.models.recognise import explain
from diffusion_studio.models.weights_found import WEIGHTS, prefix_of
from diffusion_studio.settings.generation import GenerationSettings
from tests.model_folders import change_json, save

AVERAGE = {"decay": 0.9999, "inv_gamma": 1.0, "min_decay": 0.0, "optimization_step": 5, "power": 0.75,
           "update_after_step": 0, "use_ema_warmup": True}  # fmt: skip


@pytest.fixture(autouse=True)
def no_starters(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "starters")
    yield
    close_models()


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path / "faces")


@pytest.fixture
def weights(folder):
    return folder / "unet" / WEIGHTS


def state(folder):
    return read_model(folder).network.state_dict()


def same(first, second):
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


NAMES = [
    "diffusion_pytorch_model.bf16.safetensors", "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.non_ema.safetensors", "diffusion_pytorch_model.my-own.safetensors",
    "model.safetensors", "model.fp16.safetensors", "diffusion_pytorch_model.bin", "weights.safetensors",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_every_name_are_opened_and_copied(folder, weights, name):
    right = state(folder)
    weights.rename(weights.with_name(name))
    card = library.import_model(folder)
    assert same(state(card.path), right) and (card.path / "unet" / WEIGHTS).is_file()
    variant = name.split(".")[1] if name.count(".") == 2 else ""
    assert (f"“{variant}”" in " ".join(card.remarks)) == bool(variant)


def test_the_plain_weights_come_before_a_variant_and_the_exact_ones_before_the_rounded(folder, weights):
    right = state(folder)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in load_file(weights).items()}
    for variant in ("fp16", "non_ema"):
        save_file(zeros, weights.with_name(f"diffusion_pytorch_model.{variant}.safetensors"))
    assert same(state(folder), right)
    weights.rename(weights.with_name("diffusion_pytorch_model.fp32.safetensors"))
    assert same(state(folder), right)


@pytest.mark.parametrize(
    ("index", "shard"),
    [
        (WEIGHTS + ".index.json", "diffusion_pytorch_model-0000{}-of-00002.safetensors"),
        ("diffusion_pytorch_model.safetensors.index.fp16.json", "diffusion_pytorch_model.fp16-0000{}-of-00002.safetensors"),
        ("diffusion_pytorch_model.fp16.safetensors.index.json", "diffusion_pytorch_model.fp16-0000{}-of-00002.safetensors"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["", "module."])
def test_shards_of_a_variant_make_one_model(folder, weights, index, shard, prefix):
    right, whole = state(folder), load_file(weights)
    weights.unlink()
    places = {prefix + name: shard.format(1 + k % 2) for k, name in enumerate(whole)}
    for file in set(places.values()):
        part = {name: whole[name.removeprefix(prefix)] for name in places if places[name] == file}
        save_file(part, weights.with_name(file))
    weights.with_name(index).write_text(json.dumps({"weight_map": places}))
    card = library.import_model(folder)
    assert same(state(card.path), right)
    shutil.rmtree(card.path)
    weights.with_name(index).unlink()
    with pytest.raises(UserError, match="2 shards of weights, but no index"):
        library.import_model(folder)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "unet.", "model.", "module._orig_mod.unet."])
def test_what_a_network_was_wrapped_in_is_taken_off_its_names(folder, weights, prefix):
    right = state(folder)
    save_file({prefix + name: tensor for name, tensor in load_file(weights).items()}, weights)
    assert same(state(library.import_model(folder).path), right)
    assert prefix_of(["a.conv_in.weight", "b.conv_out.weight"]) == ""


def test_averaged_weights_are_preferred_and_it_is_said(folder, tmp_path):
    (folder / "model_index.json").unlink()
    averaged = save(tmp_path / "other", seed=9)
    right = state(averaged)
    shutil.copytree(averaged / "unet", folder / "unet_ema")
    change_json(folder / "unet_ema" / "config.json", **AVERAGE)
    card = library.import_model(folder)
    assert same(state(card.path), right) and "unet_ema" in " ".join(card.remarks)
    assert "unet_ema" in " ".join(cards.find(card.name).remarks)
    assert not (card.path / "unet_ema").exists()


def test_keys_that_ask_for_nothing_are_passed_over_and_others_refused_with_their_value(folder):
    config = folder / "unet" / "config.json"
    values = {**json.loads(config.read_text()), **AVERAGE, "of_the_future": None, "another": False}
    config.write_text(json.dumps(values))
    library.import_model(folder)
    config.write_text(json.dumps({**values, "another": "deep"}))
    with pytest.raises(
        UserError, match="config.json: 'another' is not a setting of UNet2DModel; it is 'deep'"
    ):
        library.import_model(folder)


def test_a_byte_order_mark_is_no_fault(folder):
    for place in (folder / "unet" / "config.json", folder / "scheduler" / "scheduler_config.json"):
        place.write_bytes(b"\xef\xbb\xbf" + place.read_bytes())
    library.import_model(folder)


@pytest.mark.parametrize(
    ("size", "shape"), [([8, 8], (8, 8, 3)), ([16, 8], (16, 8, 3)), ([8, 16], (8, 16, 3))]
)
def test_a_pair_of_sizes_is_height_and_width(folder, size, shape):
    change_json(folder / "unet" / "config.json", sample_size=size)
    card = library.import_model(folder)
    settings = GenerationSettings(model=card.name, steps=2, seed=1)
    *_, last = open_model(card, device="cpu").previews(settings)
    assert last.denoised.shape[1:] == shape
    assert card.pixels() == f"{shape[1]}×{shape[0]}"
    given = export_model(card.name, folder.parent / "given")
    assert json.loads((given / "unet" / "config.json").read_text())["sample_size"] in (size, size[0])


# What is no model -----------------------------------------------------------------------------------------------------

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 454666852\n"
CONTENTS = {
    "LFS": LFS,
    "web page": b"<!DOCTYPE html><html><body>sign in</body></html>",
    "Web Page".lower(): b"\xef\xbb\xbf\n<HTML><head></head></HTML>",
    "empty": b"",
    "zeros": b"\0" * 600,
    "GGUF": b"GGUF\3\0\0\0" + b"x" * 100,
    "image": b"\x89PNG\r\n\x1a\n" + b"x" * 100,
    "gzip": b"\x1f\x8b\x08\0" + b"x" * 100,
    "Keras": b"\x89HDF\r\n\x1a\n" + b"x" * 100,
    "XML": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
}


@pytest.mark.parametrize("meaning", CONTENTS)
@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_weights_that_are_something_else_are_called_what_they_are(folder, weights, meaning, suffix):
    weights.unlink()
    place = weights.with_name(f"diffusion_pytorch_model.{suffix}")
    place.write_bytes(CONTENTS[meaning])
    with pytest.raises(UserError) as refused:
        library.import_model(folder)
    assert meaning.lower() in str(refused.value).lower() and place.name in str(refused.value)
    assert meaning.lower() in explain(place).lower()


def test_a_configuration_that_is_something_else_is_called_what_it_is(folder):
    for meaning in ("LFS", "web page", "empty"):
        (folder / "unet" / "config.json").write_bytes(CONTENTS[meaning])
        with pytest.raises(UserError, match=f"(?i)config.json.*{meaning}"):
            library.import_model(folder)


TENSORS = {
    "a LoRA": ["unet.down.lora_A.weight", "down.hada_w1_a", "x.lokr_w1"],
    "Stable Diffusion checkpoint": [
        "first_stage_model.x",
        "conditioner.embedders.0.x",
        "model.diffusion_model.x",
    ],
    "FLUX": ["double_blocks.0.img_attn.qkv.weight", "model.diffusion_model.double_blocks.0.img_attn.x"],
    "Stable Diffusion 3": ["joint_blocks.0.x"],
    "ControlNet": [
        "control_model.x",
        "controlnet_cond_embedding.conv_in.weight",
        "controlnet_down_blocks.0.weight",
    ],
    "autoencoder": ["decoder.up_blocks.0.x", "quant_conv.weight", "decoder.conv_in.weight"],
    "textual-inversion": ["<my-cat>", "emb_params", "clip_g"],
    "text encoder": ["text_model.encoder.layers.0.x"],
    "diffusion transformer": ["transformer_blocks.0.x", "y_embedder.x"],
    "guided-diffusion": ["input_blocks.0.0.weight"],
    "NCSN": ["module.all_modules.0.W"],
    "without the config.json": ["conv_in.weight"],
}


@pytest.mark.parametrize("meaning", TENSORS)
def test_files_of_weights_are_told_apart_by_their_names(tmp_path, meaning):
    for number, name in enumerate(TENSORS[meaning]):
        file = tmp_path / f"{number}.safetensors"
        save_file({name: torch.zeros(2)}, file)
        assert meaning in explain(file), name
        torch.save({name: torch.zeros(2)}, tmp_path / f"{number}.pt")
        wanted = "UNet2DModel.from_pretrained" if meaning == "without the config.json" else meaning
        assert wanted in explain(tmp_path / f"{number}.pt") and "pickle" in explain(tmp_path / f"{number}.pt")


PICKLED = {
    "EDM": {"ema": "torch_utils.persistence", "loss_fn": None},
    "k-diffusion": {"config": {}, "model": {}, "model_ema": {}, "opt": {}, "sched": {}, "ema_sched": {}, "ema_stats": {}},
    "Lightning": {"pytorch-lightning_version": "2.0", "state_dict": {}},
    "denoising-diffusion-pytorch": {"step": 1, "model": {}, "opt": {}, "ema": {}, "scaler": None},
}  # fmt: skip


@pytest.mark.parametrize("meaning", PICKLED)
@pytest.mark.parametrize("modern", [True, False])
def test_pickles_are_told_apart_without_being_opened(tmp_path, meaning, modern):
    torch.save(PICKLED[meaning], tmp_path / "x.pkl", _use_new_zipfile_serialization=modern)
    assert meaning in explain(tmp_path / "x.pkl") and "can run code" in explain(tmp_path / "x.pkl")


def test_a_zip_of_something_else_says_so(tmp_path):
    shutil.make_archive(str(tmp_path / "things"), "zip", save(tmp_path / "m").parent, "m")
    library.import_model(tmp_path / "things.zip")  # a model's
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    shutil.make_archive(str(tmp_path / "notes"), "zip", tmp_path / "notes")
    with pytest.raises(UserError, match=r"notes\.zip is a zip without a model"):
        library.import_model(tmp_path / "notes.zip")
    (tmp_path / "torn.zip").write_bytes(b"PK\3\4torn")
    with pytest.raises(UserError, match=r"torn\.zip is no zip, or one whose download was cut off"):
        library.import_model(tmp_path / "torn.zip")
