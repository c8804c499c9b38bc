"""Spaces: from an image to the tensor that is walked and back, and what of that tensor is shown on the way.

A space belongs to one size of image. Models of pixels walk the image itself; models of latents walk what an autoencoder makes of
it, show their steps through a cheap preview, and decode the last one. Torch is imported only where there are tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from diffusion_studio.pictures import channels
from diffusion_studio.pictures.pixel_art.palette import median_cut, snapped
from diffusion_studio.pictures.pixel_format import USUAL, PixelFormat

if TYPE_CHECKING:
    from torch import Tensor

LOUDER = 2  # the remaining change is shown this much stronger


class Views(Protocol):
    """What is shown of tensors of a walk, (N, C, h, w), as (N, H, W, 3) uint8, or 4 with alpha. It is small, and outlives its
    model.
    """

    remark: str  # why they are not as they were asked for; "" where they are
    spent: float  # seconds in which a sampling waited for `timely`, where that is not cheap

    def preview(self, x: Tensor) -> np.ndarray:
        """A clean or noisy image, made cheaply."""

    def timely(self, x: Tensor) -> np.ndarray:
        """A clean image for a sampling that waits: as good as there is time for."""

    def detailed(self, x: Tensor) -> np.ndarray:
        """A clean image, as good as it can be shown without the model, for as long as that takes."""

    def noise(self, n: Tensor) -> np.ndarray:
        """Predicted noise, standard normal: grey where it is 0, clipped at 3 standard deviations."""

    def difference(self, a: Tensor, b: Tensor) -> np.ndarray:
        """How far two images are apart, `LOUDER`; black where they are not."""


class Space(Protocol):
    """Between images of one size and the tensor that is walked."""

    sides: tuple[int, int]  # height and width of the image, in pixels
    shape: tuple[int, int, int]  # channels, height and width of what is walked for one image
    exact: bool  # whether a preview of a clean tensor is the image itself
    keeps: bool  # whether what a mask leaves alone is the start image's own pixels already

    @property
    def views(self) -> Views: ...

    def encode(self, picture: np.ndarray, noise: Callable[[], Tensor]) -> Tensor:
        """(H, W, 3 or 4) uint8 -> (C, h, w), or (N, C, h, w) where each image of the batch draws from its own `noise()`."""

    def mask(self, mask: np.ndarray) -> Tensor:
        """(H, W) uint8, 255 where the image is regenerated -> (h, w) in [0, 1], 1 there."""

    def decode(self, x: Tensor) -> np.ndarray:
        """(N, C, h, w) -> (N, H, W, 3) uint8: the image itself. With alpha it is (N, H, W, 4), deep grey (N, H, W, 1) uint16."""


class PixelSpace:
    """The image itself in [-1, 1], a `Space` and its own `Views`. `shape`: (channels, height, width).

    Four channels are RGBA, as images outside have it: colours as they are. `pixels` says whether the network has them so,
    and `colours` (`COLOURS` of the settings) to which those of the finished image are reduced.
    """

    keeps = True
    remark, spent = "", 0.0

    def __init__(
        self,
        shape: tuple[int, int, int],
        device: str = "cpu",
        pixels: PixelFormat = USUAL,
        colours: str = "all",
    ) -> None:
        self.shape, self.device, self.pixels = shape, device, pixels
        self.sides = shape[1:]
        self.colours = colours
        self.exact = not pixels.binary_alpha and pixels.depth == 8 and colours == "all"

    @property
    def views(self) -> PixelSpace:
        return self

    def encode(self, picture: np.ndarray, noise: Callable[[], Tensor]) -> Tensor:
        if self.shape[0] == 4:
            alpha = np.full((*picture.shape[:2], 1), 255, np.uint8)
            picture = picture if picture.shape[2] == 4 else np.concatenate([picture, alpha], axis=2)
            picture = channels.premultiplied(picture) if self.pixels.premultiplied else picture
        else:
            picture = channels.on_white(picture)
        return to_tensor(picture, self.shape[0]).to(self.device)

    def mask(self, mask: np.ndarray) -> Tensor:
        import torch

        return torch.from_numpy(mask.astype(np.float32) / 255).to(self.device)

    def decode(self, x: Tensor) -> np.ndarray:
        if self.pixels.depth == 16:
            return to_uint16(x)
        image = self._image(x, self.pixels.binary_alpha)
        if self.colours == "palette":
            return snapped(image, self.pixels.palette) if self.pixels.palette else image
        if self.colours != "all":
            return np.stack([median_cut(own, int(self.colours)) for own in image])
        return image

    def preview(self, x: Tensor) -> np.ndarray:
        return self._image(x, False)

    timely = detailed = preview

    def _image(self, x: Tensor, binary_alpha: bool) -> np.ndarray:
        image = to_uint8(x)
        if x.shape[1] == 4 and self.pixels.premultiplied:
            image = channels.straight(image, binary=binary_alpha)
        return image

    def noise(self, n: Tensor) -> np.ndarray:
        return to_uint8(n[:, :3] / 3)

    def difference(self, a: Tensor, b: Tensor) -> np.ndarray:
        """The alpha of RGBA counts where it is farther apart than a colour."""
        change = (a - b).abs()
        if change.shape[1] == 4:
            change = change[:, :3].maximum(change[:, 3:])
        return to_uint8(change * LOUDER - 1)


PIXELS = PixelSpace((3, 0, 0))  # the views of pixels, which are those of any size


def to_tensor(picture: np.ndarray, channels: int) -> Tensor:
    """(H, W, 3) uint8 -> (channels, H, W) in [-1, 1]; a grey model sees luminance (ITU-R BT.601)."""
    import torch

    values = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
    if channels == 1:
        return (values * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)
    return values


def to_uint8(pictures: Tensor) -> np.ndarray:
    """(N, C, H, W) in [-1, 1] -> (N, H, W, 3) uint8, rounded to the nearest; one channel becomes grey RGB, four stay four."""
    import torch

    levels = (pictures.detach().float() / 2 + 0.5).clamp(0, 1) * 255
    # on the CPU torch rounds as few as 2,048 numbers on all threads, which then wait for each other
    levels = torch.from_numpy(levels.numpy().round()) if levels.device.type == "cpu" else levels.round()
    levels = levels.to(torch.uint8).permute(0, 2, 3, 1)
    levels = levels.expand(-1, -1, -1, 3) if levels.shape[3] == 1 else levels
    shown: np.ndarray = levels.contiguous().cpu().numpy()
    return shown


def to_uint16(pictures: Tensor) -> np.ndarray:
    """(N, 1, H, W) in [-1, 1] -> (N, H, W, 1) uint16, rounded to the nearest."""
    levels = ((pictures.detach().double().cpu().numpy() / 2 + 0.5).clip(0, 1) * 65535).round()
    return np.ascontiguousarray(levels.astype(np.uint16).transpose(0, 2, 3, 1))
