"""Where all randomness of a picture comes from: one generator a picture, on the CPU, or several of them blended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

KNOWN = 2**32  # added to a seed: a stream no user's seed names, for the noise on a known region


class Draw(NamedTuple):
    """Which noise a picture is drawn from: a seed's, or that seed's turned towards another's. `strength` in [0, 1].

    With `corners`, three more seeds, the first is that of a place in a square: `across` and `down` in [0, 1] from its own
    corner towards the ones at the right, below and below right.
    """

    seed: int
    towards: int | None = None
    strength: float = 0.0
    corners: tuple[int, ...] = ()
    across: float = 0.0
    down: float = 0.0


class PictureNoise:
    """Standard normals by picture, so that a seed means the same in any batch and on every device.

    `state()` is where the streams are, `restore()` takes them back there. Tensors are (N, *shape), float32.
    """

    def __init__(
        self, draws: Sequence[Draw], shape: tuple[int, ...], device: str, *, stream: int = 0
    ) -> None:
        self.shape, self.device = shape, device
        self.streams = [_Stream(draw, stream) for draw in draws]

    def __call__(self) -> Tensor:
        drawn = torch.stack([stream.draw(self.shape) for stream in self.streams])
        if torch.device(self.device).type != "cuda":
            return drawn.to(self.device)
        return drawn.pin_memory().to(self.device, non_blocking=True)  # the card need not be done before

    def state(self) -> list[list[Tensor]]:
        """The random state of every image's generators, each (K,) uint8 as torch keeps it."""
        return [[generator.get_state() for generator in stream.generators] for stream in self.streams]

    def restore(self, state: list[list[Tensor]]) -> None:
        """Continue from what `state` returned, each (K,) uint8."""
        for stream, states in zip(self.streams, state, strict=True):
            for generator, saved in zip(stream.generators, states, strict=True):
                generator.set_state(saved)


class _Stream:
    def __init__(self, draw: Draw, stream: int) -> None:
        blended = draw.towards is not None and draw.strength > 0
        seeds = [draw.seed, *draw.corners, *([draw.towards] if blended else [])]
        self.generators = [torch.Generator().manual_seed((seed or 0) + stream) for seed in seeds]
        self.draw_of, self.blended = draw, blended

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        drawn = [torch.randn(shape, generator=generator) for generator in self.generators]
        own, noise = self.draw_of, drawn[0]
        if own.corners:
            above, below = (slerp(left, right, own.across) for left, right in (drawn[0:2], drawn[2:4]))
            noise = slerp(above, below, own.down)
        return slerp(noise, drawn[-1], own.strength) if self.blended else noise


def slerp(a: Tensor, b: Tensor, strength: float) -> Tensor:
    """From a (0) to b (1) on the arc between their directions (Shoemake 1985): noise in between keeps the length of noise.

    Exactly a at 0 and b at 1; where they point the same way, a straight line.
    """
    if strength in (0, 1):
        return b if strength else a
    cosine = torch.dot(a.flatten(), b.flatten()) / (a.norm() * b.norm()).clamp(min=1e-12)
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle.sin() < 1e-4:
        return torch.lerp(a, b, strength)
    return (torch.sin((1 - strength) * angle) * a + torch.sin(strength * angle) * b) / angle.sin()
