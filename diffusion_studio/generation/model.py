"""What a kind of model is to the jobs: something that turns settings into steps to see, the last of which is the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self

import numpy as np

from diffusion_studio.diffusion.noise import Draw
from diffusion_studio.events import Preview
from diffusion_studio.generation.trajectory import Start, Trajectory
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.generation import GenerationSettings

BROKEN = "The model's answer was not finite, in float32 too: its weights cannot generate with these settings."


class ImageModel(Protocol):
    card: ModelCard
    device: str
    precision: str

    @classmethod
    def open(cls, card: ModelCard, device: str, precision: str) -> Self:
        """The model of a card, its files read. Raises `UserError`."""

    def sides(self, settings: GenerationSettings) -> tuple[int, int]:
        """Height and width of the images that these settings ask for, in pixels."""

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

        `source`, (H, W, 3) uint8 of these `sides`, is the start image, and `mask`, (H, W) uint8, is 255 where it is
        regenerated. A `trajectory` is filled with the steps. `start` resumes from a step of another generation. `draws` is
        the noise of each image, where it is not the settings' own. Raises `UserError`, also for a device that fails.
        """

    def facts(self, settings: GenerationSettings, index: int) -> dict[str, Any]:
        """What the metadata of image `index` says besides the settings."""
