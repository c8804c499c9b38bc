"""What the jobs that generate share: a model opened by name, an image saved or reported as lost, and the last event."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.errors import UserError
from diffusion_studio.events import Finished, NotSaved, Saved, Status
from diffusion_studio.language import tr
from diffusion_studio.machine.torch_libraries import load_libraries
from diffusion_studio.models import cards
from diffusion_studio.pictures import writing
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.saving import SavingSettings

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.generation.model import ImageModel

CHECKPOINT = "run:"  # before the name of a run and a step, where a model is named


def open_named(settings: GenerationSettings, title: str) -> Generator[Status, None, ImageModel]:
    """Open the model that the settings name, a checkpoint of a run included, on their device and in their precision.

    Torch is imported here, in the thread that iterates the job.
    """
    yield Status(text=tr("Loading {title}…", title=title))
    load_libraries()
    from diffusion_studio.generation.opening import close_models, open_model

    how = {"device": settings.device, "precision": settings.precision}
    if settings.model.startswith(CHECKPOINT):
        from diffusion_studio.training.checkpoint_model import open_checkpoint

        close_models()
        return open_checkpoint(settings.model, **how)
    return open_model(cards.find(settings.model), **how)


def save_image(
    index: int,
    picture: np.ndarray,
    settings: GenerationSettings,
    facts: Mapping[str, Any],
    *,
    folder: Path | None = None,
    saving: SavingSettings | None = None,
) -> Saved | NotSaved:
    """Write one image, (H, W, 3) uint8; an image that cannot be written stops no other."""
    try:
        path = writing.save(picture, settings, facts=facts, folder=folder, saving=saving)
    except UserError as error:
        return NotSaved(index=index, settings=settings, picture=picture, reason=str(error), facts=facts)
    return Saved(path=path, index=index, settings=settings, picture=picture)


def finished(seconds: float, steps: int, stopped_at: int | None = None) -> Finished:
    """The last event of a job that took so many steps in so many seconds."""
    return Finished(
        seconds=seconds, steps_per_second=steps / max(seconds, 1e-9), stopped_at=stopped_at or None
    )
