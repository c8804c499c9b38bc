"""Easy Diffusion: a text chunk a setting, or all of them as JSON in the comment of a JPEG or WebP."""

from __future__ import annotations

from typing import Any

from diffusion_studio.pictures.foreign_settings.foreign import (
    MOST_LORAS,
    ForeignSettings,
    first,
    load_object,
    lora,
    loras,
    model_name,
    number,
    prompt,
    side,
    text,
    whole,
)
from diffusion_studio.pictures.foreign_settings.sampler_names import divided
from diffusion_studio.pictures.texts.text_chunks import PictureTexts

PROGRAM = "Easy Diffusion"
# Names of the settings, and of the labels that are written where it is set to write them for people.
KEYS = {
    "prompt": ("prompt", "Prompt"),
    "negative": ("negative_prompt", "Negative Prompt"),
    "seed": ("seed", "Seed"),
    "steps": ("num_inference_steps", "Steps"),
    "guidance": ("guidance_scale", "Guidance Scale"),
    "sampler": ("sampler_name", "sampler", "Sampler"),
    "schedule": ("scheduler_name", "Scheduler"),
    "denoise": ("prompt_strength", "Prompt Strength"),
    "width": ("width", "Width"),
    "height": ("height", "Height"),
    "model": ("use_stable_diffusion_model", "Stable Diffusion model", "Stable Diffusion Model"),
    "lora_weight": ("lora_alpha", "LoRA alpha", "LoRA Strength"),
    "clip_skip": ("clip_skip", "Clip Skip"),
    "lora": ("use_lora_model", "LoRA model", "LoRA"),
}
OWN = {
    "num_inference_steps",
    "use_stable_diffusion_model",
    "Stable Diffusion model",
    "Stable Diffusion Model",
}


def read_easy_diffusion(texts: PictureTexts) -> ForeignSettings | None:
    """By the names that this program alone gives the settings."""
    for said in (texts.items, load_object(texts.items.get("UserComment"))):
        if OWN & set(said):
            return _settings(said)
    return None


def _settings(said: dict[str, Any]) -> ForeignSettings:
    def value(name: str) -> object:
        return first(said, *KEYS[name])

    sampler, schedule = divided(text(value("sampler")), text(value("schedule")))
    named, shares = value("lora"), value("lora_weight")
    listed = named if isinstance(named, list) else [named]
    weights = shares if isinstance(shares, list) else [shares]
    known = {key for names in KEYS.values() for key in names}
    return ForeignSettings(
        program=PROGRAM,
        prompt=prompt(value("prompt")),
        negative=prompt(value("negative")),
        seed=whole(value("seed")),
        steps=whole(value("steps"), 1),
        sampler=sampler,
        schedule=schedule,
        guidance=number(value("guidance")),
        denoise=number(value("denoise")),
        width=side(value("width")),
        height=side(value("height")),
        model=model_name(value("model")),
        loras=loras(map(lora, listed[:MOST_LORAS], [*weights, *[None] * MOST_LORAS])),
        clip_skip=2 if value("clip_skip") in (True, "True", "true") else None,
        raw="\n".join(
            f"{key}: {entry}" for key, entry in list(said.items())[:200] if key in known or "_" in key
        ),
    )
