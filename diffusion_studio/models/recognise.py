"""Tells what a folder or file is that is not a model for this application: a latent pipeline, a LoRA, a pickle. No torch."""

from __future__ import annotations

import io
import json
import os
import pickletools
import re
import struct
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from diffusion_studio.language import tr
from diffusion_studio.models.file_contents import (
    LOOKED_AT,
    LORA,
    RUNS_CODE,
    TRAINER_OF_DDPM,
    by_first_bytes,
    by_pickled_words,
    by_tensor_names,
)
from diffusion_studio.storage.foreign_file import open_foreign, read_beginning, read_foreign_json
from diffusion_studio.storage.foreign_zip import is_zip, open_zip

OPENABLE = tr(
    "what can be opened are pixel-space models (the folder of a DDPMPipeline, DDIMPipeline, PNDMPipeline or "
    "ConsistencyModelPipeline, or a UNet2DModel alone) and text models of Stable Diffusion 1, 2 and XL and of Z-Image (a "
    "folder of diffusers, or one .safetensors file)"
)
PICKLES = {".bin", ".ckpt", ".pt", ".pth", ".pkl"}
LARGEST_PICKLE, MOST_INSTRUCTIONS = 4 << 20, 200_000
PICKLES_IN_A_ROW = 4  # as torch wrote until 1.5: a magic number, its version, the system, and what was saved
LATENT, TEXT = {"vae", "vqvae"}, {"text_encoder", "tokenizer"}  # parts that model_index.json names
LORA_FILES = ("adapter_config.json", "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")
PARTS = {  # by the beginnings and endings of class names in config.json
    "UNet2DConditionModel": tr("the network of a latent text-to-image model (Stable Diffusion and the like)"),
    "AutoencoderKL": tr("an autoencoder, the part of a latent model between pixels and latents"),
    "VQModel": tr("an autoencoder, the part of a latent model between pixels and latents"),
    "ControlNetModel": tr("a ControlNet, which steers a latent text-to-image model"),
    "CLIPTextModel": tr("a text encoder, one part of a text-to-image model"),
    "Transformer2DModel": tr("a diffusion transformer, which works on latents"),
    "DiTTransformer2DModel": tr("a diffusion transformer, which works on latents"),
    "MotionAdapter": tr("a motion adapter for a latent video model"),
    "AsymmetricAutoencoderKL": tr("an autoencoder, the part of a latent model between pixels and latents"),
    "AutoencoderTiny": tr("an autoencoder, the part of a latent model between pixels and latents"),
    "AutoencoderDC": tr("an autoencoder, the part of a latent model between pixels and latents"),
    "ControlNetUnionModel": tr("a ControlNet, which steers a latent text-to-image model"),
    "T2IAdapter": tr("an adapter that steers a latent text-to-image model"),
    "T5EncoderModel": tr("a text encoder, one part of a text-to-image model"),
    "CLIPTextModelWithProjection": tr("a text encoder, one part of a text-to-image model"),
    "UNet1DModel": tr("a network of sounds or movements (diffusion in one dimension)"),
    "UNet3DConditionModel": tr("the network of a latent video model"),
    "UNetSpatioTemporalConditionModel": tr("the network of a latent video model"),
}


def explain(path: Path) -> str:
    """One sentence on what `path` is and what could be opened instead."""
    if path.is_dir():
        return tr("{path} is {meaning}; {openable}.", path=path, meaning=_folder(path), openable=OPENABLE)
    if not path.exists():
        return tr("{path} is not there.", path=path)
    return tr("{path} is {meaning}; {openable}.", path=path, meaning=_file(path), openable=OPENABLE)


def content_of(path: Path) -> str:
    """What a file is by its first bytes; "" where that does not show."""
    return by_first_bytes(_head(path, LOOKED_AT), _size(path))


def is_latent(folder: Path) -> bool:
    """Whether a folder is a pipeline that draws latents, by the parts it names: its network alone may look like one of pixels.

    A model of our own, with its small autoencoder, is not meant.
    """
    index = _json(folder / "model_index.json")
    own = index.get("_class_name") == "LDMPipeline" and index.get("vqvae") == ["diffusers", "AutoencoderTiny"]
    return bool((LATENT | TEXT) & set(index)) and not own


def looks_like_weights(path: Path) -> bool:
    """Whether a file's content is that of safetensors, whatever its name says."""
    return bool(_tensor_names(path))


def explain_class(name: str) -> str:
    """What a `_class_name` means, in words."""
    short = name[:60]
    if name in PARTS:
        return f"{PARTS[name]} ({short})"
    if any(
        word in name
        for word in ("StableDiffusion", "LatentDiffusion", "LDM", "Flux", "PixArt", "Kandinsky", "IF")
    ):
        return tr("a latent or text-to-image pipeline ({short})", short=short)
    if name.endswith("Transformer2DModel") or "Transformer" in name:
        return tr("a diffusion transformer, which works on latents ({short})", short=short)
    return f"a {short}" if name else tr("of no kind that its files name")


def _folder(folder: Path) -> str:
    if any((folder / name).is_file() for name in LORA_FILES):
        return LORA
    index = _json(folder / "model_index.json")
    if is_latent(folder):
        kind = tr("a latent text-to-image pipeline") if TEXT & set(index) else tr("a latent pipeline")
        return tr(
            "{kind} ({name}), which does not generate pixels",
            kind=kind,
            name=str(index.get("_class_name", ""))[:60],
        )
    name = index.get("_class_name") or _json(folder / "config.json").get("_class_name")
    if name:
        return explain_class(str(name))
    named = [name for name in ("model_index.json", "config.json") if (folder / name).is_file()]
    if named and (meaning := content_of(folder / named[0])):
        return tr("a folder whose {name} is {meaning}", name=named[0], meaning=meaning)
    pickles = [entry for entry in _entries(folder) if entry.suffix in PICKLES and entry.is_file()]
    if pickles:
        return tr(
            "a folder of pickles; {name} is {meaning}", name=pickles[0].name[:80], meaning=_file(pickles[0])
        )
    files = [entry for entry in _entries(folder) if entry.suffix in (".safetensors", ".gguf", ".onnx", ".h5")]
    if files:
        return tr(
            "a folder without a config.json to say what it is; {name} is {meaning}",
            name=files[0].name[:80],
            meaning=_file(files[0]),
        )
    return tr("a folder without a model")


def _file(path: Path) -> str:
    """By its content; its suffix counts only where that does not show."""
    suffix = path.suffix.lower()
    head, size = _head(path, LOOKED_AT), _size(path)
    keys = [] if head[:2] == b"PK" else _tensor_names(path)
    if keys:
        if (meaning := by_tensor_names(keys)) != "":
            return meaning
        if any(name.endswith("conv_in.weight") for name in keys):
            return tr(
                "the weights of a U-Net without the config.json that belongs beside them (open its folder instead)"
            )
        return tr("a file of weights that no config.json describes")
    meaning = by_first_bytes(head, size)
    if meaning and not head.startswith(b"PK"):
        return meaning
    if head[:1] == b"\x80" or (head[:4] == b"PK\x03\x04" and suffix != ".zip"):
        return _pickle(path)
    if suffix == ".zip":
        return (
            tr("a zip without a model in it")
            if is_zip(path)
            else tr("no zip, or one whose download was cut off")
        )
    if suffix == ".safetensors":
        return tr("no safetensors file, or one that was cut off")
    return _pickle(path) if suffix in PICKLES else tr("a file, not a model's folder")


def _pickle(path: Path) -> str:
    words = _pickled_words(path)
    if not words and re.fullmatch(r"model-\d+\.pt", path.name):
        return TRAINER_OF_DDPM
    if (meaning := by_pickled_words(words)) != "":
        return meaning
    if path.suffix.lower() == ".bin" or any(word.endswith("conv_in.weight") for word in words):
        return tr(
            "the weights of a network as {runs_code}. Where you trust it, convert its folder with diffusers: "
            "UNet2DModel.from_pretrained(FOLDER).save_pretrained(NEW), and import NEW",
            runs_code=RUNS_CODE,
        )
    return tr(
        "{runs_code}. Where you trust it, convert its folder with diffusers: "
        "DDPMPipeline.from_pretrained(FOLDER).save_pretrained(NEW), and import NEW",
        runs_code=RUNS_CODE,
    )


def _pickled_words(path: Path) -> set[str]:
    """The texts in a pickle, found by looking through its instructions. Nothing is unpickled, so none of its code is run."""
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


def _head(path: Path, count: int = 8) -> bytes:
    try:
        return read_beginning(path, count)
    except OSError:
        return b""


def _size(path: Path) -> int:
    """Bytes; -1 for what is no regular file."""
    try:
        with open_foreign(path, 1 << 62) as file:
            return os.fstat(file.fileno()).st_size
    except OSError:
        return -1


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
