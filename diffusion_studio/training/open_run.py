"""Open a run for training: a new one, or one that is resumed, with its images, network, trainer and claim."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from diffusion_studio import __version__
from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.events import Status, TrainingEvent, Warned
from diffusion_studio.language import tr
from diffusion_studio.machine.devices import choose_device, choose_precision, cpu_name
from diffusion_studio.models import cards
from diffusion_studio.models.autoencoder_files import write_autoencoder
from diffusion_studio.pictures.channels import format_of
from diffusion_studio.settings.options import changed, from_dict, to_dict
from diffusion_studio.settings.recipes import space_advice
from diffusion_studio.settings.training import BEFORE, CHANGEABLE, LATENTS, TrainingSettings
from diffusion_studio.storage.atomic import stage_folder
from diffusion_studio.training.autoencoder.latent_images import (
    AUTOENCODER_FOLDER,
    autoencoder_for,
    keep_comparison,
    read_run_autoencoder,
    with_latents,
)
from diffusion_studio.training.data.data_record import missing_folder, write_record
from diffusion_studio.training.distil.progressive import ProgressiveTrainer
from diffusion_studio.training.distil.student import keep_teacher, read_teacher
from diffusion_studio.training.distil.trainer import ConsistencyTrainer
from diffusion_studio.training.estimate import choose_batch
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.progress import Past
from diffusion_studio.training.provenance import Origin, begin, fingerprint
from diffusion_studio.training.records import checkpoints, claims, log, runs, snapshots
from diffusion_studio.training.records.run import Run
from diffusion_studio.training.run_pictures import check_same_pictures, load_run_pictures, with_channels
from diffusion_studio.training.starting import with_start
from diffusion_studio.training.step.distributed import STOP, Team
from diffusion_studio.training.step.new_network import fresh_network
from diffusion_studio.training.step.trainer import NotFinite, Trainer
from diffusion_studio.training_events import TrainingStarted

LOOKED_AT = 200  # images, to know whether they have few colours
SHOWN = {"the pictures": "the images"}  # what run.json keeps under the word of an earlier version


@dataclass(frozen=True)
class OpenRun:
    """A run claimed by this process, ready to be trained; closing it releases the claim and the trainer's threads."""

    run: Run
    settings: TrainingSettings
    trainer: Trainer
    origin: Origin
    past: Past
    autoencoder: TinyAutoencoder | None  # of a run that learns latents
    claim: claims.Claim

    def started(self) -> TrainingStarted:
        trainer = self.trainer
        return TrainingStarted(
            run=self.run.path,
            title=self.settings.name,
            device=str(trainer.device),
            precision=str(trainer.gradients.dtype).removeprefix("torch."),
            parameters=sum(weight.numel() for weight in trainer.parameters),
            pictures=len(trainer.pictures),
            first_step=trainer.done,
            total=self.settings.steps or None,
        )

    def save(self, past: Past) -> Path:
        """Write a checkpoint of now. Raises `NotFinite` rather than write weights that are not finite."""
        return _save(self.run, self.trainer, past)

    def close(self) -> None:
        with closing(self.claim), closing(self.trainer):
            pass


def begin_run(settings: TrainingSettings, team: Team) -> Generator[TrainingEvent, None, OpenRun]:
    """Create a run of these settings; what was left open (seed, batch, learning rate) is chosen and recorded."""
    if not settings.folder or not settings.name:
        raise UserError(tr("A training run needs a folder of images and a name."))
    runs.check_free(settings.name)
    if settings.seed is None:
        settings = replace(settings, seed=secrets.randbits(32))
    settings = replace(settings, folder=str(Path(settings.folder).expanduser().absolute()))
    device = choose_device(settings.device)
    precision = choose_precision(settings.precision, device)
    settings, chosen = with_start(settings)
    if chosen is not None:
        yield Warned(
            text=tr(
                "A short training, or one of few images, starts from “{title}”; choose “scratch” to start from nothing.",
                title=chosen.title,
            )
        )
    settings = yield from with_channels(settings)
    pictures = yield from load_run_pictures(settings)
    flat = settings.space == LATENTS and bool(
        format_of(pictures.images[:LOOKED_AT], settings.channels).palette
    )
    advice = space_advice(settings, few_colours=flat)
    if advice:  # before the autoencoder is adapted for minutes
        yield Warned(text=advice)
    autoencoder, adapted = yield from autoencoder_for(settings, pictures, device, precision)
    pictures = yield from with_latents(pictures, autoencoder, flip=settings.flip, device=device)
    settings, network, origin = begin(settings, pictures)
    for words in origin.carried:
        yield Warned(text=words)
    if not settings.batch:
        settings = replace(settings, batch=choose_batch(origin.config, device, precision))
    trainer = trainer_of(
        settings,
        pictures,
        teacher=None if settings.distil is None else copy.deepcopy(network),
        device=device,
        precision=precision,
        network=network,
        schedule=origin.schedule,
        team=team,
    )
    claim = None
    try:
        run = runs.create(settings.name, to_dict(settings), origin.to_dict())
        claim = claims.take(run)
        run.note(exact=_exactness(trainer, origin.digest))
        write_record(run.path, pictures)
        if autoencoder is not None:
            with stage_folder(run.path / AUTOENCODER_FOLDER) as stage:
                write_autoencoder(stage, autoencoder)
        if settings.distil is not None:
            keep_teacher(run.path, cards.find(settings.start_from))
        if settings.start_from:  # the model it starts from may be gone when the run is resumed
            _save(run, trainer, Past())
        if adapted is not None:
            yield keep_comparison(run, adapted)
    except BaseException:
        trainer.close()
        if claim is not None:
            claim.close()
        raise
    return _opened(run, settings, trainer, origin, Past(), autoencoder, claim)


def resume_run(
    name: str, asked: TrainingSettings, given: Collection[str] | None, changed_data: bool, team: Team
) -> Generator[TrainingEvent, None, OpenRun]:
    """Open the run called `name` at its newest whole checkpoint. `asked`, `given`, `changed_data`: as for `loop.train`."""
    wanted = {name: getattr(asked, name) for name in given} if given is not None else changed(asked)
    run = runs.find(name)
    before = "stopped" if run.damage else run.state
    claim = claims.take(run)  # this repairs a damaged run.json
    trainer = None
    try:
        settings, _ = from_dict(TrainingSettings, {**BEFORE, **run.facts.get("settings", {})})
        settings = _with_changes(settings, wanted)
        origin = Origin.from_dict(run.facts.get("origin", {}))
        checkpoint = yield from _newest(run, settings)
        if "folder" not in wanted and not Path(settings.folder).exists():
            raise UserError(missing_folder(settings.folder, run.name))
        pictures = yield from load_run_pictures(settings)
        digest = fingerprint(pictures)
        yield from check_same_pictures(
            run, pictures, digest, origin, settings, "folder" in wanted, changed_data
        )
        autoencoder = read_run_autoencoder(run.path)
        pictures = yield from with_latents(
            pictures, autoencoder, flip=settings.flip, device=choose_device(settings.device)
        )
        trainer = _trainer(run, settings, pictures, origin, team)
        past = _restore(trainer, checkpoint) if checkpoint else Past()
        now, then = _exactness(trainer, digest), run.facts.get("exact", {})
        different = [word for word in now if now[word] != then.get(word)]
        if different:
            yield Warned(
                text=tr(
                    "The run is resumed, but not exactly as without the break: {different} changed since.",
                    different=", ".join(SHOWN.get(word, word) for word in different),
                )
            )
        log.cut(run.path, trainer.done)
        snapshots.cut(run.path, trainer.done)
        run.note(exact=now, settings=to_dict(settings))
        write_record(run.path, pictures)
    except BaseException:
        if trainer is not None:
            trainer.close()
        with suppress(UserError):  # the error to report is why it is not resumed
            run.note(state=before)
        claim.close()
        raise
    return _opened(run, settings, trainer, origin, past, autoencoder, claim)


def _opened(
    run: Run,
    settings: TrainingSettings,
    trainer: Trainer,
    origin: Origin,
    past: Past,
    autoencoder: TinyAutoencoder | None,
    claim: claims.Claim,
) -> OpenRun:
    """Ready on all processes: the others learn here what to train."""
    trainer.team.agree((settings, run.name, trainer.done))
    return OpenRun(run.remembered(), settings, trainer, origin, past, autoencoder, claim)


def _save(run: Run, trainer: Trainer, past: Past) -> Path:
    state = {"step": trainer.done, **past._asdict()}
    return run.save_checkpoint(trainer.done, save_tensors(trainer.state()), state)


def follow(team: Team) -> Iterator[TrainingEvent]:
    """Take part in the steps of a run another process leads, until it says stop; nothing is reported in between."""
    yield Status(text=tr("Training together, process {rank} of {size}…", rank=team.rank + 1, size=team.size))
    settings, name, step = team.agree(None)
    run = runs.find(name)
    pictures = yield from load_run_pictures(settings)
    origin = Origin.from_dict(run.facts.get("origin", {}))
    device = choose_device(settings.device)
    pictures = yield from with_latents(
        pictures, read_run_autoencoder(run.path), flip=settings.flip, device=device
    )
    with closing(_trainer(run, settings, pictures, origin, team)) as trainer:
        checkpoint = run.path / "checkpoints" / f"{step:08d}"
        if checkpoint.exists():
            _restore(trainer, checkpoint)
        while (fraction := team.agree(None)) != STOP:
            with suppress(NotFinite):  # the leader finds the same, and says stop
                trainer.step(fraction)


def trainer_of(
    settings: TrainingSettings, pictures: Pictures, *, teacher: UNet | None, **facts: Any
) -> Trainer:
    """The trainer of a run: of a student, where it learns from a teacher."""
    if settings.distil is None:
        return Trainer(settings, pictures, **facts)
    kind = ProgressiveTrainer if settings.distil.method == "progressive" else ConsistencyTrainer
    return kind(settings, pictures, teacher=teacher, **facts)


def _trainer(run: Run, settings: TrainingSettings, pictures: Pictures, origin: Origin, team: Team) -> Trainer:
    """A trainer of the run's shape with fresh weights."""
    device = choose_device(settings.device)
    return trainer_of(
        settings,
        pictures,
        teacher=None if settings.distil is None else read_teacher(run.path, origin.classes),
        device=device,
        precision=choose_precision(settings.precision, device),
        network=fresh_network(origin.config, settings.seed or 0),
        schedule=origin.schedule,
        team=team,
    )


def _newest(run: Run, settings: TrainingSettings) -> Generator[TrainingEvent, None, Path | None]:
    """The checkpoint to resume from; None where the run ended before its first."""
    checkpoint, skipped = checkpoints.newest_verified(run.path)
    names = ", ".join(skipped[:3]) + ("…" if len(skipped) > 3 else "")
    if checkpoint is None and skipped:
        raise UserError(
            tr(
                "No checkpoint of the run “{name}” is complete ({names}), so it cannot be resumed.",
                name=run.name,
                names=names,
            )
        )
    if checkpoint is None:
        yield Warned(
            text=tr("This run ended before its first checkpoint, so it begins again from the start.")
        )
        return None
    if skipped:
        yield Warned(
            text=tr(
                "Checkpoint {names} is damaged and was left out; resuming from {name}.",
                names=names,
                name=checkpoint.name,
            )
        )
    state = checkpoints.read_state(checkpoint)
    if run.facts.get("published") and settings.fraction_done(state["step"], state["seconds"]) >= 1:
        raise UserError(
            tr(
                "The run “{name}” is finished after {steps} steps: to resume it, give it more steps or minutes than it had.",
                name=run.name,
                steps=state["step"],
            )
        )
    return checkpoint


def _restore(trainer: Trainer, checkpoint: Path) -> Past:
    """Put a checkpoint into the trainer; returns what was done until then."""
    try:
        trainer.load(load_tensors(checkpoints.read_tensors(checkpoint)))
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            tr("The checkpoint {checkpoint} does not fit this version's network.", checkpoint=checkpoint),
            str(error),
        ) from None
    return Past.read(checkpoint)


def _with_changes(settings: TrainingSettings, wanted: Mapping[str, Any]) -> TrainingSettings:
    changes = {key: value for key, value in wanted.items() if key in CHANGEABLE}
    if "folder" in wanted:
        changes["folder"] = str(Path(wanted["folder"]).expanduser().absolute())
    if "steps" in changes or "minutes" in changes:
        changes = {"steps": 0, "minutes": 0.0, **changes}
    return replace(settings, **changes)


def _exactness(trainer: Trainer, digest: str) -> dict[str, Any]:
    """What must be the same for a resume to be bit for bit, by the words the user reads."""
    return {
        "the version of this program": __version__,
        "the version of torch": str(torch.__version__),
        "the number of threads": torch.get_num_threads(),
        "the processor": cpu_name(),
        "the device": str(trainer.device),
        "the precision": str(trainer.gradients.dtype),
        "the number of processes": trainer.team.size,
        "the pictures": digest,
    }
