"""The shipped autoencoder made to fit a folder of images, before a network learns in its latents.

It is trained on until its error stops falling, as the images need: drawings like those it knows take seconds. How well it does
is measured on images it does not learn from, where there are enough of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
from diffusion_studio.training.autoencoder.fitting import Fitting, psnr, reconstructed, settle

ROUND = 100  # steps between two measurements
ENOUGH = 0.05  # dB a round; less is not worth its time
PATIENCE = 2  # rounds that gain less, one after the other: a single one is often only noise
COOLING = (
    150  # steps at the end, over which the learning rate falls: the noise of the last steps is averaged out
)
LONGEST = 300.0  # seconds of training, whatever is still gained
MEASURED = 64  # images
COMPARED = 6  # images of those, to show before and after
SETTLING = 256  # images whose latents say the scale
RATE = 3e-4


class Adapted(NamedTuple):
    """The autoencoder after `step` steps, and its PSNR in dB before them and now.

    `images`: a few of those it is measured on, (N, C, S, S) uint8, and what it makes of them: `decoded_before` and `decoded`.
    """

    step: int
    before: float
    now: float
    network: TinyAutoencoder
    images: np.ndarray
    decoded_before: np.ndarray
    decoded: np.ndarray


def adapt(
    network: TinyAutoencoder, images: np.ndarray, *, seed: int, dtype: torch.dtype, longest: float = LONGEST
) -> Iterator[Adapted]:
    """`images` (N, C, S, S) uint8. Yields after every round, and once before the first; the best network comes last.

    `network` itself is left as it is.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    held = max(1, min(MEASURED, len(images) // 5))
    measured = torch.from_numpy(images[order[:held]])
    learned = torch.from_numpy(images[order[held:]] if len(images) > 1 else images)
    before = best = psnr(network, measured)
    kept = deepcopy(network)
    compared = measured[:COMPARED]
    decoded = decoded_before = reconstructed(network, compared)
    yield Adapted(0, before, best, kept, compared.numpy(), decoded_before, decoded)
    work = deepcopy(network).requires_grad_(True)
    fitting = Fitting(work, learned, steps=10**9, seed=seed, rate=RATE, dtype=dtype)
    begun, in_vain, cooling = time.perf_counter(), 0, False
    for fit in fitting.run():
        if fit.step % ROUND and fit.step != fitting.steps:
            continue
        now = psnr(work, measured)
        in_vain = 0 if now - best >= ENOUGH else in_vain + 1
        if now > best:
            best, kept = now, deepcopy(work)
            decoded = reconstructed(kept, compared)
        yield Adapted(fit.step, before, best, kept, compared.numpy(), decoded_before, decoded)
        if not cooling and (in_vain == PATIENCE or time.perf_counter() - begun > longest):
            cooling = True
            fitting.end_in(COOLING)
    kept.requires_grad_(False)
    settle(kept, _some(learned))
    yield Adapted(fit.step, before, best, kept, compared.numpy(), decoded_before, decoded)


def _some(images: Tensor) -> Tensor:
    return images[:: max(1, len(images) // SETTLING)][:SETTLING]
