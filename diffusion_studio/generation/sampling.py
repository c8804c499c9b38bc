"""One sampling of a model for one request: from the first noise, from a start image, or resumed from a step of another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from diffusion_studio.diffusion import scheduler_config
from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.flow_config import is_flow
from diffusion_studio.diffusion.noise import KNOWN, Draw, PictureNoise
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.resampling import KnownRegion, Legs, legs, remaining, walk
from diffusion_studio.diffusion.sampler_step import Denoise, Sampler
from diffusion_studio.diffusion.schedules import SPACINGS
from diffusion_studio.errors import UserError
from diffusion_studio.generation.model import BROKEN
from diffusion_studio.generation.space import Space
from diffusion_studio.generation.trajectory import Start, State
from diffusion_studio.language import tr
from diffusion_studio.pictures.channels import on_white
from diffusion_studio.settings.blend import read_blend
from diffusion_studio.settings.branches import single
from diffusion_studio.settings.generation import GenerationSettings

# Samplers whose last step may lead to a noise level above 0.
ENDING_ABOVE = ("ddim", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "plms")
SAME_LEVELS = ("steps", "spacing", "shift", "source", "strength", "mask", "resamples")
SAME_NOISE = ("seed", "variation_seed", "variation_strength", "blend")


class DenoisingModel(Protocol):
    """What a sampling needs of its model."""

    device: str

    def space(self, settings: GenerationSettings) -> Space: ...
    def process(self, settings: GenerationSettings) -> Process: ...
    def denoiser(self, settings: GenerationSettings, pictures: Sequence[int]) -> Denoiser: ...
    def sampler_options(self, settings: GenerationSettings) -> dict[str, Any]: ...

    def sampler(self, settings: GenerationSettings, *, whole: bool) -> Sampler:
        """`whole`: nothing is asked or changed between its steps, so that all may be computed before the first is yielded."""


class Sampling:
    """`source`: (H, W, 3) uint8 of the size the settings ask for; `mask`: (H, W) uint8, 255 where the source is regenerated.

    `pictures` are places in the batch the settings describe, `draws` the noise of each, where it is not the settings' own.
    """

    def __init__(
        self,
        model: DenoisingModel,
        settings: GenerationSettings,
        pictures: Sequence[int],
        *,
        source: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        draws: Sequence[Draw] | None = None,
    ) -> None:
        if mask is not None and source is None:
            raise UserError(
                tr("A mask says which area of a start image to regenerate; choose a start image too.")
            )
        self.model, self.settings = model, settings
        self.space = model.space(settings)
        self.schedule = model.process(settings).shifted(settings.shift)
        draws = draws or [draw_of(settings, index) for index in pictures]
        self.noise = PictureNoise(draws, self.space.shape, model.device)
        if source is not None and not self.space.keeps:
            source = on_white(source)
        self.source_picture, self.mask_picture = source, mask
        self.source: Tensor | None = None
        if source is not None and (settings.strength < 1 or mask is not None):
            self.source = self.space.encode(source, self.noise)
        denoiser = model.denoiser(settings, pictures)
        self.options = model.sampler_options(settings)
        if settings.sampler == "ddpm":
            self.options = {**self.options, "spread": denoiser.learned_spread}
        self.denoise: Denoise = denoiser
        self.known: _KnownNoise | None = None
        if mask is not None:
            self.known = _KnownNoise(PictureNoise(draws, self.space.shape, model.device, stream=KNOWN))
            free = self.space.mask(mask)
            self.denoise = KnownRegion(self.denoise, self.source, free, self.known)

    def states(self, start: Start | None = None, *, record: bool = True) -> Iterator[State]:
        """Every step, the last of which holds the result.

        With `record`, each holds the state of the noise (5 KB an image), so that the sampling can be resumed from it.
        """
        if self.known is not None:
            self.known.record = record
        x, levels, first, memory = self._begin() if start is None else self._resume(start)
        if levels[0][0] == 0:  # no step to take: the image as it is
            yield State(first, first, 0.0, 0.0, x, x, None, [], self.noise.state() if record else None)
            return
        whole = not record and start is None and self.source is None and not self.settings.until
        sampler = self.model.sampler(self.settings, whole=whole)
        for step, ahead in walk(
            sampler, self.denoise, x, levels, self.noise, first=first, memory=memory, **self.options
        ):
            yield State(
                index=step.index,
                total=step.total,
                sigma=step.sigma,
                timestep=self.schedule.timestep(step.sigma) if step.sigma else 0.0,
                x=step.x,
                denoised=step.denoised,
                memory=step.memory,
                ahead=ahead,
                random=self.noise.state() if record else None,
                known_random=self.known.before if self.known else None,
                scale=self.schedule.scale(step.sigma),
                noise_share=self.schedule.noise_share(step.sigma),
            )

    def finish(self, state: State) -> State:
        """The same with the image itself, where a preview is not."""
        return state if self.space.exact else replace(state, picture=self.image(state))

    @torch.inference_mode()
    def image(self, state: State) -> np.ndarray:
        """(N, H, W, 3) uint8: the predicted clean images, decoded, and unchanged where a mask says so."""
        check_finite(state)
        picture = self.space.decode(state.denoised)
        if self.mask_picture is None or self.source_picture is None or self.space.keeps:
            return picture
        free = self.mask_picture[..., None].astype(np.float32) / 255
        blended: np.ndarray = (free * picture + (1 - free) * self.source_picture).round().astype(np.uint8)
        return blended

    def _begin(self) -> tuple[Tensor, Legs, int, object]:
        levels, strength = self._levels(), self.settings.strength
        noise = self.noise()
        if self.source is None or strength == 1:
            # the network's first state is pure noise, whatever sigma
            x = noise * self.schedule.spread(levels[0])
            return x, self._legs(levels), 0, None
        if strength == 0:
            return self.source.expand_as(noise), [[0.0]], 0, None
        sigma = self.schedule.sigma_of_strength(strength)
        return self.source + sigma * noise, self._legs(remaining(levels, sigma)), 0, None

    def _resume(self, start: Start) -> tuple[Tensor, Legs, int, object]:
        """What has not changed continues as it would have; a new sampler begins without memory.

        A new seed keeps the predicted clean image and adds fresh noise to it, so that it shows with every sampler.
        """
        state, before = start.state.to(self.model.device), start.settings
        if state.sigma == 0:
            return state.x, [[0.0]], state.index, None
        same = all(getattr(before, name) == getattr(self.settings, name) for name in SAME_LEVELS)
        levels = state.ahead if same else self._legs(remaining(self._levels(), state.sigma))
        if any(getattr(before, name) != getattr(self.settings, name) for name in SAME_NOISE):
            return state.denoised + state.sigma * self.noise(), levels, state.index, None
        self.noise.restore(state.random)
        if self.known is not None and state.known_random is not None:
            self.known.noise.restore(state.known_random)
        kept = (before.sampler, before.churn) == (self.settings.sampler, self.settings.churn)
        return state.x, levels, state.index, state.memory if kept else None

    def _levels(self) -> list[float]:
        return SPACINGS[self.settings.spacing](self.schedule, self.settings.steps)

    def _legs(self, levels: list[float]) -> Legs:
        return legs(levels, self.settings.resamples if self.known is not None else 1)


class _KnownNoise:
    """Noise that, with `record`, remembers its state before the last draw."""

    def __init__(self, noise: PictureNoise) -> None:
        self.noise, self.record = noise, True
        self.before: list[list[Tensor]] | None = None

    def __call__(self) -> Tensor:
        self.before = self.noise.state() if self.record else None
        return self.noise()


def check_finite(state: State) -> None:
    """Raises `UserError` where a step holds no numbers that an image could be made of."""
    if not torch.isfinite(state.denoised).all():
        raise UserError(BROKEN)


def draw_of(settings: GenerationSettings, index: int) -> Draw:
    """The noise of image `index` of a batch."""
    own = single(settings, index)
    blend = read_blend(own.blend)
    corners = () if blend is None else blend.others
    across, down = (0.0, 0.0) if blend is None else (blend.across, blend.down)
    return Draw(own.seed or 0, own.variation_seed, own.variation_strength, corners, across, down)


def sampler_options(process: Process, settings: GenerationSettings) -> dict[str, Any]:
    """What these settings and the model's configuration ask of the sampler they name."""
    config = process.config

    def middle(sigma: float, following: float) -> float:
        return process.sigma_at((process.timestep(sigma) + process.timestep(following)) / 2)

    own: dict[str, dict[str, Any]] = {
        "ddim": {"eta": settings.eta},
        "heun": {"churn": settings.churn, **({"scale": process.scale} if is_flow(config) else {})},
        "plms": {"middle": middle},
    }
    name = settings.sampler
    options = {
        **scheduler_config.sampler_options(config, settings.steps).get(name, {}),
        **own.get(name, {}),
    }
    ends_above = scheduler_config.ends_above_zero(config) and name in ENDING_ABOVE
    return {**options, "ending": float(process.sigma[0])} if ends_above else options
