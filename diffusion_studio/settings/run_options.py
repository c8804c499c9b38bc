"""The options that every kind of run has: a training, and a distillation. Nothing here imports torch."""

from __future__ import annotations

from typing import Any

from diffusion_studio.language import tr
from diffusion_studio.settings.options import DEVICES, LARGEST_SEED, PRECISIONS, option


def autosave_option() -> Any:
    return option(
        120.0,
        min=1.0,
        max=86_400.0,
        more=True,
        label=tr("Autosave"),
        help=tr("seconds of training between checkpoints"),
    )


def sample_every_option() -> Any:
    return option(
        60.0,
        min=0.0,
        max=86_400.0,
        more=True,
        label=tr("Samples every"),
        help=tr("seconds between sheets of samples; 0: none"),
    )


def seed_option() -> Any:
    return option(
        None,
        min=0,
        max=LARGEST_SEED,
        more=True,
        label=tr("Seed"),
        help=tr("the number that all randomness of the run comes from"),
    )


def precision_option() -> Any:
    return option(
        "auto", choices=PRECISIONS, more=True, label=tr("Precision"), help=tr("number format of the network")
    )


def device_option() -> Any:
    return option("auto", choices=DEVICES, more=True, label=tr("Device"), help=tr("where the training runs"))
