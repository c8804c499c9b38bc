"""A job that makes the first click fast: it imports torch and opens the model while the user looks around."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from ..settings import GenerationSettings


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded, and this is what it runs on."""

    device: str
    precision: str
    threads: int


def warm_up(settings: GenerationSettings) -> Generator[Ready | None, None, None]:
    """Take one step with the model these settings name. Each `None` is a chance to be cancelled."""
    from .. import cards, jobs  # noqa: F401  (jobs: what the click will need)

    card = cards.find(settings.model)
    yield None
    import torch

    yield None
    from ..models import open_model

    model = open_model(card, device=settings.device, precision=settings.precision)
    yield Ready(model.device, model.precision, torch.get_num_threads())
    for _ in model.frames(replace(settings, steps=1, seed=0)):
        yield None
