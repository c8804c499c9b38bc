"""Load a model before it is asked for, so that the next generation starts at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from diffusion_studio.events import Ready, Status, WarmUpEvent
from diffusion_studio.jobs.shared import open_named
from diffusion_studio.language import tr
from diffusion_studio.machine.torch_libraries import load_libraries
from diffusion_studio.models import cards
from diffusion_studio.settings.generation import GenerationSettings


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
    for _ in model.previews(replace(alone, guidance=settings.guidance, count=settings.count)):
        yield Status(text=tr("{title} is loaded.", title=card.title))
