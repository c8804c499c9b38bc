"""What a kind of model is to the jobs: something that turns settings into steps to see, the last of which is the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from diffusion_studio.diffusion.noise import Draw
from diffusion_studio.errors import UserError
from diffusion_studio.events import Preview
from diffusion_studio.generation.trajectory import Start, State, Trajectory, view_of
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.pictures.step_views import StepViews
from diffusion_studio.settings.generation import GenerationSettings

BROKEN = "The model's answer was not finite, in float32 too: its weights cannot generate with these settings."


class ImageModel(Protocol):
    card: ModelCard
    device: str
    precision: str
    shape: tuple[int, int, int]  # channels, height, width

    def previews(
        self,
        settings: GenerationSettings,
        *,
        source: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        trajectory: Trajectory | None = None,
        start: Start | None = None,
        draws: Sequence[Draw] | None = None,
    ) -> Iterator[Preview]:
        """One preview a noise level, the last of which is the result; closing it cancels.

        `source`, (H, W, 3) uint8 of the model's size, is the start image, and `mask`, (H, W) uint8, is 255 where it is
        regenerated. A `trajectory` is filled with the steps. `start` resumes from a step of another generation. `draws` is
        the noise of each image, where it is not the settings' own. Raises `UserError`, also for a device that fails.
        """

    def facts(self, settings: GenerationSettings, index: int) -> dict[str, Any]:
        """What the metadata of image `index` says besides the settings."""


def preview_of(state: State, seconds: float) -> Preview:
    """A step for people to see; its images are made, and found to be finite, when one is first viewed.

    The network's answers were checked already; one more question to the device at each step would only make a graphics
    card wait.
    """

    def make(name: str) -> np.ndarray:
        if not torch.isfinite(state.denoised).all():
            raise UserError(BROKEN)
        return view_of(state, name)

    return Preview(
        index=state.index,
        total=state.total,
        sigma=state.sigma,
        timestep=state.timestep,
        views=StepViews(make),
        seconds=seconds,
    )
