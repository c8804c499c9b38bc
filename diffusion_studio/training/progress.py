"""How far a training is and how long it will take; its clock counts work alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.records import checkpoints


class WorkClock:
    """Seconds of work between each start and the stop that follows; it is stopped while an event is handled."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        return self._before + (0.0 if self._since is None else time.monotonic() - self._since)

    def stop(self) -> None:
        self._before, self._since = self.seconds, None

    def start(self) -> None:
        self._since = time.monotonic()


class Past(NamedTuple):
    """What was done before a run was resumed, besides the trainer's state: seconds of training, and the latest losses.

    Without those the curve, a mean over them, would jump where a run is resumed.
    """

    seconds: float = 0.0
    losses: tuple[float, ...] = ()

    @classmethod
    def read(cls, checkpoint: Path) -> Past:
        state = checkpoints.read_state(checkpoint)
        return cls(float(state["seconds"]), tuple(state.get("losses", ())))


def seconds_left(
    settings: TrainingSettings, step: int, seconds: float, steps_now: int, seconds_now: float
) -> float:
    """Until the run ends, by the speed since it was resumed: it may have run on a busier machine before.

    `steps_now` and `seconds_now` count since then, `step` and `seconds` from the beginning.
    """
    if settings.steps:
        return max(0, settings.steps - step) * seconds_now / max(steps_now, 1)
    return max(0.0, settings.time_limit - seconds)
