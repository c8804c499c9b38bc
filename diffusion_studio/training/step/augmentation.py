"""Augmentation that does not leak: images are changed in many ways, and the network is given how (Karras et al. 2022, app. F.2).

Given nothing, it generates images that were not changed. Geometry alone: colours are what few images say most about.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LABELS = 7  # numbers: mirrored, upside down, cos - 1 and sin of the rotation, moved across and down, log2 of the scale
FARTHEST = 0.125  # of the side that an image is moved
DEVIATION = 0.2  # of log2 of the scale


def augmented(clean: Tensor, probability: float, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images (N, C, S, S) each changed in some ways, each way with this probability, and how (N, LABELS), zeros where not at all.

    What comes into the image at an edge is its mirror image. Mirroring, rotating and moving keep every pixel as it was.
    """
    count, side = len(clean), clean.shape[-1]
    hits = torch.rand(count, 5, generator=draw) < probability
    turns = torch.randint(1, 4, (count,), generator=draw) * hits[:, 2]
    farthest = round(FARTHEST * side)
    moves = torch.randint(-farthest, farthest + 1, (count, 2), generator=draw) * hits[:, 3:4]
    zooms = DEVIATION * torch.randn(count, generator=draw) * hits[:, 4]
    labels = torch.zeros(count, LABELS)
    labels[:, :2] = hits[:, :2].float()
    angles = turns * (math.pi / 2)
    labels[:, 2], labels[:, 3] = angles.cos().round() - 1, angles.sin().round()
    labels[:, 4:6], labels[:, 6] = moves / side, zooms
    changed = clean.clone()
    for row in hits.any(dim=1).nonzero().flatten().tolist():
        image = clean[row]
        if hits[row, 0]:
            image = image.flip(2)
        if hits[row, 1]:
            image = image.flip(1)
        image = image.rot90(int(turns[row]), (1, 2))
        if hits[row, 3]:
            across, down = moves[row].tolist()
            image = image[:, reflected(side, down)][:, :, reflected(side, across)]
        if hits[row, 4]:
            image = scaled(image, 2.0 ** float(zooms[row]))
        changed[row] = image
    return changed, labels.to(clean.device)


def reflected(side: int, moved: int) -> Tensor:
    """(side,): which row is seen at each place once an image is moved by so many, mirrored beyond its edge."""
    rows = torch.arange(side) - moved
    rows = torch.where(rows < 0, -rows, rows)
    return torch.where(rows > side - 1, 2 * (side - 1) - rows, rows)


def scaled(image: Tensor, factor: float) -> Tensor:
    """(C, S, S) enlarged about its middle, bilinear, mirrored beyond its edge."""
    table = image.new_tensor([[[1 / factor, 0, 0], [0, 1 / factor, 0]]])
    grid = F.affine_grid(table, [1, *image.shape], align_corners=False)
    sampled = F.grid_sample(image[None], grid, padding_mode="reflection", align_corners=False)
    return sampled[0]
