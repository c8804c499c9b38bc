"""What can be requested of a distillation, and what its run remembers of it. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.options import check, option
from diffusion_studio.settings.run_options import (
    autosave_option,
    device_option,
    precision_option,
    sample_every_option,
    seed_option,
)

METHODS = {
    "consistency": tr("Consistency"),
    "progressive": tr("Progressive"),
}
TARGETS = {
    "automatic": tr("Automatic"),
    "images": tr("The images"),
    "teacher": tr("The model's own next step"),
}
DEFAULT_MINUTES = 20.0  # of a distillation that is given neither minutes nor training steps
MOST_STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """What makes a training run one of a student. `steps`: in how many it is to generate; `guidance`: of the teacher in the
    targets; `targets`: one of `TARGETS` but "automatic"; `teacher`: its title; `method`: one of `METHODS`. Raises `UserError`
    for values out of range.
    """

    steps: int = 2
    guidance: float = 1.0
    targets: str = "images"
    teacher: str = ""
    method: str = "consistency"

    @property
    def sampler(self) -> str:
        """By which the student generates."""
        return "consistency" if self.method == "consistency" else "ddim"

    def __post_init__(self) -> None:
        fits = type(self.steps) is int and 1 <= self.steps <= MOST_STEPS
        known = self.targets in TARGETS and self.method in METHODS
        if not fits or not known or not isinstance(self.teacher, str):
            raise UserError(tr("What the run says of its distillation cannot be understood."))
        if type(self.guidance) not in (int, float) or not 0 <= self.guidance <= 20:
            raise UserError(tr("What the run says of its distillation cannot be understood."))


def read_distillation(value: object) -> Distillation | None:
    """From what a run's record says; None for a training of another kind."""
    if value is None or isinstance(value, Distillation):
        return value
    if not isinstance(value, Mapping):
        raise UserError(tr("What the run says of its distillation cannot be understood."))
    known = Distillation.__dataclass_fields__
    return Distillation(**{name: part for name, part in value.items() if name in known})


def to_record(distillation: Distillation) -> dict[str, Any]:
    return asdict(distillation)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilSettings:
    """One distillation: the model to make fast, and how long that may take."""

    model: str = option("", label=tr("Model"), help=tr("the model to make fast; empty: the default one"))
    name: str = option(
        "", label=tr("Name"), help=tr("the name of the fast model; empty: that of the model and “fast”")
    )
    student_steps: int = option(
        2,
        min=1,
        max=MOST_STEPS,
        label=tr("Steps to generate"),
        help=tr("steps in which the fast model is to generate; 1 to 4 are usual"),
    )
    minutes: float = option(
        0.0, min=0.0, max=100_000.0, label=tr("Minutes"), help=tr("time to train; 0: 20 minutes, or by steps")
    )
    steps: int = option(
        0, min=0, max=10_000_000, label=tr("Steps"), help=tr("training steps; 0: use minutes")
    )
    guidance: float = option(
        0.0,
        min=0.0,
        max=20.0,
        label=tr("Guidance"),
        help=tr("guidance of the model that becomes part of the fast one; 0: as the model recommends"),
    )
    folder: str = option(
        "",
        label=tr("Folder"),
        help=tr("the images the model was trained on; empty: those of its run, or images it generates"),
    )
    method: str = option(
        "consistency",
        choices=METHODS,
        more=True,
        label=tr("Method"),
        help=tr(
            "how the fast model learns: that all points of one path lead to one image (consistency), or to take in one step what "
            "took two, halved again and again (progressive), which needs more time and no noise between its steps"
        ),
    )
    targets: str = option(
        "automatic",
        choices=TARGETS,
        more=True,
        label=tr("Targets"),
        help=tr(
            "what the fast model learns to agree with: noisier and cleaner copies of the images (images), or the next step of "
            "the model itself, which takes longer (teacher); automatic: teacher where there is guidance"
        ),
    )
    generated: int = option(
        2000,
        min=16,
        max=100_000,
        more=True,
        label=tr("Generated images"),
        help=tr("how many images the model generates to learn from, where there is no folder"),
    )
    batch: int = option(
        0, min=0, max=1024, more=True, label=tr("Batch"), help=tr("images per training step; 0: automatic")
    )
    learning_rate: float = option(
        0.0,
        min=0.0,
        max=1.0,
        more=True,
        label=tr("Learning rate"),
        help=tr("size of one learning step; 0: automatic"),
    )
    sample_every: float = sample_every_option()
    autosave: float = autosave_option()
    seed: int | None = seed_option()
    precision: str = precision_option()
    device: str = device_option()

    def __post_init__(self) -> None:
        check(self)
        if self.steps and self.minutes:
            raise UserError(
                tr("A distillation ends after steps or after minutes, not both; give one of them.")
            )
