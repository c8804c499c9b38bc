"""Settings under the plain names most programs give them, in one JSON object or a text chunk each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusion_studio.pictures.foreign_settings.foreign import (
    ForeignSettings,
    first,
    hexadecimal,
    load_object,
    mapping,
    model_name,
    number,
    prompt,
    side,
    size,
    text,
    whole,
)
from diffusion_studio.pictures.foreign_settings.sampler_names import divided
from diffusion_studio.pictures.texts.text_chunks import PictureTexts

PLACES = ("parameters", "UserComment", "Comment", "ImageDescription", "Description", "metadata", "XMP")
NUMBERS = {"seed", "steps", "num_inference_steps", "cfg_scale", "guidance_scale", "guidance", "cfg"}
OBJECTS = ("params", "parameters", "settings", "meta", "metadata", "image")  # that the names may be inside of
UNNAMED = "an unnamed program"


def read_plain_names(texts: PictureTexts) -> ForeignSettings | None:
    """Where at least two of the numbers are named, or one beside a prompt."""
    for place in PLACES:
        said = load_object(texts.items.get(place))
        inner = first(said, *OBJECTS)
        for values in (said, mapping(inner)):
            found = _settings(values, texts.items.get(place, ""))
            if found is not None:
                return found
    raw = "\n".join(f"{name}: {entry}" for name, entry in texts.items.items())
    return _settings(dict(texts.items), raw)


def _settings(said: Mapping[str, Any], raw: str) -> ForeignSettings | None:
    values = {str(name).lower().replace(" ", "_").replace("-", "_"): entry for name, entry in said.items()}
    named = NUMBERS & {name for name, entry in values.items() if number(entry) is not None}
    if len(named) + ("prompt" in values or "positive_prompt" in values) < 2:
        return None
    sampler, schedule = divided(
        text(first(values, "sampler", "sampler_name")), text(first(values, "scheduler", "schedule_type"))
    )
    width, height = size(first(values, "size", "resolution") or "")
    version = first(values, "version", "app_version", "mflux_version")
    return ForeignSettings(
        program=_program(values),
        version=text(version, 100),
        prompt=prompt(first(values, "prompt", "positive_prompt")),
        negative=prompt(first(values, "negative_prompt", "negative", "uc")),
        seed=whole(values.get("seed")),
        steps=whole(first(values, "steps", "num_inference_steps"), 1),
        sampler=sampler,
        schedule=schedule,
        guidance=number(first(values, "cfg_scale", "guidance_scale", "guidance", "cfg", "scale")),
        denoise=number(first(values, "denoising_strength", "strength")),
        width=width or side(values.get("width")),
        height=height or side(values.get("height")),
        model=model_name(first(values, "model", "model_name", "checkpoint", "base_model")),
        model_hash=hexadecimal(values.get("model_hash")),
        raw=raw,
    )


def _program(values: Mapping[str, Any]) -> str:
    if "mflux_version" in values:
        return "mflux"
    return text(first(values, "software", "app", "generator", "program"), 60) or UNNAMED
