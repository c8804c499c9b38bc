"""The jobs around a training: estimate it, run it, and make a model of it.

Torch is imported when a job starts to run, in the thread that iterates it.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator

from diffusion_studio.events import Answer, EstimateEvent, PublishEvent, TrainingEvent
from diffusion_studio.machine.torch_libraries import load_libraries
from diffusion_studio.settings.distillation import DistilSettings
from diffusion_studio.settings.training import TrainingSettings


def train(
    settings: TrainingSettings,
    *,
    resume: str | None = None,
    given: Collection[str] | None = None,
    changed_data: bool = False,
) -> Generator[TrainingEvent, Answer | None, None]:
    """Train a model on a folder of images, or resume the run called `resume`; ends with `Published`.

    `given`: the settings that were asked for when resuming, by name; None: those that differ from the defaults. A `folder`
    among them says where the images of that run are now; `changed_data` allows others than it learned from. Not asking for
    the next event pauses: everything stays loaded and the time does not count. Answering an event with `SAVE` writes a
    checkpoint. Closing the generator finishes the step in hand and saves a checkpoint, whatever made you close it: a click,
    Ctrl-C, SIGTERM.
    """
    from diffusion_studio.machine import malloc

    malloc.keep()  # before torch is loaded: its threads decide where they take memory from when they first do
    load_libraries()
    from diffusion_studio.training.loop import train as run

    yield from run(settings, resume=resume, given=given, changed_data=changed_data)


def distil(settings: DistilSettings) -> Generator[TrainingEvent, Answer | None, None]:
    """Make a model fast: train a student of one to eight steps from it; as `train` in everything, and resumed by it."""
    from diffusion_studio.machine import malloc

    malloc.keep()
    load_libraries()
    from diffusion_studio.training.distil.prepare import distil as run

    yield from run(settings)


def estimate(settings: TrainingSettings) -> Iterator[EstimateEvent]:
    """Measure a few real training steps; ends with `Estimated`: time, memory, parameters, batch."""
    from diffusion_studio.training.estimate import estimate as measure

    yield from measure(settings)


def publish(run: str, *, step: int | None = None, length: float | None = None) -> Iterator[PublishEvent]:
    """Make a model of what a run has reached, finished or not; ends with `Published`.

    `step`: of a checkpoint or snapshot, in place of the newest; `length`: of an EMA made of its snapshots, as a share of the run.
    """
    from diffusion_studio.training.publish import publish as write

    yield from write(run, step=step, length=length)
