"""The start image as the model sees it: made to fit, noised to a strength, kept outside its mask.

Also the jobs that keep one, load one and generate the noise it gets.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.start.mask import Mask
from diffusion_studio.ui.widgets.schedule_curve import noised

if TYPE_CHECKING:
    from diffusion_studio.diffusion.process import Process

GREY = np.array([0.299, 0.587, 0.114])  # as a grey model is given colours (ITU-R BT.601)


class Kept(NamedTuple):
    """An image that is kept under its hash, and the mask that was asked for with it."""

    digest: str
    pixels: np.ndarray  # (H, W, 3) uint8
    mask: np.ndarray | None = None  # (H, W) uint8
    name: str = ""
    mask_name: str = ""  # of the file it came from


class NoiseDraw(NamedTuple):
    """What decides the noise of a picture."""

    seed: int
    towards: int | None
    strength: float
    shape: tuple[int, int, int]  # channels, height, width
    blend: str = ""


@dataclass
class Levels:
    """Of a model: the process it was trained on, where it is one we know."""

    process: Process | None

    @classmethod
    def of(cls, config: Mapping[str, Any], *, tokens: int = 0, shift: float = 0.0) -> Levels:
        """`tokens`: pixels of an image, and `shift`: the user's, on which a flow's may depend."""
        from diffusion_studio.diffusion.processes import process_from_config

        try:
            return cls(process_from_config(config).at_size(tokens).shifted(shift))
        except (ValueError, KeyError, TypeError):
            return cls(None)  # opening the model says what is wrong with it

    @property
    def shares(self) -> np.ndarray:
        """(T,) what is left of the picture by strength, from 0 to 1."""
        return np.linspace(1, 0, 1000) if self.process is None else self.process.start_share

    def left(self, strength: float) -> float:
        """How much of the image is left at a strength: all at 0, none at 1."""
        if strength in (0, 1) or self.process is None:
            return 1.0 - strength
        return self.process.left(self.process.sigma_of_strength(strength))

    def mix(self, clean: np.ndarray, noise: np.ndarray, strength: float) -> np.ndarray:
        """(H, W, 3) uint8 of a picture in [-1, 1] as it is noised for a strength."""
        from diffusion_studio.diffusion.schedules import SCHEDULES

        return noised(self.process or SCHEDULES["linear"](2), clean, noise, self.left(strength))

    def words(self, strength: float) -> str:
        last = 999.0 if self.process is None else float(self.process.timesteps[-1])
        t = strength * last
        if self.process is not None and 0 < strength < 1:
            t = self.process.timestep(self.process.sigma_of_strength(strength))
        if strength == 0:
            return tr("No noise: the image stays as it is")
        if strength == 1:
            return tr("Full noise: ignores the original")
        noise = 1 - self.left(strength)
        return tr("{noise:.0%} noise (step {t:.0f} of {last:.0f})", noise=noise, t=t, last=last)


class StartPicture:
    """`pixels` (H, W, 3) uint8 as kept, `fitted` (S, S, 3) as a model of S×S pixels sees them, `mask` at those pixels."""

    def __init__(self, digest: str, pixels: np.ndarray, name: str) -> None:
        self.digest, self.pixels, self.name = digest, pixels, name
        self.fitted = pixels
        self.mask = Mask(pixels.shape[0])
        self.noise: np.ndarray | None = None  # (S, S, channels)
        self.channels = 3

    def fit(self, size: int, channels: int) -> None:
        """See it as a model of this size does; the mask goes along."""
        from diffusion_studio.pictures.channels import on_white, with_channels
        from diffusion_studio.pictures.start_pictures import fit

        if self.fitted.shape != (size, size, 4 if channels == 4 else 3):
            seen = fit(self.pixels, size)
            self.fitted = with_channels(seen, 4) if channels == 4 else on_white(seen)
            self.noise = None
        if self.mask.size != size:
            self.mask = self.mask.resized(size)
        if self.noise is not None and self.noise.shape[2] != channels:
            self.noise = None
        self.channels = channels

    def take_mask(self, values: np.ndarray | None) -> None:
        """A mask of any size, cropped and resized as the picture was."""
        from diffusion_studio.pictures.start_pictures import fit_mask

        size = self.fitted.shape[0]
        self.mask = Mask(size, None if values is None else fit_mask(values, size))

    @property
    def words(self) -> str:
        """What was done to it."""
        height, width, _ = self.pixels.shape
        size = self.fitted.shape[0]
        if (height, width) == (size, size):
            return f"{size}×{size}"
        if height != width:
            return tr("cropped and resized to {size}×{size}", size=size)
        return tr("resized to {size}×{size}", size=size)

    def seen(self, levels: Levels, strength: float, *, masked: bool = True) -> np.ndarray:
        """(S, S, 3) uint8: what Generate starts from; with a mask, the kept part as it is."""
        from diffusion_studio.pictures.channels import premultiplied, straight

        if self.noise is None or self.noise.shape[2] not in (self.channels, self.fitted.shape[2]):
            return self.fitted
        clean = (premultiplied(self.fitted) if self.channels == 4 else self.fitted) / 127.5 - 1
        if self.channels == 1:
            clean = (clean @ GREY)[..., None]
        noisy = np.broadcast_to(levels.mix(clean, self.noise, strength), self.fitted.shape)
        noisy = straight(noisy) if self.channels == 4 else noisy
        if not masked or self.mask.empty:
            return np.ascontiguousarray(noisy)
        free = self.mask.soft()[..., None] / 255
        return (free * noisy + (1 - free) * self.fitted).round().astype(np.uint8)


def keep_picture(picture: Path | np.ndarray, name: str) -> Generator[Kept, None, None]:
    """A job: keep a copy of a picture under its hash."""
    from diffusion_studio.pictures.start_pictures import keep, load

    digest = keep(picture, name)
    yield Kept(digest, load(digest))


def load_picture(digest: str, mask: str) -> Generator[Kept, None, None]:
    """A job: a picture that is kept, and its mask, which may be gone."""
    from diffusion_studio.pictures.start_pictures import has, load, load_mask, name_of

    there = bool(mask) and has(mask)
    yield Kept(
        digest,
        load(digest),
        load_mask(mask) if there else None,
        name_of(digest),
        name_of(mask) if there else "",
    )


def draw_noise(draw: NoiseDraw) -> Generator[np.ndarray, None, None]:
    """A job: the noise that Generate makes from this seed, (H, W, channels)."""
    from diffusion_studio.machine.torch_libraries import load_libraries

    load_libraries()
    from diffusion_studio.diffusion.noise import PictureNoise
    from diffusion_studio.generation.sampling import draw_of

    own = GenerationSettings(
        seed=draw.seed, variation_seed=draw.towards, variation_strength=draw.strength, blend=draw.blend
    )
    noise = PictureNoise([draw_of(own, 0)], draw.shape, "cpu")()[0]
    yield noise.permute(1, 2, 0).numpy()
