"""SwarmUI (StableSwarmUI before): JSON with `sui_image_params`, under `parameters` or in the comment."""

from __future__ import annotations

from diffusion_studio.pictures.foreign_settings.foreign import (
    MOST_LORAS,
    ForeignSettings,
    first,
    hexadecimal,
    load_object,
    lora,
    loras,
    mapping,
    model_name,
    number,
    prompt,
    side,
    text,
    whole,
)
from diffusion_studio.pictures.texts.text_chunks import PictureTexts

PROGRAM = "SwarmUI"


def read_swarmui(texts: PictureTexts) -> ForeignSettings | None:
    """By the name of the object that holds the settings."""
    for place in ("parameters", "UserComment", "Comment", "ImageDescription", "sui_image_params"):
        raw = texts.items.get(place, "")
        whole_text = load_object(raw) if "sui_image_params" in raw or place == "sui_image_params" else {}
        said = whole_text if place == "sui_image_params" else mapping(whole_text.get("sui_image_params"))
        if not said:
            continue
        named = said.get("loras")
        listed = named if isinstance(named, list) else text(named, 10_000).split(",")
        shares = said.get("loraweights")
        weights = shares if isinstance(shares, list) else text(shares, 10_000).split(",")
        skip = whole(said.get("clipstopatlayer"), -100, -1)
        skip = None if skip is None else -skip - 1  # it counts layers from the end, downwards
        return ForeignSettings(
            program=PROGRAM,
            version=text(said.get("swarm_version"), 100),
            prompt=prompt(said.get("prompt")),
            negative=prompt(first(said, "negativeprompt", "negative_prompt")),
            seed=whole(said.get("seed")),
            steps=whole(said.get("steps"), 1),
            sampler=text(first(said, "sampler", "comfyuisampler", "autowebuisampler")),
            schedule=text(first(said, "scheduler", "comfyuischeduler")),
            guidance=number(first(said, "cfgscale", "cfg_scale", "cfg")),
            denoise=number(first(said, "initimagecreativity")),
            width=side(said.get("width")),
            height=side(said.get("height")),
            model=model_name(said.get("model")),
            model_hash=_hash(whole_text),
            loras=loras(map(lora, listed[:MOST_LORAS], [*weights, *[None] * MOST_LORAS])),
            clip_skip=None if skip is None else skip + 1,
            raw=raw,
        )
    return None


def _hash(said: dict[str, object]) -> str:
    models = said.get("sui_models")
    for entry in models[:50] if isinstance(models, list) else ():
        if mapping(entry).get("param") == "model":
            return hexadecimal(text(mapping(entry).get("hash")).removeprefix("0x"))
    return ""
