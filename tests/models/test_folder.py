"""Model folders: exchanged with diffusers both ways, and judged without mercy when they come from strangers."""

import ast
import json
import os
import shutil
import struct
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from diffusion_studio.diffusion.schedules import SCHEDULES
from diffusion_studio.errors import UserError
from diffusion_studio.models import folder as checkpoint
from diffusion_studio.models import weights_file
from diffusion_studio.models.cards import read_card
from diffusion_studio.models.folder import read_model, weights_digest, write_model
from diffusion_studio.models.weights_found import OLD_ATTENTION, WEIGHTS
from diffusion_studio.models.wording import architecture, training
from tests.model_folders import ARCHITECTURES, change_json, diffusers, diffusers_pipeline, network, save
from tests.mutations import mutated_models


def batch(config, count=2):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, config.in_channels, config.sample_size, config.sample_size, generator=generator)
    classes = config.num_class_embeds or config.class_embed_type == "timestep"
    return x, torch.tensor([7.0, 981.0]), torch.tensor([1, 3]) if classes else None


# With diffusers, both ways --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_folder_from_diffusers_gives_the_same_answers(tmp_path, config):
    pipeline = diffusers_pipeline(config)
    pipeline.save_pretrained(tmp_path / "m")
    net = read_model(tmp_path / "m").network
    x, t, labels = batch(net.config)
    with torch.no_grad():
        right = pipeline.unet(x, t, class_labels=labels).sample
        assert (net(x, t, labels) - right).abs().max() <= 1e-5 * right.abs().max()


@pytest.mark.parametrize("config", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_folder_of_ours_gives_diffusers_the_same_answers(tmp_path, config):
    net = network(**config)
    write_model(tmp_path / "m", net, SCHEDULES["cosine"](1000), prediction="v_prediction", card={})
    unet = diffusers().DDPMPipeline.from_pretrained(tmp_path / "m", low_cpu_mem_usage=False).unet.eval()
    x, t, labels = batch(net.config)
    with torch.no_grad():
        right = unet(x, t, class_labels=labels).sample
        assert (net(x, t, labels) - right).abs().max() <= 1e-5 * right.abs().max()


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_mean_the_same_to_diffusers(tmp_path, name, prediction):
    schedule = SCHEDULES[name](200)
    write_model(tmp_path / "m", network(), schedule, prediction=prediction, card={})
    theirs = diffusers().DDPMScheduler.from_pretrained(tmp_path / "m" / "scheduler")
    floor = 1e-7  # diffusers calculates in float32, and for zero SNR keeps 2**-24
    assert np.allclose(theirs.alphas_cumprod.numpy(), schedule.alpha_bar, rtol=3e-3, atol=floor)
    assert theirs.config.prediction_type == prediction
    assert theirs.config.timestep_spacing == "trailing" and theirs.config.clip_sample
    again = read_model(tmp_path / "m").schedule
    assert np.allclose(again.alpha_bar, schedule.alpha_bar, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_return_as_they_were_written(tmp_path, dtype):
    net = network()
    write_model(tmp_path / "m", net, SCHEDULES["linear"](100), prediction="epsilon", card={}, dtype=dtype)
    state = read_model(tmp_path / "m").network.state_dict()
    for name, weight in net.state_dict().items():
        assert state[name].dtype == torch.float32 and torch.equal(state[name], weight.to(dtype).float())


def test_the_words_of_an_imported_schedule_are_kept(tmp_path):
    pipeline = diffusers_pipeline(
        ARCHITECTURES["heads"], variance_type="fixed_large", timestep_spacing="leading", steps_offset=1
    )
    pipeline.save_pretrained(tmp_path / "a")
    model = read_model(tmp_path / "a")
    write_model(tmp_path / "b", model.network, model.schedule, prediction="epsilon", card={})
    words = json.loads((tmp_path / "b" / "scheduler" / "scheduler_config.json").read_text())
    assert (words["variance_type"], words["timestep_spacing"], words["steps_offset"]) == (
        "fixed_large",
        "leading",
        1,
    )


def test_metadata_says_what_the_weights_are(tmp_path):
    from safetensors import safe_open

    save(tmp_path / "m", card={"licence": "CC0", "title": "Faces"})
    with safe_open(tmp_path / "m" / "unet" / WEIGHTS, "pt") as file:
        words = file.metadata()
    assert words["format"] == "pt" and words["modelspec.title"] == "Faces"
    assert (words["modelspec.resolution"], words["modelspec.prediction_type"]) == ("8x8", "v")


def test_old_names_of_attention_are_understood(tmp_path):
    folder = save(tmp_path / "m")
    right = read_model(folder).network.state_dict()
    file = folder / "unet" / WEIGHTS
    old = {new: name for name, new in OLD_ATTENTION.items()}

    def rename(name):
        for new, before in old.items():
            if "attentions" in name:
                name = name.replace(f".{new}.", f".{before}.")
        return name

    tensors = {rename(name): tensor for name, tensor in load_file(file).items()}
    assert any(".proj_attn." in name for name in tensors) and any(".query." in name for name in tensors)
    save_file(tensors, file)
    state = read_model(folder).network.state_dict()
    assert all(torch.equal(state[name], right[name]) for name in right)


def test_a_network_alone_is_a_model(tmp_path):
    folder = save(tmp_path / "m")
    model = read_model(folder / "unet")
    assert len(model.schedule) == 1000 and model.schedule.config["beta_schedule"] == "linear"
    assert read_card(folder / "unet").prediction == "epsilon"


def test_everything_in_one_folder_as_the_first_models_of_the_hub(tmp_path):
    folder = save(tmp_path / "m")
    for path in [*(folder / "unet").iterdir(), *(folder / "scheduler").iterdir()]:
        path.rename(folder / path.name)
    shutil.rmtree(folder / "unet")
    shutil.rmtree(folder / "scheduler")
    assert read_model(folder).schedule.config["beta_schedule"] == "squaredcos_cap_v2"
    assert read_card(folder).prediction == "v_prediction"


def shard(folder):
    unet = folder / "unet"
    tensors = load_file(unet / WEIGHTS)
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, own in parts.items():
        save_file({name: tensors[name] for name in own}, unet / file)
    index = {"weight_map": {name: file for file, own in parts.items() for name in own}}
    (unet / (WEIGHTS + ".index.json")).write_text(json.dumps(index))
    (unet / WEIGHTS).unlink()
    return unet


def test_shards_make_one_model(tmp_path):
    folder = save(tmp_path / "m")
    right = read_model(folder).network.state_dict()
    unet = shard(folder)
    state = read_model(folder).network.state_dict()
    assert all(torch.equal(state[name], right[name]) for name in right)
    (unet / "b.safetensors").write_bytes((unet / "a.safetensors").read_bytes())
    with pytest.raises(UserError, match=r"b\.safetensors: tensor .* appears twice"):
        read_model(folder)


@pytest.mark.parametrize(
    "name", ["../a.safetensors", "/etc/passwd", "..", "", "no.safetensors", "x\\a.safetensors", 7, "n\0"]
)
def test_shards_outside_the_folder_are_refused(tmp_path, name):
    unet = shard(save(tmp_path / "m"))
    shutil.copy(unet / "a.safetensors", tmp_path / "m" / "a.safetensors")
    change_json(unet / (WEIGHTS + ".index.json"), weight_map={"conv_in.weight": name})
    with pytest.raises(UserError, match=r"index\.json names (a shard that is not in its folder|no shards)"):
        read_model(tmp_path / "m")


def test_a_link_out_of_the_folder_is_refused_but_for_the_hubs_own(tmp_path):
    unet = shard(save(tmp_path / "m"))
    (unet / "a.safetensors").rename(tmp_path / "elsewhere")
    (unet / "a.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="not in its folder"):
        read_model(tmp_path / "m")
    repository = tmp_path / "models--some--one"
    (repository / "blobs").mkdir(parents=True)
    (repository / "snapshots").mkdir()
    (tmp_path / "m").rename(repository / "snapshots" / "abc")
    unet = repository / "snapshots" / "abc" / "unet"
    (tmp_path / "elsewhere").rename(repository / "blobs" / "0123")
    (unet / "a.safetensors").unlink()
    (unet / "a.safetensors").symlink_to("../../../blobs/0123")
    assert read_model(repository / "snapshots" / "abc").digest == weights_digest(unet.parent)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return save(tmp_path_factory.mktemp("sound") / "m", num_class_embeds=4)


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "copy")


@pytest.fixture
def weights(folder):
    return folder / "unet" / WEIGHTS


def header_of(blob):
    length = struct.unpack("<Q", blob[:8])[0]
    return json.loads(blob[8 : 8 + length]), blob[8 + length :]


def with_header(path, header, body=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = header_of(path.read_bytes())[1] if body is None else body
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def refusal(folder):
    with pytest.raises(UserError) as caught:
        read_model(folder)
    assert str(folder) in str(caught.value)  # the message names the place
    return str(caught.value)


def test_a_pickle_is_refused_whatever_its_name(folder, weights):
    torch.save({"conv_in.weight": torch.zeros(3)}, weights)
    assert "is a pickle" in refusal(folder) and "save_pretrained" in refusal(folder)
    torch.save({"x": torch.zeros(3)}, weights, _use_new_zipfile_serialization=False)
    assert "is a pickle" in refusal(folder)
    weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    assert "diffusion_pytorch_model.bin is a pickle" in refusal(folder)


def test_nothing_is_ever_unpickled():
    """The program has no line that could: whatever a file says, it is not run."""
    names = {"pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}
    for file in Path(checkpoint.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                found = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not names & {part for name in found for part in name.split(".")}, file
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in (
                    "torch.load",
                    "torch.jit.load",
                    "np.load",
                    "numpy.load",
                ), file


def test_a_key_that_names_code_is_refused_or_means_nothing(folder):
    change_json(folder / "model_index.json", unet=["evil_module", "Evil"], scheduler=["evil_module", "Evil"])
    assert len(read_model(folder).digest) == 64 and "evil_module" not in sys.modules
    change_json(folder / "unet" / "config.json", auto_map={"AutoModel": "evil.Evil"})
    assert "'auto_map' is not a setting of UNet2DModel" in refusal(folder)


def test_weights_that_change_while_they_are_read_are_refused(folder, weights, monkeypatch):
    read = weights_file.read_tensors

    def read_late(path):
        tensors = load_file(path)
        tensors["conv_in.bias"] = torch.zeros(9)
        save_file(tensors, path)
        return read(path)

    monkeypatch.setattr(checkpoint, "read_tensors", read_late)
    assert "changed while it was read; try again" in refusal(folder)


def test_weights_cut_off_after_their_header_was_read_are_refused(weights, monkeypatch):
    read = weights_file._read_header

    def read_then_cut(path, file, kinds):
        header = read(path, file, kinds)
        os.truncate(path, path.stat().st_size - 40)
        return header

    monkeypatch.setattr(weights_file, "_read_header", read_then_cut)
    with pytest.raises(UserError, match="damaged, or was cut off") as fault:
        weights_file.read_tensors(weights)
    assert "SafetensorError" in fault.value.details  # the library's own reader


def test_weights_are_known_by_content(folder, weights):
    weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    assert len(read_model(folder).digest) == 64


def test_a_header_as_long_as_a_pickle_begins_is_no_pickle(folder, weights):
    header, body = header_of(weights.read_bytes())
    text = json.dumps(header).encode()
    text += b" " * ((0x80 - len(text)) % 256)
    for second in (2, 3, 4, 5):  # also where the next byte is a pickle's protocol
        longer = text + b" " * ((second * 256 + 0x80 - len(text)) % 65536)
        with_header(weights, longer, body)
        assert weights.read_bytes()[:2] == bytes([0x80, second])
        read_model(folder)


@pytest.mark.parametrize("keep", [0, 4, 8, 60, -1, -4000])
def test_a_file_cut_off_is_refused(folder, weights, keep):
    weights.write_bytes(weights.read_bytes()[:keep])
    assert "cut off" in refusal(folder)


def test_something_appended_is_refused(folder, weights):
    weights.write_bytes(weights.read_bytes() + b"more")
    assert "has something appended" in refusal(folder)


def test_the_limits_of_a_header(folder, weights, monkeypatch):
    header, body = header_of(weights.read_bytes())
    with_header(weights, json.dumps(header).encode() + b" " * weights_file.LARGEST_HEADER)
    assert "header of more than 8 MB" in refusal(folder)
    with_header(weights, {**header, "__metadata__": {"k": "x" * (1 << 20)}}, body)
    assert "more than 1 MB of metadata" in refusal(folder)
    with_header(weights, {**header, "__metadata__": {"k": 1}}, body)
    assert "metadata is not a table of texts" in refusal(folder)
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    with_header(weights, {f"t{k}": empty for k in range(20_001)}, b"")
    assert "holds 20001 tensors" in refusal(folder)
    with_header(weights, {"__metadata__": {}}, b"")
    assert "holds 0 tensors" in refusal(folder)


@pytest.mark.parametrize(
    "text", [b"[1]", b"{", b'{"a": }', b"{" + b'"a":{' * 100_000, b'{"a": "\xff"}', b"7" * 9]
)
def test_a_header_that_is_no_table_is_refused(folder, weights, text):
    with_header(weights, text)
    message = refusal(folder)
    assert "damaged" in message or "not a safetensors file" in message


def test_keys_that_stand_twice_are_refused(folder, weights):
    header, body = header_of(weights.read_bytes())
    text = json.dumps(header)
    with_header(
        weights, (text[:-1] + ', "conv_in.bias": ' + json.dumps(header["conv_in.bias"]) + "}").encode(), body
    )
    assert "the same key appears twice" in refusal(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dtype": "I64"}, "only floating-point weights"),
        ({"dtype": "F8_E4M3"}, "only floating-point weights"),
        ({"dtype": ["F32"]}, "only floating-point weights"),
        ({"shape": [2**31]}, "impossible shape"),
        ({"shape": [-8]}, "impossible shape"),
        ({"shape": [8.0]}, "impossible shape"),
        ({"shape": [True]}, "impossible shape"),
        ({"shape": [1] * 9}, "impossible shape"),
        ({"shape": "8"}, "not described properly"),
        ({"shape": [9]}, "bytes its shape needs"),
        ({"data_offsets": [0]}, "not described properly"),
        ({"data_offsets": [10**30, 10**30 + 32]}, "overlap or leave a hole"),
        ({"data_offsets": [0, 32]}, "overlap or leave a hole"),
        ({"data_offsets": [-32, 0]}, "overlap or leave a hole"),
        ({"code": "import os"}, "not described properly"),
    ],
)
def test_tensors_described_wrongly_are_refused(folder, weights, change, said):
    header, body = header_of(weights.read_bytes())
    header["conv_in.bias"].update(change)
    with_header(weights, header, body)
    message = refusal(folder)
    assert said in message and "safetensors" in message


def test_a_hole_between_tensors_is_refused(folder, weights):
    header, body = header_of(weights.read_bytes())
    last = max(
        (name for name in header if name != "__metadata__"), key=lambda name: header[name]["data_offsets"]
    )
    header[last]["data_offsets"] = [place + 4 for place in header[last]["data_offsets"]]
    with_header(weights, header, body + b"\0" * 4)
    assert "overlap or leave a hole" in refusal(folder)


def test_a_tensor_that_is_not_finite_is_named(folder, weights):
    tensors = load_file(weights)
    tensors["conv_out.bias"][1] = torch.nan
    save_file(tensors, weights)
    assert "weight 'conv_out.bias' is not finite" in refusal(folder)
    tensors["conv_out.bias"] = torch.full((3,), 1e300, dtype=torch.float64)
    save_file(tensors, weights)
    assert "weight 'conv_out.bias' is not finite" in refusal(folder)


def test_the_first_three_wrong_weights_are_named_with_the_count(folder, weights):
    tensors = load_file(weights)
    tensors["conv_in.bias"] = torch.zeros(9)
    tensors["conv_in.weight"] = torch.zeros(9, 3, 3, 3)
    del tensors["conv_out.bias"], tensors["conv_out.weight"]
    tensors["extra\x1b[31m"] = torch.zeros(1)
    save_file(tensors, weights)
    message = refusal(folder)
    assert "5 weights do not fit" in message and "'conv_in.bias' is 9, not 8" in message
    assert message.count(", not ") == 3 and "\x1b" not in message
    assert "missing" in message or "conv_in.weight" in message


def test_a_model_larger_than_memory_is_refused_before_it_is_read(folder, weights, monkeypatch):
    class Memory:
        available = 1000

    monkeypatch.setattr(checkpoint.psutil, "virtual_memory", lambda: Memory)
    monkeypatch.setattr(checkpoint, "read_tensors", lambda path: pytest.fail("read"))
    assert "GB of memory to open" in refusal(folder)


def test_a_giant_configuration_is_counted_in_no_time(folder):
    change_json(
        folder / "unet" / "config.json",
        block_out_channels=[4096] * 8,
        layers_per_block=16,
        norm_num_groups=32,
        down_block_types=["AttnDownBlock2D"] * 8,
        up_block_types=["AttnUpBlock2D"] * 8,
        sample_size=128,
    )
    begun = time.process_time()
    assert "do not fit the configuration" in refusal(folder)
    assert time.process_time() - begun < 10  # allocating a terabyte would end otherwise


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layers_per_block": 100_000}, "layers_per_block"),
        ({"block_out_channels": [8] * 1000}, "block_out_channels"),
        ({"_class_name": "UNet2DConditionModel"}, "latent text-to-image model"),
        ({"_class_name": "AutoencoderKL"}, "an autoencoder"),
        ({"auto_map": {"": "code.py"}}, "'auto_map' is not a setting"),
        ({"in_channels": 5, "out_channels": 5}, "in_channels is 5"),
        ({"out_channels": 5}, "out_channels is 5"),
        ({"sample_size": 9}, "multiple of 2"),
        ({"sample_size": [8, 8, 8]}, "sample_size"),
        ({"sample_size": [8, 9]}, "multiple of 2"),
        ({"sample_size": [8, None]}, "sample_size"),
        ({"norm_eps": float("nan")}, "norm_eps"),
        ({"act_fn": "__import__"}, "act_fn"),
    ],
)
def test_configurations_out_of_bounds_are_refused(folder, change, said):
    change_json(folder / "unet" / "config.json", **change)
    assert said in refusal(folder) and "config.json" in refusal(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"num_train_timesteps": 10**9},
        {"num_train_timesteps": "1000"},
        {"num_train_timesteps": 1},
        {"beta_schedule": "cubic"},
        {"beta_start": float("nan")},
        {"beta_end": [1]},
        {"prediction_type": "flow"},
        {"variance_type": "learned_range"},
        {"trained_betas": ["0.1"] * 5},
        {"trained_betas": [[0.1, 0.2]]},
        {"trained_betas": [0.1, 2.0]},
        {"trained_betas": []},
        {"steps_offset": -1},
        {"clip_sample_range": 0},
    ],
    ids=str,
)
def test_schedules_out_of_bounds_are_refused(folder, change):
    change_json(folder / "scheduler" / "scheduler_config.json", **change)
    assert "scheduler_config.json" in refusal(folder)


def test_timesteps_a_network_does_not_know_are_refused(tmp_path):
    folder = save(tmp_path / "m", time_embedding_type="learned", num_train_timesteps=500)
    assert "the network knows only 500" in refusal(folder)


def test_missing_files_are_named(folder, weights):
    weights.unlink()
    assert "holds no weights" in refusal(folder)
    (folder / "unet" / "config.json").write_text("{" * 1_100_000)
    assert "config.json cannot be read: it is larger than 1 MB" in refusal(folder)
    (folder / "unet" / "config.json").write_bytes(b"\xff\xfe{}")
    assert "config.json cannot be read as JSON" in refusal(folder)
    (folder / "unet" / "config.json").unlink()
    assert "config.json is missing" in refusal(folder)


def test_broken_weights_are_never_written(tmp_path):
    net = network()
    with torch.no_grad():
        net.conv_out.bias[0] = 1e6
    with pytest.raises(UserError, match=r"conv_out\.bias is not finite as float16"):
        write_model(
            tmp_path / "m", net, SCHEDULES["linear"](10), prediction="epsilon", card={}, dtype=torch.float16
        )
    assert not (tmp_path / "m").exists()


# Fuzz -----------------------------------------------------------------------------------------------------------------


def test_mutated_models_are_read_or_refused(sound, tmp_path):
    """Whole folders, one file of each changed: nothing but `UserError`, and never a wait of two seconds."""
    longest, refused = 0.0, 0
    for _ in mutated_models(shutil.copytree(sound, tmp_path / "fuzz"), 400, seed=5):
        begun = time.process_time()
        try:
            card = read_card(tmp_path / "fuzz")
            card.defaults()
            architecture(card)
            training(card)
            read_model(card.path)
        except UserError as error:
            refused += 1
            str(error).encode()  # can be printed
        longest = max(longest, time.process_time() - begun)
    assert 200 < refused < 400 and longest < 2
