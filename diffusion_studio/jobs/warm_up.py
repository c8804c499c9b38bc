"""Load a model before it is asked for, so that the next generation starts at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from diffusion_studio.events import Ready, Status, StepTimed, WarmUpEvent
from diffusion_studio.jobs.shared import open_named
from diffusion_studio.language import tr
from diffusion_studio.machine.torch_libraries import load_libraries
from diffusion_studio.models import cards
from diffusion_studio.models.fast import keep_step_seconds, step_seconds
from diffusion_studio.settings.generation import GenerationSettings

LONG = 1.0  # seconds of a first step, above which it is not taken twice


def warm_up(settings: GenerationSettings) -> Iterator[WarmUpEvent]:
    """Import torch, open the model that these settings name and take one step; nothing is saved.

    `Ready` comes when the model is loaded; each `Status` is a chance to cancel.
    """
    card = cards.find(settings.model)
    yield Status(text=tr("Loading {title}…", title=card.title))
    load_libraries()
    import torch  # the longest part, after which it may no longer be wanted

    model = yield from open_named(settings, card.title)
    yield Ready(device=model.device, precision=model.precision, threads=torch.get_num_threads())
    alone = GenerationSettings(steps=1, seed=0, device=settings.device, precision=settings.precision)
    begun = time.perf_counter()
    for _ in model.previews(replace(alone, guidance=settings.guidance, count=settings.count)):
        yield Status(text=tr("{title} is loaded.", title=card.title))
    seconds = time.perf_counter() - begun
    if (
        seconds < LONG
    ):  # the first step chooses the fastest way and makes kernels: a second one says what a step takes
        begun = time.perf_counter()
        for preview in model.previews(replace(alone, guidance=settings.guidance)):
            if preview.index < preview.total:
                continue
            preview.result  # noqa: B018  # made here: a graphics card has answered only then
        seconds = time.perf_counter() - begun
    if step_seconds(card) is None:
        keep_step_seconds(card, seconds)
    yield StepTimed(model=card.name, seconds=step_seconds(card) or seconds)
