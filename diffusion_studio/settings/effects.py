"""Settings that tell only together with another one: what that is, so that nobody turns a knob that moves nothing unawares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from diffusion_studio.diffusion.names import SAMPLERS
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options

ONLY_WITH = {"eta": "ddim", "churn": "heun"}  # settings that one sampler alone heeds


def _by(sampler: str) -> Callable[[GenerationSettings], bool]:
    return lambda settings: settings.sampler == sampler


# name -> (whether these settings heed it, who heeds it)
HEEDED: dict[str, tuple[Callable[[GenerationSettings], Any], str]] = {
    **{
        name: (_by(sampler), f"the sampler {SAMPLERS[sampler]} heeds it")
        for name, sampler in ONLY_WITH.items()
    },
    "strength": (lambda settings: settings.source, "a start picture heeds it"),
    "resamples": (lambda settings: settings.mask, "a start picture with a mask heeds it"),
    "variation_seed": (
        lambda settings: settings.variation_strength > 0,
        "a variation strength above 0 heeds it",
    ),
}


def unheeded(name: str, drawn: Iterable[GenerationSettings]) -> str:
    """A sentence where none of these settings heeds the one called `name`; "" where one does."""
    heeds, words = HEEDED.get(name, (lambda settings: True, ""))
    if any(heeds(settings) for settings in drawn):
        return ""
    return f"{options(GenerationSettings)[name].label} changes nothing here: only {words}."
