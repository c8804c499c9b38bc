"""Files as other programs write them."""

import gzip
import json
import struct

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffusion_studio.pictures import reading


@pytest.fixture
def png(tmp_path):
    def make(pixels=None, **texts):
        info = PngInfo()
        for name, text in texts.items():
            info.add_text(name.replace("_DASH_", "-"), text)
        image = Image.new("RGB", (64, 48), "teal") if pixels is None else Image.fromarray(pixels)
        image.save(tmp_path / "x.png", pnginfo=info)
        return reading.read(tmp_path / "x.png")

    return make


def exif_block(comment=b"", **tags):
    exif = Image.Exif()
    for name, value in tags.items():
        exif[{"make": 0x010F, "model": 0x0110, "description": 0x010E, "software": 0x0131}[name]] = value
    if comment:
        exif.get_ifd(0x8769)[0x9286] = comment
    return exif.tobytes()


@pytest.fixture
def commented(tmp_path):
    """A picture of a kind with this EXIF comment, as most programs write it."""

    def make(kind, text, **tags):
        path = tmp_path / f"x.{kind}"
        comment = b"UNICODE\0" + text.encode("utf-16-be") if text else b""
        Image.new("RGB", (64, 48), "teal").save(path, exif=exif_block(comment, **tags))
        return reading.read(path)

    return make


def facts(record, *names):
    return tuple(getattr(record.foreign, name) for name in names)


MAIN = ("program", "prompt", "negative", "seed", "steps", "sampler", "schedule", "guidance")


def comfy(**changes):
    graph = {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 1566802087,
                "steps": 20,
                "cfg": 8.0,
                "sampler_name": "euler_ancestral",
                "scheduler": "karras",
                "denoise": 1.0,
                "model": ["10", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\v1-5.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["10", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "dog", "clip": ["10", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "10": {
            "class_type": "LoraLoader",
            "inputs": {
                "lora_name": "style.safetensors",
                "strength_model": 0.7,
                "model": ["4", 0],
                "clip": ["4", 1],
            },
        },
    }
    return {**graph, **changes}


COMFY = ("ComfyUI", "a cat", "dog", 1566802087, 20, "euler_ancestral", "karras", 8.0)


NOVEL = {
    "Title": "NovelAI generated image",
    "Description": "1girl, hat",
    "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4.5 4BDE2A90",
    "Comment": json.dumps({
        "prompt": "1girl, hat", "steps": 28, "height": 1216, "width": 832, "scale": 5.0, "seed": 3922000000,
        "sampler": "k_euler_ancestral", "noise_schedule": "karras", "uc": "bad",
    }),
}  # fmt: skip


def hide(pixels, mark, text):
    """Write a text into the lowest bits, column by column."""
    data = gzip.compress(text.encode()) if mark.endswith("comp") else text.encode()
    whole = mark.encode() + struct.pack(">I", 8 * len(data)) + data
    bits = np.unpackbits(np.frombuffer(whole, np.uint8))
    channels = slice(3, 4) if "png" in mark else slice(0, 3)
    plane = pixels[..., channels].transpose(1, 0, 2).copy()
    flat = plane.reshape(-1)
    flat[: len(bits)] = (flat[: len(bits)] & 254) | bits
    pixels[..., channels] = plane.transpose(1, 0, 2)
    return pixels
