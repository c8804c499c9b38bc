"""Tells what a folder or file is that is not a model for this application: a latent pipeline, a LoRA, a pickle. No torch."""

from __future__ import annotations

import io
import json
import pickletools
import re
import struct
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from diffusion_studio.storage.foreign_file import read_beginning, read_foreign_json
from diffusion_studio.storage.foreign_zip import open_zip

OPENABLE = (
    "what can be opened are pixel-space models: a DDPMPipeline or DDIMPipeline folder, or a UNet2DModel alone"
)
PICKLES = {".bin", ".ckpt", ".pt", ".pth", ".pkl"}
LARGEST_PICKLE, MOST_INSTRUCTIONS = 4 << 20, 200_000
PICKLES_IN_A_ROW = 4  # as torch wrote until 1.5: a magic number, its version, the system, and what was saved
TRAINER = {"step", "model", "opt", "ema", "scaler"}  # what the Trainer of denoising-diffusion-pytorch keeps
LATENT, TEXT = {"vae", "vqvae"}, {"text_encoder", "tokenizer"}  # parts that model_index.json names
LORA_FILES = ("adapter_config.json", "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")
PARTS = {  # by the beginnings and endings of class names in config.json
    "UNet2DConditionModel": "the network of a latent text-to-image model (Stable Diffusion and its kin)",
    "AutoencoderKL": "an autoencoder, the part of a latent model between pixels and latents",
    "VQModel": "an autoencoder, the part of a latent model between pixels and latents",
    "ControlNetModel": "a ControlNet, which steers a latent text-to-image model",
    "CLIPTextModel": "a text encoder, one part of a text-to-image model",
    "Transformer2DModel": "a diffusion transformer, which works on latents",
    "DiTTransformer2DModel": "a diffusion transformer, which works on latents",
    "MotionAdapter": "a motion adapter for a latent video model",
}


def explain(path: Path) -> str:
    """One sentence on what `path` is and what could be opened instead."""
    if path.is_dir():
        return f"{path} is {_folder(path)}; {OPENABLE}."
    if not path.exists():
        return f"{path} is not there."
    return f"{path} is {_file(path)}; {OPENABLE}."


def is_latent(folder: Path) -> bool:
    """Whether a folder is a pipeline that draws latents, by the parts it names: its network alone may look like one of pixels."""
    return bool((LATENT | TEXT) & set(_json(folder / "model_index.json")))


def explain_class(name: str) -> str:
    """What a `_class_name` means, in words."""
    short = name[:60]
    if name in PARTS:
        return f"{PARTS[name]} ({short})"
    if any(
        word in name
        for word in ("StableDiffusion", "LatentDiffusion", "LDM", "Flux", "PixArt", "Kandinsky", "IF")
    ):
        return f"a latent or text-to-image pipeline ({short})"
    if name.endswith("Transformer2DModel") or "Transformer" in name:
        return f"a diffusion transformer, which works on latents ({short})"
    return f"a {short}" if name else "of no kind that its files name"


def _folder(folder: Path) -> str:
    if any((folder / name).is_file() for name in LORA_FILES):
        return "a LoRA: changes to another model, not a model by itself"
    index = _json(folder / "model_index.json")
    if is_latent(folder):
        kind = "a latent text-to-image pipeline" if TEXT & set(index) else "a latent pipeline"
        return f"{kind} ({str(index.get('_class_name', ''))[:60]}), which does not draw in pixels"
    name = index.get("_class_name") or _json(folder / "config.json").get("_class_name")
    if name:
        return explain_class(str(name))
    pickles = [entry for entry in _entries(folder) if entry.suffix in PICKLES and entry.is_file()]
    if pickles:
        return f"a folder of pickles; {pickles[0].name[:80]} is {_pickle(pickles[0])}"
    files = [entry for entry in _entries(folder) if entry.suffix == ".safetensors"]
    if files:
        return f"a folder with {files[0].name[:80]}, but no config.json to say what it is"
    return "a folder without a model"


def _file(path: Path) -> str:
    head = _head(path)
    if head[:1] == b"\x80" or (head[:4] == b"PK\x03\x04" and path.suffix.lower() != ".zip"):
        return _pickle(path)
    if path.suffix.lower() in PICKLES:
        return _pickle(path)
    keys = _tensor_names(path)
    if any("lora" in key.lower() for key in keys):
        return "a LoRA: changes to another model, not a model by itself"
    if any(
        key.startswith(("first_stage_model.", "model.diffusion_model.", "cond_stage_model.")) for key in keys
    ):
        return "a Stable Diffusion checkpoint, a latent text-to-image model in one file"
    if "conv_in.weight" in keys and "conv_out.weight" in keys:
        return "the weights of a U-Net without the config.json that belongs beside them (open its folder instead)"
    return "a file of weights that no config.json describes" if keys else "a file, not a model's folder"


def _pickle(path: Path) -> str:
    words = _pickled_words(path)
    if words >= TRAINER or (not words and re.fullmatch(r"model-\d+\.pt", path.name)):
        return (
            "the checkpoint of a Trainer of denoising-diffusion-pytorch: a pickle, which can run code when opened, of a "
            "U-Net built of other parts (linear attention, other norms) than a UNet2DModel, so that no conversion draws "
            "the same pictures. Draw with it where it was trained: trainer.load(N); "
            "trainer.ema.ema_model.sample(batch_size=16). Or train a model here on the same pictures"
        )
    if "lora" in " ".join(words).lower():
        return "a LoRA in a pickle: changes to another model, not a model by itself"
    if any(word.startswith("model.diffusion_model.") for word in words):
        return "a Stable Diffusion checkpoint in a pickle, a latent text-to-image model in one file"
    if {"input_blocks.0.0.weight", "time_embed.0.weight"} <= words:
        return (
            "a network of OpenAI's guided-diffusion, in a pickle, which can run code when opened; its parts are not those "
            "of a UNet2DModel, so it can not be converted"
        )
    if path.suffix.lower() == ".bin" or words >= {"conv_in.weight", "conv_out.weight"}:
        return (
            "the weights of a network as a pickle, which can run code when opened. Where you trust it, convert its folder "
            "with diffusers: UNet2DModel.from_pretrained(FOLDER).save_pretrained(NEW), and import NEW"
        )
    return (
        "a pickle, which can run code when opened. Where you trust it, convert its folder with diffusers: "
        "DDPMPipeline.from_pretrained(FOLDER).save_pretrained(NEW), and import NEW"
    )


def _pickled_words(path: Path) -> set[str]:
    """The texts in a pickle, found by looking through its instructions. Nothing is unpickled, so nothing of it is run."""
    words: set[str] = set()
    with suppress(Exception):  # a file that breaks off, or is no pickle: what was found until there has to do
        data = _packed(path) if _head(path)[:2] == b"PK" else read_beginning(path, LARGEST_PICKLE)
        stream = io.BytesIO(data)
        for _ in range(PICKLES_IN_A_ROW):
            for _, argument, _ in islice(pickletools.genops(stream), MOST_INSTRUCTIONS):
                if isinstance(argument, str) and len(argument) < 200:
                    words.add(argument)
    return words


def _packed(path: Path) -> bytes:
    """The pickle inside the zip that torch writes since 1.6."""
    with open_zip(path) as archive:
        entry = next(entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl"))
        with archive.open(entry) as packed:
            return packed.read(LARGEST_PICKLE)


def _tensor_names(path: Path) -> list[str]:
    head = _head(path)
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if not 2 <= length <= 8 << 20:
        return []
    try:
        header = json.loads(read_beginning(path, 8 + length)[8:])
    except (OSError, ValueError, RecursionError):
        return []
    return list(header) if isinstance(header, dict) else []


def _head(path: Path) -> bytes:
    try:
        return read_beginning(path, 8)
    except OSError:
        return b""


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:1000]
    except OSError:
        return []


def _json(path: Path) -> dict[str, Any]:
    try:
        value = read_foreign_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
