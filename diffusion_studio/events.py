"""What a job reports while it works: small, plain, frozen data that any thread, process or line of JSON can carry.

Arrays in events are never changed after they were emitted; those of a preview are made when they are first viewed. Each job
has a union of the events it may report; a `match` over one ends with `case _: assert_never(event)`, so that the type checker
names every place where a new event has to be handled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import to_dict
from diffusion_studio.training_events import (
    AutoencoderAdapted,
    Checked,
    Checking,
    CheckpointSaved,
    DataDiffers,
    Estimated,
    Loss,
    Published,
    Samples,
    SnapshotSaved,
    TrainingStarted,
)

if TYPE_CHECKING:  # the window names events before it loads numpy
    import numpy as np

    from diffusion_studio.pictures.step_views import StepViews

Answer = Literal["keep", "save"]
KEEP: Answer = (
    "keep"  # sent to a generation in answer to a preview: stop here and save the predicted clean images
)
SAVE: Answer = (
    "save"  # sent to a training in answer to any event: write a checkpoint as soon as the step is done
)


def assert_never(event: NoReturn) -> NoReturn:
    """Where no event can arrive: the type checker accepts it only if every member of the union was handled before."""
    raise AssertionError(f"an event that is not handled here: {event!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the job is doing before there is progress to count, for instance loading a model."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A model was loaded ahead of its first generation; this is what it runs on."""

    device: str
    precision: str
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The request as it will be carried out: seed chosen, device and precision resolved."""

    settings: GenerationSettings
    model_title: str
    device: str
    precision: str
    total: int  # steps
    pictures: tuple[int, ...] = (0,)  # places in the batch that the settings describe
    first: int = 0  # the step it begins at, above 0 for a branch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preview:
    """A step for people to see: the images after `index` of `total` steps, at noise level `sigma`; index 0 is the first noise."""

    index: int
    total: int
    sigma: float
    timestep: float
    views: StepViews  # each made when it is first viewed, which for most steps never happens
    seconds: float  # since the work began, the first noise included

    @property
    def denoised(self) -> np.ndarray:
        """(N, H, W, 3) uint8: the predicted clean pictures, x̂0."""
        return self.views.view("denoised")

    @property
    def result(self) -> np.ndarray:
        """(N, H, W, 3) uint8: what is saved of this step, which may take the model much longer than its preview."""
        return self.views.result()

    @property
    def noisy(self) -> np.ndarray:
        """(N, H, W, 3) uint8: the state, x_t."""
        return self.views.view("noisy")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Saved:
    """One finished image. `settings` make this image again by itself: its own seed, count 1."""

    path: Path
    index: int
    settings: GenerationSettings
    picture: np.ndarray  # (H, W, 3) uint8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NotSaved:
    """A finished image that could not be written, so that it can be saved elsewhere."""

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
    stopped_at: int | None = None  # the step it was saved at, if that was not the last


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStarted:
    """A request of the queue begins; `waiting` more come after it."""

    id: str
    settings: GenerationSettings
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEnded:
    """A request of the queue is done, or has failed for `reason`."""

    id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MorphStarted:
    """A morph between seeds as it will be carried out; `facts` are what the metadata of its film says of the model."""

    settings: GenerationSettings  # of its first image
    seeds: tuple[int, ...]
    total: int  # images
    model_title: str
    device: str
    precision: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MorphImage:
    """One image of a morph; `settings` make it again by itself."""

    index: int
    total: int
    settings: GenerationSettings
    picture: np.ndarray  # (H, W, 3) uint8


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareStarted:
    """A comparison as it will be carried out: what all cells share, and in what they differ."""

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
    """The image forming in a cell."""

    column: int
    row: int

    @classmethod
    def of(cls, preview: Preview, column: int, row: int) -> CellPreview:
        values = {item.name: getattr(preview, item.name) for item in dataclasses.fields(preview)}
        return cls(**values, column=column, row=row)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellDone:
    column: int
    row: int
    settings: GenerationSettings
    picture: np.ndarray  # (H, W, 3) uint8
    seconds: float  # since the sampling that made it began
    steps: int  # taken for it alone


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
    frames: int  # different images
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetProgress:
    """How far the sample sheet of a model is: steps done, of how many."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveFrame:
    """An image generated while a control moves; a later request has a larger `number`."""

    number: int
    settings: GenerationSettings  # as carried out: they generate the same image again
    picture: np.ndarray  # (H, W, 3 or 4) uint8
    seconds: float  # of work
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeedImage:
    """The image of request `number`, from 0, of several that were asked for together."""

    number: int
    picture: np.ndarray  # (H, W, 3 or 4) uint8


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimed:
    """What one step of one image of a model takes here."""

    model: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something to read that stops nothing."""

    text: str


WarmUpEvent = Status | Ready | StepTimed
LiveEvent = Status | LiveFrame
SeedEvent = Status | SeedImage
GenerationEvent = Status | Warned | Started | Preview | Saved | NotSaved | SheetSaved | Finished
QueueEvent = GenerationEvent | RequestStarted | RequestEnded
FilmEvent = FilmProgress | FilmSaved
MorphEvent = (
    Status | MorphStarted | Preview | MorphImage | Saved | NotSaved | FilmProgress | FilmSaved | Finished
)
CompareEvent = (
    Status
    | Warned
    | CompareStarted
    | CellStarted
    | CellPreview
    | CellDone
    | CellFailed
    | Saved
    | NotSaved
    | SheetSaved
    | Finished
)
SampleSheetEvent = Status | SheetProgress | SheetSaved
TrainingEvent = (
    Status
    | Warned
    | AutoencoderAdapted
    | TrainingStarted
    | Loss
    | Samples
    | CheckpointSaved
    | SnapshotSaved
    | DataDiffers
    | Published
)
PublishEvent = Status | Warned | Published
EstimateEvent = Status | Estimated
CheckEvent = Status | Checking | Checked
Event = (
    WarmUpEvent
    | LiveEvent
    | SeedEvent
    | QueueEvent
    | FilmEvent
    | MorphEvent
    | CompareEvent
    | SampleSheetEvent
    | TrainingEvent
    | EstimateEvent
    | CheckEvent
)


def as_json(event: Event) -> dict[str, Any]:
    """The event as one JSON object: its name, its plain values; arrays by shape, paths as text."""
    import numpy as np

    from diffusion_studio.pictures.step_views import StepViews

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
