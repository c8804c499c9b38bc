"""Patches of images to learn from, with their coordinates, mixed with whole images (Wang et al. 2023, Patch Diffusion, alg. 1).

Each step is of one size: whole images half of the time, halves of the side for three tenths and quarters for two. A step of them
costs a quarter and a sixteenth. Whole images alone are generated; the coordinates tell the network what it is looking at.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffusion_studio.diffusion.unet import coordinates
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

SHARES = ((1, 0.5), (2, 0.3), (4, 0.2))  # the side divided by this, and how often
LEAST = 2  # places that are left on the smallest map of a patch


class Patches:
    """Cuts whole batches; a step costs `cost` of one of whole images, on average.

    Raises `UserError` where a network halves images too often for even the largest patch.
    """

    def __init__(self, config: UNetConfig) -> None:
        self.levels = config.space_levels
        side, factor = max(config.sides), config.smallest_factor
        fitting = [
            (part, share)
            for part, share in SHARES
            if side % part == 0 and side // part % factor == 0 and side // part >= LEAST * factor
        ]
        if len(fitting) < 2:
            raise UserError(
                tr("The network halves images of {side} pixels too often for patches of them.", side=side)
            )
        self.parts = [side // part for part, _ in fitting]
        self.ends = torch.tensor([share for _, share in fitting]).cumsum(0)
        self.ends /= self.ends[-1].clone()
        self.cost = sum(share / part**2 for part, share in fitting) / sum(share for _, share in fitting)
        self.places = coordinates(side >> self.levels, side >> self.levels)

    def cut(self, clean: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """A patch of each image (N, C, S, S), all of one size, and where it is (N, 2, s, s) in what the network sees; None for
        whole images."""
        count, side = len(clean), clean.shape[-1]
        size = self.parts[int((torch.rand(1, generator=draw) >= self.ends[:-1]).sum())]
        unit = 1 << self.levels  # bands begin at whole squares
        corners = torch.randint((side - size) // unit + 1, (count, 2), generator=draw)
        if size == side:
            return clean, None
        small = size >> self.levels
        places, patches = (
            clean.new_empty(count, 2, small, small),
            clean.new_empty(*clean.shape[:2], size, size),
        )
        for row, (top, left) in enumerate(corners.tolist()):
            places[row] = self.places[:, top : top + small, left : left + small]
            top, left = unit * top, unit * left
            patches[row] = clean[row, :, top : top + size, left : left + size]
        return patches, places
