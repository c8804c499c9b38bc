"""The clock, the autosaves and the reports around a trainer. The clock stands still while somebody looks at an event."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from safetensors.torch import save as save_tensors

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.events import SAVE, CheckpointSaved, Loss, Samples, Status, Warned
from diffusion_studio.language import tr
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training import runs
from diffusion_studio.training.distributed import STOP
from diffusion_studio.training.sample_pictures import draw, sheet
from diffusion_studio.training.trainer import NotFinite, Trainer
from diffusion_studio.training.validation import Validation, validate

REPORT_EVERY = 0.5  # seconds
SAMPLE_COUNT = 16
DEFAULT_MINUTES = 10.0
SHEETS, RAW_SHEETS = Path("samples"), Path("samples", "raw")  # in a run's folder


def fraction(settings: TrainingSettings, step: int, seconds: float) -> float:
    """How much of the run is done, 0 to 1."""
    if settings.steps:
        return min(1.0, step / settings.steps)
    return min(1.0, seconds / (60 * (settings.minutes or DEFAULT_MINUTES)))


class Past(NamedTuple):
    """What earlier sittings leave to the next, besides the trainer's state: seconds of training, and the latest losses.

    Without those the curve, a mean over them, would jump where a run is taken up again.
    """

    seconds: float = 0.0
    losses: tuple[float, ...] = ()

    @classmethod
    def read(cls, checkpoint: Path) -> Past:
        state = runs.read_state(checkpoint)
        return cls(float(state["seconds"]), tuple(state.get("losses", ())))


def save(run: runs.Run, trainer: Trainer, past: Past) -> Path:
    """A checkpoint of now. Raises `NotFinite` rather than write weights that are not finite."""
    state = {"step": trainer.done, **past._asdict()}
    return runs.save_checkpoint(run, trainer.done, save_tensors(trainer.state()), state)


class Sitting:
    """The clock, the autosaves and the reports around a trainer. The clock stands still while an event is looked at."""

    def __init__(self, settings: TrainingSettings, trainer: Trainer, run: runs.Run, past: Past) -> None:
        self.settings, self.trainer, self.run = settings, trainer, run
        self.before, self.elapsed, self.resumed_at = past.seconds, 0.0, time.monotonic()
        self.recent: deque[float] = deque(past.losses, maxlen=100)
        self.first_step = self.saved_step = trainer.done
        self.reported = self.sampled = self.saved = 0.0  # seconds of this sitting
        self.asked = False  # somebody waits for a checkpoint

    @property
    def now(self) -> float:
        """Seconds of work in this sitting."""
        return self.elapsed + time.monotonic() - self.resumed_at

    @property
    def seconds(self) -> float:
        """Training time of all sittings."""
        return self.before + self.now

    @property
    def fraction(self) -> float:
        return fraction(self.settings, self.trainer.done, self.seconds)

    def tell(self, event: Any) -> Generator[Any, Any, None]:
        """`SAVE` in answer makes a checkpoint due."""
        self.elapsed = self.now
        try:
            self.asked = (yield event) == SAVE or self.asked
        finally:
            self.resumed_at = time.monotonic()

    def run_to_end(self) -> Iterator[Any]:
        try:
            while self.fraction < 1:
                loss = self.trainer.step(self.trainer.team.agree(self.fraction))
                if math.isfinite(loss):
                    self.recent.append(loss)
                yield from self.report()
                if self.due():
                    yield from self.autosave()
            self.trainer.check_finite()
            yield from self.look()
            while self.asked:
                yield from self.autosave()
                yield from self.look()
        except NotFinite:
            raise UserError(
                tr(
                    "The training became unstable at step {done}: loss or weights were no longer finite. "
                    "The last good checkpoint is kept. A smaller learning rate usually helps.",
                    done=self.trainer.done,
                )
            ) from None
        finally:
            with suppress(RuntimeError):  # a member that is gone hears nothing any more
                self.trainer.team.agree(STOP)
            self.keep()

    def report(self) -> Iterator[Any]:
        for text in self.trainer.notes:
            yield from self.tell(Warned(text=text))
        self.trainer.notes.clear()
        if self.settings.sample_every and self.now - self.sampled >= self.settings.sample_every:
            yield from self.look()
        elif self.now - self.reported >= REPORT_EVERY:
            yield from self.tell(self.loss(None))

    def look(self) -> Iterator[Any]:
        """Validation loss, and samples where they are wanted.

        Left where a checkpoint is asked for in its midst, which somebody who pauses waits for; it comes again after that.
        """
        found = None
        with closing(validate(self.trainer)) as steps:  # at once: the averages must be out before a save
            for result in steps:
                found = result
                yield from self.breathe("Measuring the loss on held-out pictures…")
                if self.asked:
                    return
        yield from self.tell(self.loss(found))
        if self.settings.sample_every and not self.asked:
            yield from self.samples()
        if self.asked:
            return
        self.sampled = self.reported = self.now

    def breathe(self, text: str) -> Iterator[Any]:
        """Give the caller a chance to stop or pause in the middle of something long."""
        if self.now - self.reported >= REPORT_EVERY:
            self.reported = self.now
            yield from self.tell(Status(text=text))

    def due(self) -> bool:
        steps = self.settings.autosave_steps
        by_steps = bool(steps) and self.trainer.done - self.saved_step >= steps
        return self.asked or by_steps or self.now - self.saved >= self.settings.autosave

    def autosave(self) -> Iterator[Any]:
        self.asked = False
        try:
            path = self.save("running")
        except UserError as error:  # a full disk: the training goes on, and so do the tries
            self.saved, self.saved_step = self.now, self.trainer.done
            yield from self.tell(Warned(text=str(error)))
        else:
            yield from self.tell(CheckpointSaved(step=self.trainer.done, path=path))

    def keep(self) -> None:
        """The last save of a sitting, whatever ended it."""
        try:
            self.save("stopped")
        except NotFinite:
            self.run.note(state="stopped")

    def save(self, state: str) -> Path:
        path = save(self.run, self.trainer, Past(self.seconds, tuple(self.recent)))
        self.run.note(state=state, step=self.trainer.done, seconds=self.seconds)
        self.saved, self.saved_step = self.now, self.trainer.done
        return path

    def loss(self, validation: Validation | None) -> Loss:
        done = self.trainer.done - self.first_step
        event = Loss(
            step=self.trainer.done,
            loss=float(np.mean(self.recent)) if self.recent else float("nan"),
            validation=validation.loss if validation else None,
            learning_rate=self.trainer.learning_rate(self.fraction),
            pictures_per_second=done * self.settings.batch * self.trainer.team.size / max(self.now, 1e-9),
            fraction=self.fraction,
            time_left=self.time_left(done),
            by_timestep=validation.by_timestep if validation else (),
        )
        self.reported = self.now
        entry = {key: getattr(event, key) for key in ("step", "loss", "validation", "learning_rate")}
        if event.by_timestep:
            entry["by_timestep"] = event.by_timestep
        with suppress(
            OSError
        ):  # a full disk is told of by the next checkpoint; a hole in the curve is no reason to stop
            runs.append_log(self.run, entry | {"seconds": self.seconds})
        return event

    def time_left(self, done: int) -> float:
        """Counted over this sitting alone: an earlier one may have run on a busier machine."""
        if self.settings.steps:
            return max(0, self.settings.steps - self.trainer.done) * self.now / max(done, 1)
        return max(0.0, 60 * (self.settings.minutes or DEFAULT_MINUTES) - self.seconds)

    def samples(self) -> Iterator[Any]:
        with self.trainer.watched() as network:
            raw = yield from self.draw(network)
        if self.asked:
            return
        with self.trainer.averaged() as network:
            ema = yield from self.draw(network)
        if self.asked:
            return
        self.write_sheets(ema, raw)
        step = self.trainer.done
        yield from self.tell(
            Samples(step=step, ema=ema, raw=raw, warming_up=self.trainer.ema.warming_up(step))
        )

    def draw(self, network: UNet) -> Generator[Any, None, np.ndarray]:
        trainer = self.trainer
        found = np.zeros((0, 0, 0, 3), np.uint8)
        for pictures in draw(
            network,
            trainer.schedule,
            trainer.settings.prediction,
            count=SAMPLE_COUNT,
            classes=trainer.null_class,
        ):
            found = found if pictures is None else pictures
            yield from self.breathe("Drawing samples…")
            if self.asked:
                break
        return found

    def write_sheets(self, ema: np.ndarray, raw: np.ndarray) -> None:
        """The film of how one noise turns into pictures as the training goes on. A full disk only leaves a frame out."""
        for folder, pictures in ((self.run.path / SHEETS, ema), (self.run.path / RAW_SHEETS, raw)):
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(sheet(pictures)).save(folder / f"{self.trainer.done:08d}.png")
