"""ComfyUI's other form of a graph, that of its editor: made into the form that is run, for pictures that hold only it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from diffusion_studio.pictures.foreign_settings.foreign import mapping, text

MOST_NODES = 5000
MUTED, BYPASSED = 2, 4
CONTROLS = ("fixed", "increment", "decrement", "randomize")  # the widget after a seed, which is no input
# The order of what is typed into the nodes that matter most; newer files say it themselves.
TYPED: dict[str, tuple[str, ...]] = {
    "KSampler": ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        "add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step",
        "return_with_leftover_noise",
    ),
    "KSampler (Efficient)": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "SamplerCustom": ("add_noise", "noise_seed", "cfg"),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "RandomNoise": ("noise_seed",),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPTextEncode": ("text",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "PrimitiveNode": ("value",),
}  # fmt: skip


def nodes_of(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Node id -> {"class_type", "inputs"} of the nodes that are not muted; those inside sub-graphs, too."""
    found: dict[str, Any] = {}
    definitions = mapping(workflow.get("definitions")).get("subgraphs")
    inner = definitions[:100] if isinstance(definitions, list) else []
    for number, graph in enumerate([workflow, *inner]):
        sources = dict(_links(mapping(graph).get("links")))
        prefix = f"{number}:" if number else ""
        listed = mapping(graph).get("nodes")
        for node in listed[:MOST_NODES] if isinstance(listed, list) else ():
            if isinstance(node, dict) and node.get("mode") != MUTED and len(found) < MOST_NODES:
                inputs = {
                    name: [f"{prefix}{origin}", 0] for name, origin in _linked(node.get("inputs"), sources)
                }
                typed = {} if node.get("mode") == BYPASSED else _typed(node)
                found[f"{prefix}{node.get('id')}"] = {
                    "class_type": text(node.get("type")),
                    "inputs": {**typed, **inputs},
                }
    return found


def _links(listed: object) -> Iterator[tuple[str, str]]:
    """Id of each link and of the node it comes from."""
    for link in listed[: 4 * MOST_NODES] if isinstance(listed, list) else ():
        if isinstance(link, list) and len(link) >= 2:
            yield str(link[0])[:40], str(link[1])[:40]
        elif isinstance(link, dict):
            yield str(link.get("id"))[:40], str(link.get("origin_id"))[:40]


def _linked(listed: object, sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for entry in listed[:500] if isinstance(listed, list) else ():
        link = str(mapping(entry).get("link"))[:40]
        if link in sources:
            yield text(mapping(entry).get("name")), sources[link]


def _typed(node: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed into the node itself, by name."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return dict(values)
    if not isinstance(values, list):
        return {}
    listed = node.get("inputs") if isinstance(node.get("inputs"), list) else []
    named = [text(mapping(entry).get("name")) for entry in listed or () if mapping(entry).get("widget")]
    names = TYPED.get(text(node.get("type")), tuple(named))
    found, place = {}, 0
    for name in names:
        if place >= len(values):
            break
        found[name] = values[place]
        place += 1
        if place < len(values) and values[place] in CONTROLS:
            place += 1
    found.pop("", None)
    return found
