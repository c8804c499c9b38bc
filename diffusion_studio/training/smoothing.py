"""What a run generates with an average of another length: a few images of fixed seeds, so that two lengths can be compared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from diffusion_studio.events import SheetProgress
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training import averages
from diffusion_studio.training.publish import samples_of
from diffusion_studio.training.recommendation import brief
from diffusion_studio.training.records import runs
from diffusion_studio.training.sample_pictures import sheet
from diffusion_studio.training_events import SmoothingSheet

COUNT, OF_LARGE, LARGE = 8, 4, 96  # images; of that side or more fewer, for the time they take


def sample_sheet(name: str, length: float) -> Iterator[SheetProgress | SmoothingSheet]:
    """Images of the seeds from 0 on, with the EMA of this length; ends with `SmoothingSheet`. Closing it cancels.

    Raises `UserError` for a run that kept nothing to make it from, or a length out of range.
    """
    run = runs.find(name)
    average = averages.of_length(run, length)
    settings, _ = from_dict(TrainingSettings, run.facts.get("settings", {}))
    count = OF_LARGE if settings.size >= LARGE else COUNT
    pictures = np.zeros((0, 0, 0, 3), np.uint8)
    how = brief(settings, average.origin.scheduler)
    for done, made in enumerate(samples_of(run, average.network, average.origin, settings, how, count)):
        if made is not None:
            pictures = made
        yield SheetProgress(done=min(done + 1, how.steps), total=how.steps)
    yield SmoothingSheet(length=length, pixels=sheet(pictures, columns=4), sides=pictures.shape[1:3])
