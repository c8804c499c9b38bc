"""What one page asks of another: each request is a value that `AppContext.go_to` carries to the page it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.distillation import DistilSettings

if TYPE_CHECKING:
    import numpy as np

PageName = Literal["generate", "train", "gallery", "models", "settings"]


@dataclass(frozen=True, slots=True)
class UseSettings:
    """Generate: show these `values`, by name of GenerationSettings, in the panel."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BranchFrom:
    """Generate: branch from the saved image that these `values`, by name of GenerationSettings, generate."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OpenModel:
    """Generate: select the model of this name, from a clean state."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class StartFrom:
    """Generate: use this file, or its pixels (H, W, 3) uint8, as the start image."""

    picture: Path | np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class FineTune:
    """Train: start from this model; `cards` are all models that can be chosen."""

    card: ModelCard
    cards: Sequence[ModelCard]


@dataclass(frozen=True, slots=True)
class MakeFast:
    """Train: begin this distillation, of a model of so many pixels a side."""

    settings: DistilSettings
    size: int


@dataclass(frozen=True, slots=True)
class ResumeRun:
    """Train: resume the run in this folder."""

    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class CutSprites:
    """Train: cut this image, a sheet with a grid as the report on a folder has it, and train on the sprites."""

    path: Path
    sheet: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShowModel:
    """Models: select the model of this name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class InstallTextExtra:
    """Models: install what models that generate from prompts need, with progress, and call `then` once it is there."""

    then: Callable[[], None]


Request = (
    UseSettings
    | BranchFrom
    | OpenModel
    | StartFrom
    | FineTune
    | MakeFast
    | ResumeRun
    | CutSprites
    | ShowModel
    | InstallTextExtra
)
