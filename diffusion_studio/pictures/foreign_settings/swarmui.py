"""SwarmUI (StableSwarmUI before): JSON with `sui_image_params`, under `parameters` or in the comment."""

from __future__ import annotations

from diffusion_studio.pictures.foreign_settings.foreign import (
    MOST_LORAS,
    ForeignSettings,
    first,
    hexadecimal,
    load_object,
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
        loras = said.get("loras")
        listed = loras if isinstance(loras, list) else text(loras, 10_000).split(",")
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
            loras=tuple(filter(None, (model_name(entry) for entry in listed[:MOST_LORAS]))),
            raw=raw,
        )
    return None


def _hash(said: dict[str, object]) -> str:
    models = said.get("sui_models")
    for entry in models[:50] if isinstance(models, list) else ():
        if mapping(entry).get("param") == "model":
            return hexadecimal(text(mapping(entry).get("hash")).removeprefix("0x"))
    return ""
