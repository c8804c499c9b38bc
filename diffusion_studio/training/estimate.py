"""What a training run will take before it is begun: memory from the shapes alone, time from a few real steps."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.events import EstimateEvent, Status
from diffusion_studio.language import tr
from diffusion_studio.machine.devices import DTYPES, choose_device, choose_precision
from diffusion_studio.pictures.channels import COUNTS
from diffusion_studio.pictures.folder_listing import find_pictures, picture_folder
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training import step_times
from diffusion_studio.training.images import OTHER, Pictures
from diffusion_studio.training.provenance import begin
from diffusion_studio.training.step.patches import Patches
from diffusion_studio.training.step.trainer import Trainer
from diffusion_studio.training_events import Estimated

LARGEST_BATCH = {"cpu": 32, "mps": 32, "cuda": 128}
SHARE = 0.5  # of the free memory that an automatic batch may fill
STEPS = 4  # measured, after one that warms up
BYTES_PER_WEIGHT = 4 * 5 + 2  # weight, gradient, two moments, average; and the working copy


def estimate(settings: TrainingSettings) -> Iterator[EstimateEvent]:
    """What these settings take: ends with `Estimated`.

    A step is measured on pictures made of noise, once for its size and this computer. No run is begun.
    """
    device = choose_device(settings.device)
    precision = choose_precision(settings.precision, device)
    yield Status(text=tr("Counting the images…"))
    count, classes = count_pictures(settings)
    stand_in = noise_pictures(settings, classes)
    settings, network, origin = begin(replace(settings, seed=0, name="estimate"), stand_in)
    batch = settings.batch or choose_batch(origin.config, device, precision)
    settings = replace(settings, batch=batch)
    facts: dict[str, Any] = {
        "device": device,
        "precision": precision,
        "size": settings.size,
        "space": origin.config.space,
        "batch": batch,
        "optimizer": settings.optimizer,
        "parameters": count_parameters(origin.config),
    }
    seconds = step_times.recall(**facts)
    if seconds is None:
        trainer = Trainer(
            settings, stand_in, device=device, precision=precision, network=network, schedule=origin.schedule
        )
        trainer.patches = None  # whole images; the others take less time as they have fewer pixels
        seconds = yield from _measure(trainer)
        step_times.remember(seconds, **facts)
    if settings.patches:
        seconds *= Patches(origin.config).cost
    limit = settings.time_limit
    yield Estimated(
        step_seconds=seconds,
        total_seconds=settings.steps * seconds if settings.steps else limit,
        steps=settings.steps or max(1, round(limit / seconds)),
        memory_bytes=memory(origin.config, batch, precision)
        + count * origin.config.channels * settings.size**2,
        parameters=facts["parameters"],
        batch=batch,
        device=device,
        precision=precision,
    )


def _measure(trainer: Trainer) -> Generator[EstimateEvent, None, float]:
    """Seconds of a step: the median of a few, after one that warms up."""
    yield Status(text=tr("Measuring a few steps…"))
    times = []
    with closing(trainer):
        for step in range(1 + STEPS):
            begun = time.perf_counter()
            trainer.step(0.0)
            times.append(time.perf_counter() - begun)
            yield Status(text=tr("Measuring a few steps… {step} of {total}", step=step + 1, total=1 + STEPS))
    return sorted(times[1:])[STEPS // 2]


def count_pictures(settings: TrainingSettings) -> tuple[int, tuple[str, ...]]:
    folder = picture_folder(settings.folder)
    found = [label for _, label in find_pictures(folder)]
    names = tuple(sorted({label or OTHER for label in found}))
    return len(found), names if settings.classes and len(names) > 1 else ()


def noise_pictures(settings: TrainingSettings, classes: tuple[str, ...]) -> Pictures:
    draw = np.random.default_rng(0)
    channels = COUNTS.get(settings.channels, 3)
    images = draw.integers(0, 256, (64, channels, settings.size, settings.size), dtype=np.uint8)
    labels = np.arange(64, dtype=np.int64) % max(1, len(classes))
    return Pictures(images, labels, classes, [str(index) for index in range(64)])


def choose_batch(config: UNetConfig, device: str, precision: str) -> int:
    """The largest power of two up to `LARGEST_BATCH` whose training fits into half of the free memory."""
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else psutil.virtual_memory().available
    sizes = itertools.takewhile(lambda n: n <= LARGEST_BATCH[device], (2**k for k in itertools.count()))
    fitting = [batch for batch in sizes if memory(config, batch, precision) <= free * SHARE]
    return max(fitting, default=1)


def memory(config: UNetConfig, batch: int, precision: str) -> int:
    """Bytes of weights, optimizer and what the backward pass keeps, counted on shapes alone."""
    return count_parameters(config) * BYTES_PER_WEIGHT + activations(config, precision) * batch


def count_parameters(config: UNetConfig) -> int:
    with torch.device("meta"):
        return sum(weight.numel() for weight in UNet(config).parameters())


def activations(config: UNetConfig, precision: str) -> int:
    """Bytes the backward pass keeps for one picture: every tensor autograd saves, each storage once."""
    kept: dict[int, tuple[Tensor, int]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = (tensor, storage.nbytes())
        return tensor

    dtype = DTYPES[precision]
    with torch.device("meta"):
        network = UNet(config).to(dtype)
        weights = {weight.untyped_storage()._cdata for weight in network.parameters()}
        x = torch.zeros(1, config.channels, *config.sides, dtype=dtype)
        timestep = torch.zeros(1)
        labels = torch.zeros(1, dtype=torch.int64) if config.num_class_embeds else None
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(x, timestep, labels)
    return sum(size for key, (_, size) in kept.items() if key not in weights)
