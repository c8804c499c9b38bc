"""Metadata of others that is damaged, huge or made to take long."""

import io
import json
import random
import struct
import time
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffusion_studio.pictures import reading
from diffusion_studio.pictures.foreign_settings.registry import MOST_RAW, read_foreign
from diffusion_studio.pictures.metadata import applied
from diffusion_studio.pictures.texts.text_chunks import PictureTexts, read_texts
from tests.mutations import mutate_model
from tests.pictures.foreign_settings.conftest import NOVEL, comfy, exif_block, hide


def test_what_is_hidden_is_bounded(png):
    pixels = np.full((300, 300, 4), 255, np.uint8)
    record = png(hide(pixels, "stealth_pngcomp", "x" * 5_000_000))
    assert record.foreign is None or len(record.raw) <= MOST_RAW
    broken = np.full((64, 64, 4), 255, np.uint8)
    hide(broken, "stealth_pnginfo", "x")
    broken[..., 3] |= 1
    assert png(broken).settings is None


def nested(depth):
    return '{"class_type": ' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(comfy(**{"6": {"class_type": "X", "inputs": {"text": ["6", 0], "conditioning": ["7", 0]}}})),
        json.dumps(comfy(**{"4": {"class_type": "X", "inputs": {"model": ["10", 0]}}})),
        json.dumps({str(k): {"class_type": "KSampler", "inputs": {"seed": [str(k + 1), 0], "steps": [str(k), 0]}}
                    for k in range(4000)}),
        json.dumps({str(k): {"class_type": "A", "inputs": {str(j): [str(j), 0] for j in range(60)}} for k in range(900)}
                   | {"s": {"class_type": "KSampler", "inputs": {"seed": ["1", 0], "steps": ["2", 0], "model": ["3", 0]}}}),
        json.dumps(comfy(**{"3": {"class_type": ["x"], "inputs": {"seed": {}, "steps": [[]], "cfg": [None, 1]}}})),
        json.dumps(comfy(**{"3": {"class_type": "KSampler", "inputs": [1, 2]}})),
        '{"3": {"class_type": "KSampler", "inputs": {"seed": ' + "9" * 4000 + ', "steps": 1e999, "cfg": -1e400}}}',
        '{"3": {"class_type": "KSampler", "inputs": {"seed": ' + "9" * 9000 + ', "steps": 1}}}',
        nested(200),
        nested(50_000),
        "[" * 900_000,
        '{"a": "\\ud800", "3": {"class_type": "\\ud800", "inputs": {"seed": 1, "steps": 2, "model": "\\udfff"}}}',
    ],
)  # fmt: skip
def test_hostile_graphs_end_soon_and_refuse_no_picture(png, text):
    begun = time.process_time()
    for name in ("prompt", "workflow", "parameters", "Comment", "sd_DASH_metadata", "invokeai_graph"):
        record = png(**{name: text})
        assert record.size == (64, 48) and not any("cannot be read" in reason for reason in record.refused)
        record.raw.encode()
    assert time.process_time() - begun < 20  # a hang, not a speed


@pytest.mark.parametrize(
    "text",
    [
        "<exif:UserComment>" + " " * 900_000,
        "<exif:UserComment>" + "<" * 900_000,
        "<exif:UserComment>" * 50_000,
        'exif:UserComment="' * 50_000,
        "<xmp:CreatorTool>" * 50_000,
        "a --b " * 150_000,
        "Job ID: " * 100_000,
        "x\n" * 500_000 + "Steps: 5",
        "Steps: 5, " + "," * 60_000,
        '"a" ' + "-s 5 " * 150_000,
        '"' + "\\" * 900_000,
    ],
)
def test_texts_made_to_take_long_do_not(text):
    begun = time.process_time()
    for name in ("XMP", "Description", "parameters", "Dream", "UserComment"):
        texts = PictureTexts()
        texts.add(name, text)
        read_foreign(texts)
    assert time.process_time() - begun < 10  # a hang, not a speed


def test_a_damaged_text_is_named_and_shown_as_far_as_it_goes(tmp_path):
    packed = bytearray(zlib.compress(random.Random(3).randbytes(6000).hex().encode()))
    packed[5000] ^= 255
    body = b"zTXtComment\0\0" + packed
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(data[:33] + chunk + data[33:])
    record = reading.read(tmp_path / "x.png")
    assert record.size == (9, 9) and "Its text “Comment” is damaged." in record.refused


def test_texts_are_bounded(tmp_path):
    info = PngInfo()
    for k in range(12):
        info.add_text(f"key{k}", "y" * 900_000, zip=True)
    info.add_itxt("bomb", "\0" * 50_000_000, zip=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    with (tmp_path / "x.png").open("rb") as file:
        texts = read_texts(file)
    assert sum(map(len, texts.items.values())) <= 4 << 20 and texts.cut
    record = reading.read(tmp_path / "x.png")
    assert record.size == (8, 8) and len(record.raw) <= MOST_RAW
    assert any("longer than what is shown" in reason for reason in record.refused)


SAMPLES = [
    {"prompt": json.dumps(comfy())},
    {
        "workflow": json.dumps(
            {"nodes": [{"id": 1, "type": "KSampler", "widgets_values": [1, "fixed", 2, 3, "a", "b"]}]}
        )
    },
    NOVEL,
    {
        "UserComment": json.dumps(
            {"c": "x", "uc": "y", "size": "1x1", "lora": [{"model": "z"}], "v2": {"seed": 1}}
        )
    },
    {"parameters": json.dumps({"base_model": "x", "loras": [["a", 1]], "resolution": "(1, 2)", "seed": "5"})},
    {
        "parameters": json.dumps(
            {"sui_image_params": {"seed": 1, "loras": ["a"]}, "sui_models": [{"param": "model"}]}
        )
    },
    {
        "invokeai_graph": json.dumps(
            {"nodes": [{"type": "noise", "seed": 1}, {"type": "compel", "prompt": "x"}]}
        )
    },
    {"sd-metadata": json.dumps({"image": {"prompt": [{"prompt": "x", "weight": 1}], "seed": 1}})},
    {"num_inference_steps": "5", "use_lora_model": '["x"]', "seed": "1"},
    {"parameters": 'a\nSteps: 5, Seed: 6, Hashes: {"model": "abc123"}, Size: 3x4'},
]


def test_mutated_texts_are_always_read():
    """Each reader by itself, without the net below it that keeps pictures readable."""
    dice = random.Random(5)
    for round_ in range(1500):
        sample = SAMPLES[round_ % len(SAMPLES)]
        texts = PictureTexts()
        for name, text in sample.items():
            texts.add(name, mutate_model(text.encode(), dice).decode("utf-8", "replace"))
        found = read_foreign(texts)
        if found is not None:
            found.raw.encode()
            applied(found)


def swapped(value, dice):
    """The same JSON with some values of another type."""
    if dice.random() < 0.15:
        return dice.choice(
            [None, True, -1, 1e300, 10**30, "x", [], {}, [["3", 0]], {"a": 1}, ["3", 0], "\ud800"]
        )
    if isinstance(value, dict):
        return {key: swapped(entry, dice) for key, entry in value.items()}
    if isinstance(value, list):
        return [swapped(entry, dice) for entry in value]
    return value


def test_values_of_wrong_types_are_left_out():
    dice = random.Random(6)
    for round_ in range(3000):
        texts = PictureTexts()
        for name, text in SAMPLES[round_ % (len(SAMPLES) - 2)].items():
            with suppress(ValueError):
                text = json.dumps(swapped(json.loads(text), dice))
            texts.add(name, text)
        found = read_foreign(texts)
        if found is not None:
            applied(found)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_mutated_files_never_stop_the_reader_of_texts(tmp_path, suffix):
    dice, path = random.Random(8), tmp_path / f"x.{suffix}"
    info = PngInfo()
    info.add_text("prompt", json.dumps(comfy()), zip=True)
    kwargs = (
        {"pnginfo": info} if suffix == "png" else {"exif": exif_block(b"UNICODE\0\0a", make="workflow:{}")}
    )
    Image.new("RGB", (16, 16)).save(path, **kwargs)
    whole = path.read_bytes()
    for _ in range(1500):
        read_texts(io.BytesIO(mutate_model(whole, dice)))
