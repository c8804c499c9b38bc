"""Settings that have an effect only together with another one, so that people see which changes would do nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from diffusion_studio.diffusion.names import SAMPLERS
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options

ONLY_WITH = {"eta": "ddim", "churn": "heun"}  # settings that one sampler alone uses


def _by(sampler: str) -> Callable[[GenerationSettings], bool]:
    return lambda settings: settings.sampler == sampler


# name -> (whether it has an effect in these settings, with what it has one)
EFFECTIVE: dict[str, tuple[Callable[[GenerationSettings], bool], str]] = {
    **{
        name: (_by(sampler), tr("the sampler {sampler}", sampler=SAMPLERS[sampler]))
        for name, sampler in ONLY_WITH.items()
    },
    "negative": (lambda settings: settings.guidance > 1, tr("a guidance above 1")),
    "strength": (lambda settings: bool(settings.source), tr("a start image")),
    "resamples": (lambda settings: bool(settings.mask), tr("a start image with a mask")),
    "variation_seed": (
        lambda settings: settings.variation_strength > 0,
        tr("a variation strength above 0"),
    ),
}


def ineffective(name: str, requests: Iterable[GenerationSettings]) -> str:
    """A sentence if the setting called `name` has no effect in any of these; "" if it has one."""
    has_effect, needed = EFFECTIVE.get(name, (lambda settings: True, ""))
    if any(has_effect(settings) for settings in requests):
        return ""
    label = options(GenerationSettings)[name].label
    return tr("{label} has no effect here; it has one only with {needed}.", label=label, needed=needed)
