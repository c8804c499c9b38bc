"""From a sampling to what people see of it: previews, a trajectory, and the image at the end. The same for all models."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from diffusion_studio.diffusion.noise import Draw
from diffusion_studio.events import Preview
from diffusion_studio.generation.sampling import DenoisingModel, Sampling, check_finite
from diffusion_studio.generation.trajectory import Start, State, Trajectory, view_of
from diffusion_studio.pictures.step_views import StepViews
from diffusion_studio.settings.branches import parts
from diffusion_studio.settings.generation import GenerationSettings


@torch.inference_mode()
def previews(
    model: DenoisingModel,
    settings: GenerationSettings,
    *,
    source: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    trajectory: Trajectory | None = None,
    start: Start | None = None,
    draws: Sequence[Draw] | None = None,
) -> Iterator[Preview]:
    """As `ImageModel.previews`: the past of a branch first, where it is not there already, then the settings themselves."""
    begun = time.perf_counter()
    pictures = start.pictures if start is not None else tuple(range(settings.count))

    def sampling(own: GenerationSettings) -> Sampling:
        return Sampling(model, own, pictures, source=source, mask=mask, draws=draws)

    for before, step in parts(settings) if start is None else [(start.settings, start.index)]:
        if start is not None and start.settings == before and start.state.index == step:
            break  # it is there already
        past = sampling(before)
        for state in past.states(start):
            yield preview_of(state, time.perf_counter() - begun, past)
            if state.index >= step:
                break
        start = Start(settings=before, state=state, index=state.index, pictures=pictures)
    now = sampling(settings)
    if trajectory is not None:
        trajectory.begin(settings, pictures, now.space.views)
    for state in now.states(start, record=trajectory is not None):
        stops = bool(settings.until) and state.index >= settings.until
        if stops or state.index >= state.total:
            state = now.finish(state)
        if trajectory is not None:
            trajectory.append(state)
        yield preview_of(state, time.perf_counter() - begun, now)
        if stops:
            return


def preview_of(state: State, seconds: float, sampling: Sampling) -> Preview:
    """A step for people to see; its images are made, and found to be finite, when one is first viewed.

    The network's answers were checked already; one more question to the device at each step would only make a graphics
    card wait.
    """
    views = sampling.space.views

    def make(name: str) -> np.ndarray:
        check_finite(state)
        if name == "denoised" and state.picture is None:
            return views.timely(state.denoised)
        return view_of(state, name, views=views)

    def result() -> np.ndarray:
        return sampling.image(state) if state.picture is None else state.picture

    return Preview(
        index=state.index,
        total=state.total,
        sigma=state.sigma,
        timestep=state.timestep,
        views=StepViews(make, result=None if sampling.space.exact else result),
        seconds=seconds,
    )
