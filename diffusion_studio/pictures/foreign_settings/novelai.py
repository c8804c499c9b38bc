"""NovelAI: `Description` is the prompt, `Comment` JSON with the rest; the same again in the lowest bits of alpha."""

from __future__ import annotations

import re
from typing import Any

from diffusion_studio.pictures.foreign_settings.foreign import (
    ForeignSettings,
    first,
    load_object,
    mapping,
    number,
    prompt,
    side,
    text,
    whole,
)
from diffusion_studio.pictures.texts.text_chunks import PictureTexts

PROGRAM = "NovelAI"
NOTED = ("Title", "Description", "Software", "Source", "Comment")


def read_novelai(texts: PictureTexts) -> ForeignSettings | None:
    """By the name of the software, in chunks of their own or together as JSON in a comment."""
    items: dict[str, Any] = dict(texts.items)
    for place in ("UserComment", "Comment", "ImageDescription"):
        together = load_object(items.get(place))
        if "Comment" in together and "Software" in together:
            items = {**items, **together}
            break
    if not any(PROGRAM in text(items.get(name)) for name in ("Software", "Source", "Title")):
        return None
    said = mapping(items.get("Comment")) or load_object(text(items.get("Comment"), 1 << 20))
    words, unwanted = _captions(said.get("v4_prompt")), _captions(said.get("v4_negative_prompt"))
    return ForeignSettings(
        program=PROGRAM,
        version=text(items.get("Source"), 100),
        prompt=prompt(first(said, "prompt")) or prompt(items.get("Description")) or words,
        negative=prompt(said.get("uc")) or unwanted,
        seed=whole(said.get("seed")),
        steps=whole(said.get("steps"), 1),
        sampler=text(said.get("sampler")),
        schedule=text(said.get("noise_schedule")),
        guidance=number(said.get("scale")),
        denoise=number(said.get("strength")),
        width=side(said.get("width")),
        height=side(said.get("height")),
        model=_model(text(items.get("Source"))),
        raw="\n".join(f"{name}: {items[name]}" for name in NOTED if items.get(name)),
    )


def _captions(value: object) -> str:
    """Since version 4: one caption of the whole, and one a character."""
    caption = mapping(mapping(value).get("caption"))
    listed = caption.get("char_captions")
    characters = (
        [mapping(entry).get("char_caption") for entry in listed[:20]] if isinstance(listed, list) else []
    )
    return prompt([part for part in (caption.get("base_caption"), *characters) if isinstance(part, str)])


def _model(source: str) -> str:
    return re.sub(r"\s[0-9A-F]{8}$", "", source)
