"""The families of text models that can be opened: what each is called, which parts it has, how it is best used. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from diffusion_studio.language import plural, tr
from diffusion_studio.storage.places import resource


@dataclass(frozen=True)
class Family:
    """Models with the same parts, which the same adapter opens."""

    name: str
    title: str
    pipeline: str  # the class of diffusers that holds its parts: what KINDS is asked with
    network: str  # the folder of the network that is walked with
    encoders: tuple[str, ...]
    size: int  # pixels of the side it was trained at
    factor: int  # what its sides must be multiples of, in pixels
    sides: tuple[tuple[int, int], ...]  # width, height: those it was trained at
    recommended: Mapping[str, Any] = field(default_factory=dict)
    example: str = "a red fox in the snow, detailed photograph"  # what its samples show
    most_tokens: int = 0  # of a prompt, its chat template included; 0 for any number, read in parts

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.network, "vae", *self.encoders)


_BUCKETS = (  # SDXL was trained at these, width and height (arXiv 2307.01952, appendix I)
    (1024, 1024), (1152, 896), (896, 1152), (1216, 832), (832, 1216), (1344, 768), (768, 1344), (1536, 640), (640, 1536),
)  # fmt: skip
_CLASSIC: Mapping[str, Any] = {"sampler": "dpmpp_2m", "spacing": "karras", "steps": 25, "clipping": "none"}

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            "sd1",
            "Stable Diffusion 1",
            "StableDiffusionPipeline",
            "unet",
            ("text_encoder",),
            512,
            8,
            ((512, 512), (512, 768), (768, 512), (640, 512), (512, 640)),
            {**_CLASSIC, "guidance": 7.5},
        ),
        Family(
            "sd2",
            "Stable Diffusion 2",
            "StableDiffusionPipeline",
            "unet",
            ("text_encoder",),
            768,
            8,
            ((768, 768), (512, 768), (768, 512), (512, 512)),
            {**_CLASSIC, "guidance": 7.5},
        ),
        Family(
            "sdxl",
            "Stable Diffusion XL",
            "StableDiffusionXLPipeline",
            "unet",
            ("text_encoder", "text_encoder_2"),
            1024,
            8,
            _BUCKETS,
            {**_CLASSIC, "guidance": 6.0},
        ),
        Family(
            "z-image",
            "Z-Image",
            "ZImagePipeline",
            "transformer",
            ("text_encoder",),
            1024,
            16,
            ((1024, 1024), (1280, 720), (720, 1280), (1152, 864), (864, 1152)),
            {"sampler": "ddim", "spacing": "trailing", "steps": 9, "guidance": 1.0, "clipping": "none"},
            "A photograph of a red fox that stands in fresh snow and looks into the camera, in soft morning light.",
            most_tokens=512,  # that it was trained on
        ),
    )
}
PREDICTIONS = ("epsilon", "v_prediction", "sample")


@cache
def _templates(family: str) -> str:
    return (resource("text") / f"{family}.json").read_text(encoding="utf-8")


def template(family: str, part: str) -> dict[str, Any]:
    """The configuration of a part of a family as its authors published it; a copy of its own. KeyError where there is none."""
    part_of_it: dict[str, Any] = json.loads(_templates(family))[part]
    return part_of_it


@dataclass(frozen=True)
class Distilled:
    """A form of few steps: how it is sampled, how many steps it is made for, and its side in pixels where it differs."""

    sampler: str
    steps: int
    least: int
    most: int
    size: int = 0


_ADVERSARIAL = Distilled("euler_ancestral", 4, 1, 4)
_KNOWN = {  # word in a name: how it was published to be sampled; the first that is found counts
    "lightning": Distilled("ddim", 4, 2, 8),
    "hyper": Distilled("ddim", 4, 1, 8),
    "lcm": Distilled("consistency", 4, 2, 8),
    "dmd2": Distilled("consistency", 4, 1, 8),
    "turbo": _ADVERSARIAL,
    "schnell": _ADVERSARIAL,
}
_STABILITY = re.compile(
    r"(?<![a-z])sd[ _-]?(xl[ _-]?)?turbo(?![a-z])"
)  # the two that were trained at 512 pixels
_STEPS = re.compile(r"(?<!\d)([1-8])[ _-]?steps?(?![a-z])")


def distilled(*names: str) -> Distilled | None:
    """What a model's names say of the few steps it was distilled to; None where they say nothing."""
    words = " ".join(names).casefold()
    found = next((form for word, form in _KNOWN.items() if word in words), None)
    if found is None:
        return None
    if _STABILITY.search(words):
        return replace(found, size=512)
    said = _STEPS.search(words)
    return replace(found, steps=int(said[1]), least=int(said[1]), most=int(said[1])) if said else found


def recommended(
    family: Family, *names: str, consistent: bool = False, told_guidance: bool = False
) -> dict[str, Any]:
    """The settings to start from with a model of this family that has these names.

    `consistent`: it is a latent consistency model, by its scheduler; `told_guidance`: its network is given the guidance.
    """
    few = distilled(*names)
    own = {"spacing": "trailing", "guidance": 1.0}
    if consistent:
        guidance = 8.0 if told_guidance else 1.0
        return {**family.recommended, **own, "sampler": "consistency", "steps": 4, "guidance": guidance}
    if family.name != "z-image" and few is not None:
        return {**family.recommended, **own, "sampler": few.sampler, "steps": few.steps}
    return dict(family.recommended)


def distilled_remark(few: Distilled) -> str:
    steps = (
        plural("{count} step", "{count} steps", few.least)
        if few.least == few.most
        else tr("{least} to {most} steps", least=few.least, most=few.most)
    )
    return tr(
        "By its name it is a form of few steps: it starts without guidance, where a negative prompt has no effect, and is made "
        "for {steps}.",
        steps=steps,
    )
