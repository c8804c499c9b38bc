"""What a training reports while it works, and what is found out before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the window names events before it loads numpy
    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStarted:
    run: Path
    title: str
    device: str
    precision: str
    parameters: int
    pictures: int
    first_step: int
    total: int | None  # steps; None: by time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AutoencoderAdapted:
    """How well the autoencoder encodes and decodes a few images after `step` steps of its own; reported before a run begins.

    Images are (N, H, W, 3 or 4) uint8. Most runs have enough images that none of these is one it learned from.
    """

    step: int
    psnr_before: float  # dB, of more images than these
    psnr: float
    images: np.ndarray
    before: np.ndarray  # decoded by the autoencoder as it is shipped
    now: np.ndarray
    sheet: Path | None = None  # where rows of all three were saved, once there is a folder of the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Training progress; `validation` only where it was measured at this step."""

    step: int
    loss: float  # unweighted, as the validation loss is
    validation: float | None
    learning_rate: float
    pictures_per_second: float
    fraction: float  # 0 to 1 of the way to the end
    time_left: float  # seconds
    by_timestep: tuple[tuple[int, float], ...] = ()  # with `validation`: (timestep, its share of that loss)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Images generated from one fixed noise by the averaged (EMA) and the raw weights."""

    step: int
    ema: np.ndarray  # (N, H, W, 3) uint8
    raw: np.ndarray
    warming_up: bool  # the average still lags behind
    teacher: bool = False  # `raw` is by the teacher of a student


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved:
    step: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSaved:
    """The averaged weights of this step were kept, to choose from afterwards."""

    step: int
    path: Path
    ratio: (
        float | None
    )  # the copy ratio: 1 where images are as new as training images are to one another; None: not measured
    copies: bool  # the images it generates are copies


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmoothingSheet:
    """What a run generates with an EMA of this length, as a sheet (H, W, 3 or 4) uint8 of images of these sides."""

    length: float
    pixels: np.ndarray
    sides: tuple[int, int]  # height and width of an image


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """How many images of a folder have been checked."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDiffers:
    """A run is not resumed because the folder named for it holds other images; `changed_data` would allow them."""

    run: str
    folder: str
    text: str  # how they differ, in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is in a folder of images, as `training.folder_report` found it: plain data, ready for JSON."""

    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """What a training run will take, from a few real steps."""

    step_seconds: float
    total_seconds: float
    steps: int
    memory_bytes: int
    parameters: int
    batch: int
    device: str
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model made of a run, ready to generate with."""

    name: str
    path: Path
    details: Mapping[str, Any] = field(default_factory=dict)
