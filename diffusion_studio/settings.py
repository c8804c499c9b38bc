"""What can be asked for: one frozen dataclass per kind of work, one line per option.

The window's form, the command line, the metadata in a picture and the saved preferences are all made from these
fields, and all of them are checked by the same `__post_init__`. Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .diffusion.names import CLIPPINGS, PREDICTIONS, SAMPLERS, SCHEDULES, SPACINGS
from .errors import UserError

DEVICES = {"auto": "Automatic", "cpu": "CPU", "cuda": "CUDA", "mps": "Apple GPU (MPS)"}
PRECISIONS = {"auto": "Automatic", "float32": "float32", "bfloat16": "bfloat16", "float16": "float16"}
FITS = {"crop": "Crop to the middle", "pad": "Whole, on white"}
MODEL_SIZES = {"small": "Small", "medium": "Medium", "large": "Large"}
LARGEST_SEED = 2**32 - 1  # fits every generator in use elsewhere, and a spin box of doubles


@dataclass(frozen=True, slots=True)
class Option:
    """Everything a form, a parser and a check need to know of one setting."""

    label: str
    help: str
    min: float | None = None
    max: float | None = None
    choices: Mapping[str, str] | None = None  # value -> what the user reads
    more: bool = False  # belongs under "More" in the window
    flag: str | None = None  # command-line name where it differs from the field's


def option(default: Any, *, label: str, help: str, **facts: Any) -> Any:
    return field(default=default, metadata={"option": Option(label, help, **facts)})


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings:
    """One request for pictures. `seed` None means: draw one, and say which."""

    model: str = option("", label="Model", help="the model that draws; empty: the default one")
    steps: int = option(
        20,
        min=1,
        max=1000,
        label="Steps",
        help="noise levels visited on the way to the picture: few is fast, many is exact",
    )
    seed: int | None = option(
        None,
        min=0,
        max=LARGEST_SEED,
        label="Seed",
        help="the number the noise is drawn from: the same seed, the same picture",
    )
    sampler: str = option(
        "dpmpp_2m", choices=SAMPLERS, label="Sampler", help="how to walk from one noise level to the next"
    )
    spacing: str = option(
        "trailing",
        choices=SPACINGS,
        label="Noise schedule",
        help="which noise levels the steps visit, from pure noise down to none",
    )
    class_label: str = option(
        "", label="Class", flag="class", help="what to draw, for a model that knows classes; empty: anything"
    )
    guidance: float = option(
        1.0,
        min=0.0,
        max=20.0,
        label="Guidance",
        help="how strongly the class is obeyed (classifier-free guidance); 1: as trained, 2 to 4: clearer, less varied",
    )
    count: int = option(
        1, min=1, max=64, label="Count", help="how many pictures; picture k uses the seed plus k"
    )
    eta: float = option(
        0.0,
        min=0.0,
        max=1.0,
        more=True,
        label="Eta",
        help="fresh noise added at each step of DDIM: 0 none (deterministic), 1 as much as DDPM",
    )
    churn: float = option(
        0.0,
        min=0.0,
        max=100.0,
        more=True,
        label="Churn",
        help="noise added and removed again by Heun over the whole run (S_churn of Karras et al. 2022)",
    )
    clipping: str = option(
        "range",
        choices=CLIPPINGS,
        more=True,
        label="Clipping",
        help="how the predicted clean picture is kept inside the range of colours at every step",
    )
    precision: str = option(
        "auto",
        choices=PRECISIONS,
        more=True,
        label="Precision",
        help="number format of the network; automatic: bfloat16 where faster",
    )
    device: str = option("auto", choices=DEVICES, more=True, label="Device", help="where the network runs")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """One training run. Exactly one of `steps` and `minutes` ends it (both 0: 10 minutes)."""

    folder: str = option("", label="Folder", help="the pictures to learn from; sub-folders become classes")
    name: str = option("", label="Name", help="what the model will be called")
    size: int = option(
        32, min=8, max=256, label="Size", help="side of the pictures the model draws, in pixels"
    )
    steps: int = option(
        0, min=0, max=10_000_000, more=True, label="Steps", help="training steps; 0: use minutes"
    )
    minutes: float = option(0.0, min=0.0, max=100_000.0, label="Minutes", help="time to train; 0: use steps")
    batch: int = option(
        0,
        min=0,
        max=1024,
        more=True,
        label="Batch",
        help="pictures per training step; 0: as many as fit, at most 32",
    )
    model_size: str = option(
        "small", choices=MODEL_SIZES, label="Model size", help="how large a network to train"
    )
    schedule: str = option(
        "cosine",
        choices=SCHEDULES,
        more=True,
        label="Training schedule",
        help="how fast the forward process drowns a picture in noise",
    )
    prediction: str = option(
        "v_prediction",
        choices=PREDICTIONS,
        more=True,
        label="Prediction",
        help="what the network learns to answer",
    )
    timesteps: int = option(
        1000, min=10, max=10_000, more=True, label="Timesteps", help="steps of the forward process"
    )
    learning_rate: float = option(
        4e-4, min=1e-7, max=1.0, more=True, label="Learning rate", help="size of one learning step"
    )
    warmup: int = option(
        250, min=0, max=100_000, more=True, label="Warm-up", help="steps until the full learning rate"
    )
    ema: float = option(
        0.9995,
        min=0.0,
        max=0.99999,
        more=True,
        label="EMA",
        help="memory of the averaged weights that draw the samples",
    )
    min_snr: float = option(
        5.0,
        min=0.0,
        max=100.0,
        more=True,
        label="Min-SNR gamma",
        help="evens out the noise levels' share in the loss; 0: off",
    )
    label_dropout: float = option(
        0.1,
        min=0.0,
        max=1.0,
        more=True,
        label="Label dropout",
        help="share of pictures shown without their class, for guidance",
    )
    fit: str = option(
        "crop", choices=FITS, more=True, label="Fit", help="how a picture that is not square becomes one"
    )
    flip: bool = option(True, label="Mirror", help="show each picture mirrored half of the time")
    classes: bool = option(True, label="Classes", help="learn sub-folders as classes")
    clip_norm: float = option(
        1.0, min=0.0, max=1000.0, more=True, label="Gradient clipping", help="largest gradient norm; 0: off"
    )
    validation: float = option(
        0.05,
        min=0.0,
        max=0.5,
        more=True,
        label="Validation share",
        help="share of the pictures held out to measure the loss",
    )
    seed: int | None = option(
        None,
        min=0,
        max=LARGEST_SEED,
        more=True,
        label="Seed",
        help="the number all randomness of the run is drawn from",
    )
    autosave: float = option(
        120.0,
        min=1.0,
        max=86_400.0,
        more=True,
        label="Autosave",
        help="seconds of training between two checkpoints",
    )
    autosave_steps: int = option(
        0,
        min=0,
        max=10_000_000,
        more=True,
        label="Autosave steps",
        help="steps after which a checkpoint is due as well; 0: by time only",
    )
    sample_every: float = option(
        60.0,
        min=0.0,
        max=86_400.0,
        more=True,
        label="Samples every",
        help="seconds between two sheets of samples; 0: none",
    )
    precision: str = option(
        "auto", choices=PRECISIONS, more=True, label="Precision", help="number format of the network"
    )
    device: str = option("auto", choices=DEVICES, more=True, label="Device", help="where the training runs")
    start_from: str = option(
        "",
        more=True,
        label="Start from",
        flag="from",
        help="an installed model to go on from instead of from scratch",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.steps and self.minutes:
            raise UserError("A training run ends after steps or after minutes, not both: give one of them.")


Settings = GenerationSettings | TrainingSettings


@cache
def options(kind: type) -> dict[str, Option]:
    """The options of a settings class by field name, in order."""
    return {f.name: f.metadata["option"] for f in dataclasses.fields(kind)}


@cache
def value_types(kind: type) -> dict[str, tuple[type, bool]]:
    """Field name -> (plain type, whether None is allowed)."""
    result = {}
    for name, hint in typing.get_type_hints(kind).items():
        parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        plain = next(part for part in parts if part is not type(None))
        result[name] = (plain, type(None) in parts)
    return result


def check(settings: Any) -> None:
    """Raise `UserError` naming the first option whose type, range or choice is wrong; ints given for floats are converted."""
    owner: type = type(settings)
    for name, (kind, optional) in value_types(owner).items():
        value, facts = getattr(settings, name), options(owner)[name]
        if value is None and optional:
            continue
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            with suppress(OverflowError):  # a whole number no float can hold is refused below
                value = float(value)
                object.__setattr__(settings, name, value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise UserError(f"{facts.label} must be {_kind_name(kind)}, not {_short(repr(value))}.")
        if facts.choices is not None and value not in facts.choices:
            raise UserError(
                f"{facts.label} “{_short(value)}” is not known; choose one of: {', '.join(facts.choices)}."
            )
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            _check_range(facts, value)


def _check_range(facts: Option, value: float) -> None:
    low, high = facts.min, facts.max
    finite = isinstance(value, int) or math.isfinite(value)  # a whole number may be too large to ask that of
    if not finite or (low is not None and value < low) or (high is not None and value > high):
        raise UserError(
            f"{facts.label} must be between {show_number(low)} and {show_number(high)}, not {show_number(value)}."
        )


def show_number(value: float | None) -> str:
    """Whole numbers with all their digits, as long as that can be read."""
    return _short(value) if isinstance(value, int) or value is None else f"{value:g}"


def _kind_name(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "text", bool: "yes or no"}[kind]


def _short(text: object, length: int = 60) -> str:
    string = str(text)
    return string if len(string) <= length else string[: length - 1] + "…"


def to_dict(settings: Any) -> dict[str, Any]:
    return dataclasses.asdict(settings)


def from_dict(kind: type, values: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Settings from foreign data: each bad or unknown value falls back by itself; the second result says which, and why."""
    known, refused = options(kind), []
    good: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            refused.append(f"“{_short(name)}” is not a setting.")
            continue
        try:
            kind(**{name: value})
        except UserError as error:
            refused.append(str(error))
        else:
            good[name] = value
    return kind(**good), refused


def changed(settings: Any) -> dict[str, Any]:
    """Only what differs from the defaults: what preferences and command lines need to say."""
    defaults = type(settings)()
    return {k: v for k, v in to_dict(settings).items() if v != getattr(defaults, k)}
