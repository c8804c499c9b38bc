"""One autoencoder learning a set of images: the objective, the steps, and when there is nothing more to gain.

Absolute errors of the image and of its differences between neighbours, at two sizes: squares of errors would blur edges, and
drawings are edges. Latents get a little noise, so that near ones decode alike, and are held near 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion_studio.diffusion.autoencoder import TinyAutoencoder

PATCH = 64  # pixels of a side, at most: the network is made of convolutions, so patches teach whole images
NOISE = 0.05  # of a latent's deviation
SQUARED = 4.0  # weight of squared errors, for absolute ones alone begin by forgetting what is small on an empty ground
HELD = 1e-3  # weight of the latents' mean square
CENTRED = (
    1e-2  # and of the square of each channel's mean: there is no shift between them and what a network sees
)
WARMUP = 100
FASTEST, SLOWEST = 1e-3, 2e-5  # learning rates


class Fit(NamedTuple):
    """Where a training is: after `step` steps, with the smoothed loss of the last ones."""

    step: int
    loss: float


@dataclass
class Fitting:
    """The training of `network` with images (N, C, H, W) uint8, all of one size; what `state` returns resumes it bit for bit."""

    network: TinyAutoencoder
    images: Tensor
    steps: int
    batch: int = 16
    seed: int = 0
    rate: float = FASTEST
    dtype: torch.dtype = torch.bfloat16

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.random = torch.Generator().manual_seed(self.seed)
        self.step, self.loss = 0, math.nan
        self.falls_from = 0  # step from which the learning rate falls

    def run(self) -> Iterator[Fit]:
        """Every step to the last one; closing it stops there."""
        device = next(self.network.parameters()).device
        while self.step < self.steps:
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate()
            images = patches(self.images, self.batch, self.random).to(device)
            with torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32):
                latents = self.network.encoder(images)
                noise = torch.randn(latents.shape, generator=self.random).to(device)
                decoded = self.network.decoder(latents + NOISE * latents.detach().float().std() * noise)
            loss = objective(decoded.float(), images) + HELD * latents.float().square().mean()
            loss = loss + CENTRED * latents.float().mean(dim=(0, 2, 3)).square().mean()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            self.step += 1
            now = float(loss.detach())
            self.loss = now if math.isnan(self.loss) else self.loss + 0.02 * (now - self.loss)
            yield Fit(self.step, self.loss)

    def end_in(self, steps: int) -> None:
        """Let the learning rate fall from now on, and end after so many steps."""
        self.falls_from, self.steps = self.step, self.step + steps

    def _rate(self) -> float:
        """Rises at first, and falls along a cosine to the end."""
        warm = min(1.0, (self.step + 1) / min(WARMUP, 1 + self.steps // 10))
        share = (self.step - self.falls_from) / (self.steps - self.falls_from)
        falling = 0.5 + 0.5 * math.cos(math.pi * share)
        return warm * (SLOWEST + (self.rate - SLOWEST) * falling)

    def state(self) -> dict[str, object]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
            "step": self.step,
            "loss": self.loss,
        }

    def load(self, state: dict[str, object]) -> None:
        self.network.load_state_dict(state["network"])  # type: ignore[arg-type]
        self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self.random.set_state(state["random"])  # type: ignore[arg-type]
        self.step, self.loss = int(state["step"]), float(state["loss"])  # type: ignore[call-overload, arg-type]


def patches(images: Tensor, count: int, random: torch.Generator) -> Tensor:
    """(count, C, side, side) in [-1, 1]: random places of random images, half of them mirrored."""
    side = min(PATCH, *images.shape[2:])
    chosen = torch.randint(len(images), (count,), generator=random).tolist()
    found = []
    for index in chosen:
        top, left, mirrored = (
            int(torch.randint(most, (1,), generator=random))
            for most in (images.shape[2] - side + 1, images.shape[3] - side + 1, 2)
        )
        patch = images[index, :, top : top + side, left : left + side]
        found.append(patch.flip(2) if mirrored else patch)
    return torch.stack(found).float() / 127.5 - 1


def objective(decoded: Tensor, images: Tensor) -> Tensor:
    """The error of pixels and of differences between neighbours, at full and at half size."""
    loss = images.new_zeros(())
    for _ in range(2):
        error = decoded - images
        across, down = error.diff(dim=3), error.diff(dim=2)
        loss = loss + SQUARED * error.square().mean()
        loss = loss + error.abs().mean() + across.abs().mean() + down.abs().mean()
        decoded, images = F.avg_pool2d(decoded, 2), F.avg_pool2d(images, 2)
    return loss


@torch.inference_mode()
def psnr(network: TinyAutoencoder, images: Tensor, batch: int = 8) -> float:
    """Peak signal-to-noise ratio in dB of images (N, C, H, W) uint8 encoded and decoded, over all of them together."""
    device = next(network.parameters()).device
    error = 0.0
    for part in images.split(batch):
        clean = part.to(device).float() / 127.5 - 1
        decoded = network.decode(network.encode(clean)).clamp(-1, 1)
        error += float((decoded - clean).square().sum())
    mean = error / images.numel() / 4  # of levels from 0 to 1
    return -10 * math.log10(max(mean, 1e-12))


@torch.inference_mode()
def reconstructed(network: TinyAutoencoder, images: Tensor) -> np.ndarray:
    """Images (N, C, H, W) uint8 encoded and decoded, of the same shape and type."""
    device = next(network.parameters()).device
    decoded = network.decode(network.encode(images.to(device).float() / 127.5 - 1)).clamp(-1, 1)
    return ((decoded + 1) * 127.5).round().to("cpu", torch.uint8).numpy()


@torch.inference_mode()
def settle(network: TinyAutoencoder, images: Tensor, batch: int = 8) -> None:
    """Set the scale that gives the latents of these images mean square 1."""
    device = next(network.parameters()).device
    raw = torch.cat(
        [network.encoder(part.to(device).float() / 127.5 - 1).cpu() for part in images.split(batch)]
    )
    network.config = replace(network.config, scale=1 / max(float(raw.square().mean().sqrt()), 1e-6))
