"""The training loop: load, step, report, validate, sample, save, publish, as a generator of events.

Not asking for the next event is a pause: everything stays loaded, and the time does not count. Answering an event with `SAVE`
makes a checkpoint due. Closing the generator finishes the step in hand and saves, so a stopped run can always be resumed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.events import SAVE, Answer, Status, TrainingEvent, Warned
from diffusion_studio.language import tr
from diffusion_studio.machine.devices import choose_device
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training import averages
from diffusion_studio.training.autoencoder.latent_images import latent_space
from diffusion_studio.training.data.copying import CopyRatio, TrainingImages
from diffusion_studio.training.open_run import OpenRun, begin_run, follow, resume_run
from diffusion_studio.training.progress import Past, WorkClock, seconds_left
from diffusion_studio.training.publish import publish_network
from diffusion_studio.training.recommendation import brief
from diffusion_studio.training.records import log, snapshots
from diffusion_studio.training.sample_pictures import generate, sheet
from diffusion_studio.training.step.distributed import STOP, join
from diffusion_studio.training.step.trainer import NotFinite
from diffusion_studio.training.step.validation import Validation, validate
from diffusion_studio.training_events import CheckpointSaved, Loss, Samples, SnapshotSaved

REPORT_EVERY = 0.5  # seconds
SAMPLE_COUNT = 16
COPY_SAMPLES = 32  # generated to see whether they are copies
MOST_OFTEN = 10.0  # seconds of training between snapshots, so that a run of seconds has none
SHEETS, RAW_SHEETS = Path("samples"), Path("samples", "raw")  # in a run's folder

Events = Generator[TrainingEvent, Answer | None, None]


def train(
    settings: TrainingSettings,
    *,
    resume: str | None = None,
    given: Collection[str] | None = None,
    changed_data: bool = False,
) -> Events:
    """Train a new model on `settings.folder`, or resume the run called `resume`. Ends with `Published`.

    A resumed run keeps its settings except those in `CHANGEABLE`: of these, the ones named in `given` count, or, where that is
    None, those that differ from the defaults. A `folder` says where its images are now: they have to be the same ones, unless
    `changed_data` allows others. Raises `UserError` for everything a user can correct.
    """
    with join(choose_device(settings.device)) as team:
        if not team.leads:
            yield from follow(team)
        elif resume is None:
            yield from TrainingLoop((yield from begin_run(settings, team))).run()
        else:
            yield from TrainingLoop(
                (yield from resume_run(resume, settings, given, changed_data, team))
            ).run()


class TrainingLoop:
    """One training of an open run, which it closes: `run()` is the whole of it, the other methods are its verbs."""

    def __init__(self, opened: OpenRun) -> None:
        self.opened = opened
        self.settings, self.trainer, self.record = opened.settings, opened.trainer, opened.run
        self.clock = WorkClock()
        self.losses: deque[float] = deque(opened.past.losses, maxlen=100)
        self.first_step = self.saved_step = self.trainer.done
        self.reported_at = self.sampled_at = self.saved_at = 0.0  # by the clock
        self.save_requested = False
        self.by_teacher: np.ndarray | None = None
        self.space = latent_space(opened.autoencoder, self.settings, opened.origin.pixels)
        self.images = TrainingImages(self.trainer.pictures.images, mirror=self.settings.flip)
        known = snapshots.find(self.record.path)
        last = known[-1] if known else None
        self.snapshot_step, self.snapshot_seconds = (last.step, last.seconds) if last else (0, 0.0)
        self.copies = bool(last and last.copies)

    def run(self) -> Events:
        with closing(self.opened):
            yield self.opened.started()
            with self.saving_at_the_end():
                while self.fraction < 1:
                    self.step()
                    yield from self.report()
                    if self.look_is_due():
                        yield from self.validate_and_sample()
                    if self.snapshot_is_due():
                        yield from self.snapshot()
                    if self.save_is_due():
                        yield from self.save()
                self.trainer.check_finite()
                yield from self.validate_and_sample()
                while self.save_requested:
                    yield from self.save()
                    if self.snapshot_is_due():
                        yield from self.snapshot()
                    yield from self.validate_and_sample()
            yield from self.publish()

    def step(self) -> None:
        loss = self.trainer.step(self.trainer.team.agree(self.fraction))
        if math.isfinite(loss):
            self.losses.append(loss)

    def report(self) -> Events:
        for text in self.trainer.notes:
            yield from self.emit(Warned(text=text))
        self.trainer.notes.clear()
        if self.clock.seconds - self.reported_at >= REPORT_EVERY and not self.look_is_due():
            yield from self.emit(self.loss(None))

    def validate_and_sample(self) -> Events:
        """Report the validation loss, and generate samples where they are wanted.

        It ends early when a checkpoint is requested, because the user who pauses waits for it; it is repeated then.
        """
        validation: Validation | None = None
        # closed at once when left: the averages must be put back before a save
        with closing(validate(self.trainer)) as measuring:
            for result in measuring:
                validation = result
                yield from self.breathe(tr("Measuring the loss on held-out images…"))
                if self.save_requested:
                    return
        yield from self.emit(self.loss(validation))
        if self.settings.sample_every and not self.save_requested:
            yield from self.sample()
        if not self.save_requested:
            self.sampled_at = self.reported_at = self.clock.seconds

    def sample(self) -> Events:
        """Samples from one fixed noise by the raw weights and by their average, and their sheets in the run's folder."""
        raw = yield from self.compared()
        if self.save_requested:
            return
        with self.trainer.averaged() as network:
            ema = yield from self.generate(network)
        if self.save_requested:
            return
        step = self.trainer.done
        write_sheet(self.record.path / SHEETS, step, ema)
        write_sheet(self.record.path / RAW_SHEETS, step, raw)
        yield from self.emit(
            Samples(
                step=step,
                ema=ema,
                raw=raw,
                warming_up=self.trainer.ema.warming_up(step),
                teacher=self.trainer.teacher is not None,
            )
        )

    def compared(self) -> Generator[TrainingEvent, Answer | None, np.ndarray]:
        """What the averaged weights are shown beside: the raw weights, or the teacher of a student, which is asked once."""
        if self.trainer.teacher is None:
            with self.trainer.watched() as network:
                return (yield from self.generate(network))
        if self.by_teacher is None:
            made = yield from self.generate(self.trainer.teacher, student=False)
            if self.save_requested:
                return made
            self.by_teacher = made
        return self.by_teacher

    def snapshot(self) -> Events:
        """Keep the averaged weights and, where there are few images, measure whether they copy these."""
        measured: CopyRatio | None = None
        if self.images.few:
            with self.trainer.averaged() as network:
                made = yield from self.generate(network, COPY_SAMPLES)
            if self.save_requested:
                return  # it is still due
            measured = self.images.measure(made.transpose(0, 3, 1, 2))
        step, seconds = self.trainer.done, self.seconds
        ratio, copies = measured or (None, False)
        self.snapshot_step, self.snapshot_seconds = step, seconds
        try:
            kept = snapshots.save(
                self.record.path, step, seconds, self.trainer.averages(), ratio=ratio, copies=copies
            )
        except UserError as error:  # a full disk; the training continues without this one
            yield from self.emit(Warned(text=str(error)))
            return
        snapshots.thin(self.record.path, 2 * self.settings.snapshots)
        with suppress(OSError):
            log.append(self.record.path, {"step": step, "ratio": ratio, "seconds": seconds})
        yield from self.emit(SnapshotSaved(step=step, path=kept.path, ratio=ratio, copies=copies))
        if copies and not self.copies:
            yield from self.emit(Warned(text=self.words_on_copies()))
        self.copies = copies

    def words_on_copies(self) -> str:
        chosen = snapshots.offered(snapshots.find(self.record.path))
        if chosen is None:
            return tr("It now copies your images.")
        return tr(
            "It now copies your images. The snapshot of step {step}, which does not, will be offered at the end.",
            step=chosen.step,
        )

    def save(self) -> Events:
        """An autosave. A full disk is only reported: the training continues, and the next one tries again."""
        self.save_requested = False
        try:
            path = self.write_checkpoint("running")
        except UserError as error:
            self.saved_at, self.saved_step = self.clock.seconds, self.trainer.done
            yield from self.emit(Warned(text=str(error)))
        else:
            yield from self.emit(CheckpointSaved(step=self.trainer.done, path=path))

    def publish(self) -> Events:
        known = snapshots.find(self.record.path)
        chosen, words = snapshots.earlier_offered(known), snapshots.words_on_offer(known)
        if words:
            yield Warned(text=words)
        if chosen is not None:
            average = averages.of_snapshot(self.record, chosen)
            network, step, seconds = average.network, average.step, average.seconds
        else:
            network, step, seconds = self.trainer.averaged_copy(), self.trainer.done, self.seconds
        yield from publish_network(self.record, network, self.opened.origin, step=step, seconds=seconds)
        self.record.note(state="finished")

    # What is due, and when -------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Of training, with what was done before the run was resumed."""
        return self.opened.past.seconds + self.clock.seconds

    @property
    def fraction(self) -> float:
        return min(1.0, self.settings.fraction_done(self.trainer.done, self.seconds))

    def look_is_due(self) -> bool:
        every = self.settings.sample_every
        return bool(every) and self.clock.seconds - self.sampled_at >= every

    def snapshot_is_due(self) -> bool:
        """Each time another of equal parts of the run is done."""
        count = self.settings.snapshots
        if not count or self.seconds - self.snapshot_seconds < MOST_OFTEN:
            return False
        before = self.settings.fraction_done(self.snapshot_step, self.snapshot_seconds)
        return math.floor(self.fraction * count) > math.floor(before * count)

    def save_is_due(self) -> bool:
        steps = self.settings.autosave_steps
        by_steps = bool(steps) and self.trainer.done - self.saved_step >= steps
        return self.save_requested or by_steps or self.clock.seconds - self.saved_at >= self.settings.autosave

    # The details -----------------------------------------------------------------------------------------------------

    @contextmanager
    def saving_at_the_end(self) -> Iterator[None]:
        """Whatever ends the loop, the other processes are released and a last checkpoint is written."""
        self.clock.start()
        try:
            yield
        except NotFinite:
            raise UserError(
                tr(
                    "The training became unstable at step {done}: loss or weights were no longer finite. "
                    "The last good checkpoint is kept. A smaller learning rate usually helps.",
                    done=self.trainer.done,
                )
            ) from None
        finally:
            with suppress(RuntimeError):  # a process that is gone receives nothing any more
                self.trainer.team.agree(STOP)
            try:
                self.write_checkpoint("stopped")
            except NotFinite:
                self.record.note(state="stopped")

    def emit(self, event: TrainingEvent) -> Events:
        """Hand out an event with the clock stopped; the answer `SAVE` makes a checkpoint due."""
        self.clock.stop()
        try:
            self.save_requested = (yield event) == SAVE or self.save_requested
        finally:
            self.clock.start()

    def breathe(self, text: str) -> Events:
        """Give the caller a chance to stop or pause in the middle of something long."""
        if self.clock.seconds - self.reported_at >= REPORT_EVERY:
            self.reported_at = self.clock.seconds
            yield from self.emit(Status(text=text))

    def write_checkpoint(self, state: str) -> Path:
        past = Past(self.seconds, tuple(self.losses))
        path = self.opened.save(past)
        self.record.note(state=state, step=self.trainer.done, seconds=past.seconds)
        self.saved_at, self.saved_step = self.clock.seconds, self.trainer.done
        return path

    def generate(
        self, network: UNet, count: int = 0, *, student: bool = True
    ) -> Generator[TrainingEvent, Answer | None, np.ndarray]:
        trainer = self.trainer
        settings = self.settings if student else replace(self.settings, distil=None)
        pictures = np.zeros((0, 0, 0, 3), np.uint8)
        for made in generate(
            network,
            trainer.schedule,
            self.settings.prediction,
            brief(settings, trainer.schedule.config),
            count=count or SAMPLE_COUNT,
            classes=trainer.null_class,
            pixels=self.opened.origin.pixels,
            space=self.space,
        ):
            pictures = pictures if made is None else made
            yield from self.breathe(tr("Generating samples…"))
            if self.save_requested:
                break
        return pictures

    def loss(self, validation: Validation | None) -> Loss:
        """The figures of now, which are also added to the run's log."""
        steps, seconds = self.trainer.done - self.first_step, self.clock.seconds
        images = steps * self.settings.batch * self.trainer.team.size
        event = Loss(
            step=self.trainer.done,
            loss=float(np.mean(self.losses)) if self.losses else float("nan"),
            validation=validation.loss if validation else None,
            learning_rate=self.trainer.learning_rate(self.fraction),
            pictures_per_second=images / max(seconds, 1e-9),
            fraction=self.fraction,
            time_left=seconds_left(self.settings, self.trainer.done, self.seconds, steps, seconds),
            by_timestep=validation.by_timestep if validation else (),
        )
        self.reported_at = seconds
        entry = {key: getattr(event, key) for key in ("step", "loss", "validation", "learning_rate")}
        if event.by_timestep:
            entry["by_timestep"] = event.by_timestep
        with suppress(OSError):  # the next checkpoint reports a full disk; a gap in the curve stops nothing
            log.append(self.record.path, entry | {"seconds": self.seconds})
        return event


def write_sheet(folder: Path, step: int, pictures: np.ndarray) -> None:
    """A frame of the film of how one noise becomes images as the training advances. A full disk only leaves a frame out."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet(pictures)).save(folder / f"{step:08d}.png")
