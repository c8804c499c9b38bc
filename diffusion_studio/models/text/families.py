"""The families of text models that can be opened: what each is called, which parts it has, how it is best used. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from diffusion_studio.language import tr
from diffusion_studio.storage.places import resource

# Words in a file's name or title that say it needs few steps and no guidance, whatever its shapes.
FEW_STEPS = ("turbo", "lightning", "hyper", "lcm", "dmd2", "schnell")
DISTILLED: Mapping[str, Any] = {
    "sampler": "euler_ancestral",
    "spacing": "trailing",
    "steps": 4,
    "guidance": 1.0,
}


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
        ),
    )
}
PREDICTIONS = ("epsilon", "v_prediction")


@cache
def _templates(family: str) -> str:
    return (resource("text") / f"{family}.json").read_text(encoding="utf-8")


def template(family: str, part: str) -> dict[str, Any]:
    """The configuration of a part of a family as its authors published it; a copy of its own. KeyError where there is none."""
    part_of_it: dict[str, Any] = json.loads(_templates(family))[part]
    return part_of_it


def few_steps(*names: str) -> bool:
    """Whether a model's names say that it is distilled to a few steps."""
    words = " ".join(names).casefold()
    return any(word in words for word in FEW_STEPS)


def recommended(
    family: Family, *names: str, consistent: bool = False, told_guidance: bool = False
) -> dict[str, Any]:
    """The settings to start from with a model of this family that has these names.

    `consistent`: it is a latent consistency model, by its scheduler; `told_guidance`: its network is given the guidance.
    """
    if consistent:
        guidance = 8.0 if told_guidance else 1.0
        return {**family.recommended, **DISTILLED, "sampler": "consistency", "guidance": guidance}
    if family.name != "z-image" and few_steps(*names):
        return {**family.recommended, **DISTILLED}
    return dict(family.recommended)


def distilled_remark() -> str:
    return tr("By its name it is a form of few steps: it starts from 4 steps without guidance.")
