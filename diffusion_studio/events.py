"""What a job says while it works: small, plain, frozen data that any thread, process or line of JSON can carry.

Arrays in events are never changed after they were emitted; those of a preview are made when they are first looked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_studio.pictures.step_views import StepViews
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import to_dict

KEEP = "keep"  # sent to a generation in answer to any of its previews: stop here, and save the predicted clean pictures
SAVE = "save"  # sent to a training in answer to any of its events: a checkpoint, please, as soon as the step is done


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the job is doing before there is progress to count, for instance loading a model."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A model was loaded ahead of its first generation, and this is what it runs on."""

    device: str
    precision: str
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The request as it will be carried out: seed drawn, device and precision resolved."""

    settings: GenerationSettings
    model_title: str
    device: str
    precision: str
    total: int  # steps
    pictures: tuple[int, ...] = (0,)  # places in the batch that the settings describe
    first: int = 0  # the step it begins at: a branch goes on


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preview:
    """The pictures after `index` of `total` steps, at noise level `sigma`; index 0 is the first noise."""

    index: int
    total: int
    sigma: float
    timestep: float
    views: StepViews  # each made when it is looked at, which for most steps nobody does
    seconds: float  # since the first step began

    @property
    def denoised(self) -> np.ndarray:
        """(N, H, W, 3) uint8: the predicted clean pictures, x̂0."""
        return self.views.view("denoised")

    @property
    def noisy(self) -> np.ndarray:
        """(N, H, W, 3) uint8: the state, x_t."""
        return self.views.view("noisy")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Saved:
    """One finished picture. `settings` make this picture again by itself: its own seed, count 1."""

    path: Path
    index: int
    settings: GenerationSettings
    picture: np.ndarray  # (H, W, 3) uint8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NotSaved:
    """A finished picture that could not be written, so that it can be saved elsewhere."""

    index: int
    settings: GenerationSettings
    picture: np.ndarray
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)  # what else its file would have said


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetSaved:
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last event of a generation that was not cancelled."""

    seconds: float
    steps_per_second: float
    stopped_at: int | None = None  # the step it was kept at, where that was not the last


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkStarted:
    """A walk from seed to seed as it will be carried out."""

    settings: GenerationSettings  # of its first picture
    seeds: tuple[int, ...]
    total: int  # pictures
    model_title: str
    device: str
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WalkDrawn:
    """One picture of a walk; `settings` make it again by itself."""

    index: int
    total: int
    settings: GenerationSettings
    picture: np.ndarray  # (H, W, 3) uint8


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareStarted:
    """A comparison as it will be carried out: what all cells share, and along what they differ."""

    settings: GenerationSettings
    axes: tuple[Mapping[str, Any], ...]  # {"setting", "values"} from left to right, and from top to bottom
    columns: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStarted:
    column: int
    row: int
    settings: GenerationSettings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellPreview(Preview):
    """The picture forming in a cell."""

    column: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellDone:
    column: int
    row: int
    settings: GenerationSettings
    picture: np.ndarray  # (H, W, 3) uint8
    seconds: float  # since the walk that drew it began
    steps: int  # walked for it alone


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFailed:
    column: int
    row: int
    settings: GenerationSettings
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmProgress:
    """Frames written, of how many."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmSaved:
    path: Path
    frames: int  # different pictures
    seconds: float


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Training progress; `validation` only where it was measured at this step."""

    step: int
    loss: float  # without weights, as the validation is
    validation: float | None
    learning_rate: float
    pictures_per_second: float
    fraction: float  # 0 to 1 of the way to the end
    time_left: float  # seconds
    by_timestep: tuple[tuple[int, float], ...] = ()  # with `validation`: (timestep, its share of that loss)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Pictures drawn from one fixed noise by the averaged (EMA) and the raw weights."""

    step: int
    ema: np.ndarray  # (N, H, W, 3) uint8
    raw: np.ndarray
    warming_up: bool  # the average still remembers where it started


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved:
    step: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something the user should read, that stops nothing."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """How far the look at a folder of pictures has come."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDiffers:
    """A run is not resumed: the folder named for it holds other pictures. `changed_data` would allow them."""

    run: str
    folder: str
    text: str  # how they differ, in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is in a folder of pictures: `training.folder_report.Report` as plain data, ready for JSON."""

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
    """The finished model, ready in the chooser."""

    name: str
    path: Path
    details: Mapping[str, Any] = field(default_factory=dict)


def as_json(event: Any) -> dict[str, Any]:
    """The event as one JSON object: its name, its plain values; arrays by shape, paths as text."""
    result: dict[str, Any] = {"event": _snake(type(event).__name__)}
    for item in dataclasses.fields(event):
        value = getattr(event, item.name)
        if isinstance(value, np.ndarray):
            result[item.name] = {"shape": list(value.shape)}
        elif isinstance(value, StepViews):
            result.update({name: {"shape": list(value.view(name).shape)} for name in ("denoised", "noisy")})
        elif isinstance(value, Path):
            result[item.name] = str(value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            result[item.name] = to_dict(value)
        else:
            result[item.name] = dict(value) if isinstance(value, Mapping) else value
    return result


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
