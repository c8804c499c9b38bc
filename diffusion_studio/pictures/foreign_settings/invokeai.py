"""InvokeAI: the `Dream` command of version 1, `sd-metadata` of 2, `invokeai_metadata` and `invokeai_graph` since 3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from diffusion_studio.pictures.foreign_settings.foreign import (
    LONGEST_PROMPT,
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
from diffusion_studio.pictures.foreign_settings.sampler_names import divided
from diffusion_studio.pictures.texts.text_chunks import PictureTexts
from diffusion_studio.settings.loras import Lora

PROGRAM = "InvokeAI"
FLAG = re.compile(r"(?:^|\s)-([A-Za-z])[ \t]?([\w.\-]{1,40})(?=\s|$)")
UNWANTED = re.compile(r"\[([^\[\]]{0,2000})\]")  # negative words are in brackets, up to version 2
MOST_NODES = 5000


def read_invokeai(texts: PictureTexts) -> ForeignSettings | None:
    """The newest of the places that says something."""
    items = texts.items
    said = load_object(items.get("invokeai_metadata"))
    if said:
        return _since_3(said, items["invokeai_metadata"])
    graph = load_object(items.get("invokeai_graph"))
    if graph:
        return _since_3(_of_graph(graph), items["invokeai_graph"])
    old = load_object(items.get("sd-metadata"))
    if old:
        return _version_2(old, items["sd-metadata"])
    if items.get("Dream"):
        return _dream(items["Dream"])
    named = next(
        (name for name in ("invokeai_metadata", "invokeai_graph", "sd-metadata") if name in items), ""
    )
    return ForeignSettings(program=PROGRAM, raw=items[named]) if named else None


def _since_3(said: Mapping[str, Any], raw: str) -> ForeignSettings:
    model = mapping(said.get("model"))
    sampler, schedule = divided(text(said.get("scheduler")), "")
    listed = said.get("loras")
    return ForeignSettings(
        program=PROGRAM,
        version=text(said.get("app_version"), 100),
        prompt=prompt(first(said, "positive_prompt", "prompt")),
        negative=prompt(said.get("negative_prompt")),
        seed=whole(said.get("seed")),
        steps=whole(first(said, "steps", "num_steps"), 1),
        sampler=sampler,
        schedule=schedule,
        guidance=number(first(said, "cfg_scale", "guidance")),
        denoise=number(said.get("strength")),
        width=side(said.get("width")),
        height=side(said.get("height")),
        model=model_name(first(model, "name", "model_name") or said.get("model")),
        model_hash=hexadecimal(model.get("hash")),
        loras=loras(map(_lora, listed[:MOST_LORAS] if isinstance(listed, list) else [])),
        clip_skip=_clip_skip(said.get("clip_skip")),
        raw=raw,
    )


def _lora(entry: object) -> Lora | None:
    named = mapping(first(mapping(entry), "model", "lora", "lora_field"))
    return lora(first(named, "name", "model_name"), mapping(entry).get("weight"), named.get("hash"))


def _clip_skip(value: object) -> int | None:
    """It counts the layers that are left out, where A1111 counts the layer from the end."""
    skipped = whole(value, 0, 100)
    return None if skipped is None else skipped + 1


def _of_graph(graph: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the metadata node where there is one, else of the nodes that hold them."""
    nodes = graph.get("nodes")
    listed = list(nodes.values()) if isinstance(nodes, dict) else nodes if isinstance(nodes, list) else []
    found: dict[str, Any] = {}
    whole_nodes = [node for node in listed[:MOST_NODES] if isinstance(node, dict)]
    for node in sorted(whole_nodes, key=lambda node: node.get("type") != "core_metadata"):
        kind = text(node.get("type"))
        if kind in ("compel", "sdxl_compel_prompt"):
            role = "negative_prompt" if "negative" in text(node.get("id")) else "positive_prompt"
            found.setdefault(role, node.get("prompt"))
        for name, value in node.items():
            if kind in ("core_metadata", "noise", "denoise_latents", "t2l", "main_model_loader") or (
                kind.endswith("_model_loader") and name == "model"
            ):
                if name in ("id", "type") or value is None:
                    continue
                found.setdefault(name, value)
    return found


def _version_2(said: Mapping[str, Any], raw: str) -> ForeignSettings:
    image = mapping(said.get("image")) or said
    words, negative = _wanted(prompt(image.get("prompt")))
    sampler, schedule = divided(text(first(image, "sampler", "sampler_name")), "")
    return ForeignSettings(
        program=PROGRAM,
        version=text(said.get("app_version"), 100),
        prompt=words,
        negative=negative,
        seed=whole(image.get("seed")),
        steps=whole(image.get("steps"), 1),
        sampler=sampler,
        schedule=schedule,
        guidance=number(image.get("cfg_scale")),
        denoise=number(image.get("strength")),
        width=side(image.get("width")),
        height=side(image.get("height")),
        model=model_name(first(said, "model_weights", "model")),
        model_hash=hexadecimal(said.get("model_hash")),
        raw=raw,
    )


def _dream(said: str) -> ForeignSettings:
    """`"a cat [dog]" -s 50 -S 77 -W 512 -H 512 -C 7.5 -A k_lms`."""
    quoted = re.match(r'\s{0,9}"((?:[^"\\]|\\.){0,20000})"', said)
    line = said[quoted.end() :] if quoted else said
    flags = dict(FLAG.findall(line[:4000]))
    words, negative = _wanted(quoted[1] if quoted else re.split(r"\s-[A-Za-z]\s?[\w.]", said)[0])
    sampler, schedule = divided(text(flags.get("A")), "")
    return ForeignSettings(
        program=PROGRAM,
        prompt=words,
        negative=negative,
        seed=whole(flags.get("S")),
        steps=whole(flags.get("s"), 1),
        sampler=sampler,
        schedule=schedule,
        guidance=number(flags.get("C")),
        denoise=number(flags.get("f")),
        width=side(flags.get("W")),
        height=side(flags.get("H")),
        raw=said,
    )


def _wanted(words: str) -> tuple[str, str]:
    negative = ", ".join(part.strip() for part in UNWANTED.findall(words))
    return text(UNWANTED.sub("", words), LONGEST_PROMPT), text(negative, LONGEST_PROMPT)
