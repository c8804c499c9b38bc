"""Tells what a folder or file is that is not a model for this application: a latent pipeline, a LoRA, a pickle. No torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

OPENABLE = (
    "what can be opened are pixel-space models: a DDPMPipeline or DDIMPipeline folder, or a UNet2DModel alone"
)
PICKLES = {".bin", ".ckpt", ".pt", ".pth", ".pkl"}
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
    if {"vae", "vqvae", "text_encoder", "tokenizer"} & set(index):
        text = {"text_encoder", "tokenizer"} & set(index)
        kind = "a latent text-to-image pipeline" if text else "a latent pipeline"
        return f"{kind} ({str(index.get('_class_name', ''))[:60]}), which does not draw in pixels"
    name = index.get("_class_name") or _json(folder / "config.json").get("_class_name")
    if name:
        return explain_class(str(name))
    if any(entry.suffix in PICKLES for entry in _entries(folder)):
        return "a folder of pickles, which can run code when opened"
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
    if path.name.startswith("model-") and path.suffix == ".pt":
        return (
            "a pickle, which can run code when opened (as the Trainer of denoising-diffusion-pytorch writes them). "
            "Its network is not a UNet2DModel, so it can not be converted; train its pictures anew here"
        )
    return (
        "a pickle, which can run code when opened. Where you trust it, convert its folder with diffusers: "
        "DDPMPipeline.from_pretrained(FOLDER).save_pretrained(NEW)"
    )


def _tensor_names(path: Path) -> list[str]:
    head = _head(path)
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if not 2 <= length <= 8 << 20:
        return []
    try:
        with path.open("rb") as file:
            file.seek(8)
            header = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError):
        return []
    return list(header) if isinstance(header, dict) else []


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError:
        return b""


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:1000]
    except OSError:
        return []


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > 1 << 20:
            return {}
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
