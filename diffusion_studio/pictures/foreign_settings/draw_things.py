"""Draw Things: JSON under `exif:UserComment` of XMP, or in the EXIF comment itself, with one-letter names for the prompts."""

from __future__ import annotations

import html
import re
from typing import Any

from diffusion_studio.pictures.foreign_settings.foreign import (
    MOST_LORAS,
    ForeignSettings,
    first,
    load_object,
    lora,
    loras,
    mapping,
    model_name,
    number,
    prompt,
    size,
    text,
    whole,
)
from diffusion_studio.pictures.foreign_settings.sampler_names import divided
from diffusion_studio.pictures.texts.text_chunks import PictureTexts

PROGRAM = "Draw Things"
BEGIN, END = "<exif:UserComment>", "</exif:UserComment>"
TAG = re.compile(r"<[^<>]{0,300}>")
ATTRIBUTE = re.compile(r'exif:UserComment="([^"]+)"')


def read_draw_things(texts: PictureTexts) -> ForeignSettings | None:
    """By its name in XMP, or by the two prompts that are called so nowhere else."""
    xmp = texts.items.get("XMP", "")
    for raw in (xmp_comment(xmp), texts.items.get("UserComment", "")):
        said = load_object(raw)
        if said and ("Draw Things" in xmp or {"c", "uc"} <= said.keys()):
            return _settings(said, raw)
    return None


def xmp_comment(xmp: str) -> str:
    """What XMP has as the EXIF comment, as a property or an attribute. XML is only looked through, never interpreted."""
    _, begin, rest = xmp.partition(BEGIN)
    if begin:
        return html.unescape(TAG.sub("", rest.partition(END)[0])).strip()
    found = ATTRIBUTE.search(xmp)
    return html.unescape(found[1]).strip() if found else ""


def _settings(said: dict[str, Any], raw: str) -> ForeignSettings:
    more = mapping(said.get("v2"))
    width, height = size(said.get("size", ""))
    sampler, schedule = divided(text(said.get("sampler")), "")
    listed = first(said, "lora") or more.get("loras")
    entries = [mapping(entry) for entry in listed[:MOST_LORAS]] if isinstance(listed, list) else []
    return ForeignSettings(
        program=PROGRAM,
        prompt=prompt(said.get("c")),
        negative=prompt(said.get("uc")),
        seed=whole(first(said, "seed") if "seed" in said else more.get("seed")),
        steps=whole(first(said, "steps") or more.get("steps"), 1),
        sampler=sampler,
        schedule=schedule,
        guidance=number(first(said, "scale") or more.get("guidanceScale")),
        denoise=number(said.get("strength")),
        width=width or whole(more.get("width"), 1, 65_535),
        height=height or whole(more.get("height"), 1, 65_535),
        model=model_name(first(said, "model") or more.get("model")),
        loras=loras(lora(first(entry, "model", "file"), entry.get("weight")) for entry in entries),
        raw=raw,
    )
