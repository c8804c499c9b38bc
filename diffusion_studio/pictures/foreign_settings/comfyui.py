"""ComfyUI: the graph of nodes that was run (`prompt`), and the one of its editor (`workflow`).

Both are PNG chunks, or are in EXIF after their name and a colon, or as one JSON object in a comment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from diffusion_studio.language import tr
from diffusion_studio.pictures.foreign_settings.a1111 import read_parameters
from diffusion_studio.pictures.foreign_settings.comfyui_graph import MOST_NODES, Graph
from diffusion_studio.pictures.foreign_settings.comfyui_workflow import nodes_of
from diffusion_studio.pictures.foreign_settings.foreign import (
    ForeignSettings,
    load_object,
    number,
    text,
    whole,
)
from diffusion_studio.pictures.foreign_settings.sampler_names import divided
from diffusion_studio.pictures.texts.text_chunks import PictureTexts

PROGRAM = "ComfyUI"
NAMED = re.compile(r"\s{0,9}(prompt|workflow)\s{0,9}:\s{0,9}(?=[{\[\"])", re.IGNORECASE)
COMMENTS = ("parameters", "UserComment", "Comment", "ImageDescription", "XPComment")


def read_comfyui(texts: PictureTexts) -> ForeignSettings | None:
    """The settings of the node that samples first, with what a line of parameters beside the graph says."""
    said = dict(_places(texts))
    run, drawn = load_object(said.get("prompt")), load_object(said.get("workflow"))
    is_run = _is_graph(run)
    is_drawn = isinstance(drawn.get("nodes"), list)
    lost = [name for name in said if name in texts.cut and re.search(r'"(?:class_type|nodes)"', said[name])]
    if not (is_run or is_drawn or lost):
        return None
    raw = "\n\n".join(f"{name}: {said[name]}" for name in ("prompt", "workflow") if name in said)
    if is_run or is_drawn:
        settings = _followed(run if is_run else nodes_of(drawn), raw)
    else:
        reason = tr("Its graph of nodes is longer than 1 MB and was not followed.")
        settings = ForeignSettings(program=PROGRAM, raw=raw, left_out=(reason,))
    line = texts.items.get("parameters") or texts.items.get("UserComment", "")
    beside = read_parameters(line) if line else None
    return settings if beside is None else _completed(beside, settings)


def _places(texts: PictureTexts) -> Iterator[tuple[str, str]]:
    """("prompt" or "workflow", its JSON) of every place; what comes later wins."""
    for place in COMMENTS:
        together = load_object(texts.items.get(place))
        if _is_graph(together):  # as Civitai writes it
            yield "prompt", texts.items[place]
        for name in ("prompt", "workflow"):
            if isinstance(together.get(name), dict | str):
                value = together[name]
                yield name, value if isinstance(value, str) else json.dumps(value)
    for value in texts.items.values():
        named = NAMED.match(value)
        if named:
            yield named[1].lower(), value[named.end() :]
    for name in ("workflow", "prompt"):
        if name in texts.items:
            yield name, texts.items[name]


def _is_graph(value: dict[str, Any]) -> bool:
    return any(isinstance(node, dict) and "class_type" in node for node in value.values())


def _followed(nodes: dict[str, Any], raw: str) -> ForeignSettings:
    if len(nodes) > MOST_NODES:
        reason = tr(
            "Its graph has {count} nodes and was not followed; at most {most_nodes} are.",
            count=len(nodes),
            most_nodes=MOST_NODES,
        )
        return ForeignSettings(program=PROGRAM, raw=raw, left_out=(reason,))
    graph = Graph(nodes)
    samplers = graph.samplers()
    if not samplers:
        return ForeignSettings(
            program=PROGRAM, raw=raw, left_out=(tr("Its graph has no node that samples."),)
        )
    chosen = samplers[0]
    sampler, schedule = divided(graph.sampler_name(chosen), graph.scheduler(chosen))
    width, height = graph.size(chosen)
    kind = text(graph.kind(chosen), 60)
    more = tr(
        "Its graph samples {count} times; these are the settings of the first, {kind}.",
        count=len(samplers),
        kind=kind,
    )
    return ForeignSettings(
        program=PROGRAM,
        prompt=graph.words(chosen, "positive"),
        negative=graph.words(chosen, "negative"),
        seed=whole(graph.nearest(chosen, "seed", "noise_seed")),
        steps=whole(graph.nearest(chosen, "steps"), 1),
        sampler=sampler,
        schedule=schedule,
        guidance=number(graph.nearest(chosen, "cfg", "cfg_scale", "guidance")),
        denoise=number(graph.nearest(chosen, "denoise")),
        width=width,
        height=height,
        model=graph.model(chosen),
        loras=graph.loras(chosen),
        raw=raw,
        left_out=(more,) if len(samplers) > 1 else (),
    )


def _completed(line: ForeignSettings, graph: ForeignSettings) -> ForeignSettings:
    """The line says what was used where the graph only says where it came from."""
    names = [field.name for field in fields(graph) if field.name not in ("program", "raw", "left_out")]
    given = {name: getattr(line, name) for name in names if getattr(line, name) not in (None, "", ())}
    return replace(graph, **given, raw=f"{line.raw}\n\n{graph.raw}")
