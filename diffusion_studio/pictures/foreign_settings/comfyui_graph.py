"""A graph of ComfyUI's nodes, followed backwards along its links from the node that samples.

The graph is a stranger's: its links may lead in circles or nowhere, so every walk looks at a node once, and ends.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from diffusion_studio.pictures.foreign_settings.foreign import (
    LONGEST_PROMPT,
    first,
    lora,
    loras,
    mapping,
    model_name,
    text,
    whole,
)
from diffusion_studio.settings.loras import Lora

MOST_NODES, MOST_SAMPLERS = 5000, 40
LONGEST_CHAIN = 32  # nodes a single value is passed through
SEEDS = ("seed", "noise_seed")
FED = (
    "latent_image", "latent", "samples", "optional_latent", "guider", "model", "optional_model", "positive", "pipe",
    "basic_pipe", "sdxl_tuple", "image",
)  # fmt: skip
VALUES = ("value", "Value", "int", "float", "number", "string", "text", "String", "Text", *SEEDS, "", "*")
MODELS = ("ckpt_name", "unet_name", "base_ckpt_name", "gguf_name", "model_name", "diffusion_model", "ckpt")
TEXTS = (
    "text", "text_g", "text_l", "clip_l", "clip_g", "t5xxl", "prompt", "string", "String", "Text", "value", "wildcard_text",
    "string_a", "string_b", "text_a", "text_b", "text_c", "text_d", "text1", "text2", "text_0", "a", "b",
)  # fmt: skip
LORA = re.compile(r"lora(?:_?name)?_?\d{0,3}(?:_name)?")
STRENGTHS = ("strength_model", "lora_strength", "strength", "lora_weight", "model_strength", "weight")


class Graph:
    """Nodes by their id, each {"class_type": …, "inputs": {name: value or [id of a node, its output]}}."""

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        self.nodes = {
            key: node for key, node in nodes.items() if isinstance(node, dict) and "class_type" in node
        }

    def kind(self, key: str) -> str:
        return text(self.nodes[key].get("class_type"))

    def inputs(self, key: str) -> Mapping[str, Any]:
        return mapping(self.nodes[key].get("inputs"))

    def source(self, value: object) -> str | None:
        """The id of the node a value is a link to."""
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int):
            return str(value[0]) if str(value[0]) in self.nodes else None
        return None

    def upstream(self, *starts: str | None) -> Iterator[str]:
        """These nodes and all before them, the nearest first."""
        waiting = deque(dict.fromkeys(filter(None, starts)))
        seen = set(waiting)
        while waiting:
            key = waiting.popleft()
            yield key
            for value in self.inputs(key).values():
                before = self.source(value)
                if before is not None and before not in seen:
                    seen.add(before)
                    waiting.append(before)

    def resolve(self, value: object, *names: str) -> object:
        """What a link brings: the input called so, or what a node of one value holds. None: nothing, or a circle."""
        seen: set[str] = set()
        for _ in range(LONGEST_CHAIN):
            if not isinstance(value, list):
                return value
            key = self.source(value)
            if key is None or key in seen:
                return None
            seen.add(key)
            inputs = self.inputs(key)
            value = first(inputs, *names, *VALUES)
            if value is None and len(inputs) == 1:
                value = next(iter(inputs.values()))
        return None

    def nearest(self, start: str, *names: str) -> object:
        """The value of the first of these inputs, of the node itself or of one before it."""
        for key in self.upstream(start):
            for name in names:
                value = self.resolve(self.inputs(key).get(name), *names)
                if value not in (None, "") and not isinstance(value, list | dict):
                    return value
        return None

    # Finding the sampler ------------------------------------------------------------------------------------------------

    def samplers(self) -> list[str]:
        """The nodes that sample, by what goes into them; the one that all others refine comes first."""
        shaped = [key for key in self.nodes if self._samples(key)]
        fed = [key for key in shaped if any(name in self.inputs(key) for name in FED)]
        found = (fed or shaped)[:MOST_SAMPLERS]
        known = set(found)
        before = {key: sum(other in known for other in self.upstream(key)) for key in found}
        return sorted(found, key=before.__getitem__)

    def _samples(self, key: str) -> bool:
        names = set(self.inputs(key))
        return bool(names & {*SEEDS, "noise"}) and bool(
            names & {"steps", "sigmas", "cfg", "sampler_name", "guider"}
        )

    # What goes into it --------------------------------------------------------------------------------------------------

    def sampler_name(self, sampler: str) -> str:
        """The name chosen, or that of a node which is a sampler by itself, such as SamplerEulerAncestral."""
        inputs = self.inputs(sampler)
        name = text(self.resolve(inputs.get("sampler_name"), "sampler_name", "sampler"))
        name = name or text(self.nearest(sampler, "sampler_name"))
        key = self.source(self.inputs(sampler).get("sampler"))
        own = (
            re.fullmatch(r"Sampler([A-Z]\w{2,40})", self.kind(key)) if key is not None and not name else None
        )
        return own[1] if own else name or text(self.inputs(sampler).get("sampler"))

    def scheduler(self, sampler: str) -> str:
        name = text(self.nearest(sampler, "scheduler"))
        key = self.source(self.inputs(sampler).get("sigmas"))
        own = re.fullmatch(r"(\w{3,40})Scheduler", self.kind(key)) if key is not None and not name else None
        return own[1] if own else name

    def words(self, sampler: str, role: str) -> str:
        """The texts that reach "positive" or "negative", those of several encoders once each."""
        starts: list[object] = []
        for key in self.upstream(sampler):
            inputs = self.inputs(key)
            if role in inputs:
                starts = [inputs[role]]
                break
            if role == "positive" and "conditioning" in inputs and "guider" in self.kind(key).casefold():
                starts = [inputs["conditioning"]]
                break
        found = dict.fromkeys(self._texts(starts, role))
        return text("\n".join(found), LONGEST_PROMPT)

    def _texts(self, starts: list[object], role: str) -> Iterator[str]:
        waiting, seen = starts[::-1], set[str]()
        while waiting:
            value = waiting.pop()
            if isinstance(value, str) and value.strip():
                yield value.strip()
            key = self.source(value)
            if key is not None and key not in seen:
                seen.add(key)
                waiting.extend(self._before(key, role)[::-1])

    def _before(self, key: str, role: str) -> list[object]:
        """The inputs of a node that texts of this role come through."""
        inputs = self.inputs(key)
        if role in inputs:
            return [inputs[role]]
        if f"text_{role}" in inputs:
            return [inputs[f"text_{role}"]]
        if "zeroout" in self.kind(key).casefold():
            return []
        if inputs.get("populated_text"):
            return [inputs["populated_text"]]
        named = [inputs[name] for name in TEXTS if name in inputs]
        joined = [
            value for name, value in inputs.items() if name.lower().startswith(("conditioning", "cond"))
        ]
        if named or joined:
            return [value for value in [*named, *joined] if isinstance(value, str | list)]
        links = [value for value in inputs.values() if self.source(value) is not None]
        return links if len(links) == 1 else []

    def model(self, sampler: str) -> str:
        """Along the model's own links first: an upscaler beside it has a model, too."""
        inputs = self.inputs(sampler)
        start = first(inputs, "model", "optional_model", "guider", "pipe", "basic_pipe", "sdxl_tuple")
        for key in self.upstream(self.source(start), sampler):
            for name in MODELS:
                value = self.resolve(self.inputs(key).get(name), *MODELS)
                value = mapping(value).get("content", value)
                if model_name(value):
                    return model_name(value)
        return ""

    def loras(self, sampler: str) -> tuple[Lora, ...]:
        found: list[Lora | None] = []
        for key in self.upstream(sampler):
            inputs = self.inputs(key)
            for name, value in inputs.items():
                if not LORA.fullmatch(name):
                    continue
                weight = self.resolve(first(inputs, *_weights(name)), *STRENGTHS)
                if isinstance(value, dict):
                    weight = first(value, "strength", "strength_model", "weight")
                    value = value.get("lora") if value.get("on", True) else None
                named = self.resolve(value, name, "lora_name")
                if model_name(named) != "None":
                    found.append(lora(named, weight))
        return loras(found)

    def size(self, sampler: str) -> tuple[int | None, int | None]:
        """Of the latent the walk begins with, else of the nearest node that has one."""
        inputs = self.inputs(sampler)
        start = first(inputs, "latent_image", "latent", "samples", "optional_latent")
        for key in self.upstream(self.source(start), sampler):
            own = self.inputs(key)
            for across, down in (("width", "height"), ("empty_latent_width", "empty_latent_height")):
                width = whole(self.resolve(own.get(across), across), 1, 65_535)
                height = whole(self.resolve(own.get(down), down), 1, 65_535)
                if width and height:
                    return width, height
        return None, None


def _weights(name: str) -> tuple[str, ...]:
    """The inputs that may hold the weight of a LoRA: of one among several, those of its number."""
    numbered = re.search(r"\d{1,3}", name)
    if numbered is None:
        return STRENGTHS
    return tuple(f"{strength}_{numbered[0]}" for strength in (*STRENGTHS, "lora_wt", "model_str"))
