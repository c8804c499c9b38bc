"""Fooocus and its relatives: JSON under `parameters`, as `fooocus_scheme` says, or in the comment of JPEG and WebP."""

from __future__ import annotations

from typing import Any

from diffusion_studio.pictures.foreign_settings.a1111 import read_parameters
from diffusion_studio.pictures.foreign_settings.foreign import (
    MOST_LORAS,
    ForeignSettings,
    first,
    hexadecimal,
    load_object,
    lora,
    loras,
    model_name,
    number,
    prompt,
    side,
    size,
    text,
    whole,
)
from diffusion_studio.pictures.foreign_settings.renamed import renamed
from diffusion_studio.pictures.texts.text_chunks import PictureTexts

PROGRAM = "Fooocus"
PLACES = ("parameters", "UserComment", "Comment")
OWN = {
    "metadata_scheme",
    "adm_guidance",
    "base_model",
    "base_model_name",
    "base_model_hash",
    "performance",
    "sharpness",
}


def read_fooocus(texts: PictureTexts) -> ForeignSettings | None:
    """Its own scheme, and A1111's where the chunk beside it says that Fooocus wrote it."""
    scheme = texts.items.get("fooocus_scheme", texts.items.get("MakerNote", "")).strip()
    for place in PLACES:
        raw = texts.items.get(place, "")
        said = load_object(raw)
        if said and (OWN & set(said) or "ooocus" in text(first(said, "software", "version"))):
            return _settings(said, raw)
        if raw and scheme == "a1111":
            return renamed(read_parameters(raw), PROGRAM)
    return None


def _settings(said: dict[str, Any], raw: str) -> ForeignSettings:
    width, height = size(first(said, "resolution") or "")
    listed = said.get("loras")
    entries = (
        [entry if isinstance(entry, list) else [entry] for entry in listed]
        if isinstance(listed, list)
        else []
    )
    return ForeignSettings(
        program=text(said.get("software"), 60).split(" v")[0] or PROGRAM,
        version=text(said.get("version"), 100),
        prompt=prompt(first(said, "prompt", "Prompt", "full_prompt")),
        negative=prompt(first(said, "negative_prompt", "Negative", "negative")),
        seed=whole(said.get("seed")),
        steps=whole(said.get("steps"), 1),
        sampler=text(first(said, "sampler", "sampler_name")),
        schedule=text(said.get("scheduler")),
        guidance=number(first(said, "guidance_scale", "cfg")),
        denoise=number(said.get("denoise")),
        width=width or side(said.get("width")),
        height=height or side(said.get("height")),
        model=model_name(first(said, "base_model", "base_model_name")),
        model_hash=hexadecimal(first(said, "base_model_hash")),
        loras=loras(lora(*entry[:3]) for entry in entries[:MOST_LORAS] if entry),
        clip_skip=whole(said.get("clip_skip"), 1, 100),
        raw=raw,
    )
