"""One sitting of a training run as a generator of events: load, resume, loop, sample, save, publish.

Closing the generator finishes the step in hand and saves, so a run that was stopped can always be taken up again. Not asking
for the next event is a pause: everything stays loaded, and the time does not count.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors

from diffusion_studio import __version__
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.events import DataDiffers, Status, TrainingStarted, Warned
from diffusion_studio.language import tr
from diffusion_studio.machine.devices import choose_device, choose_precision, cpu_name
from diffusion_studio.pictures.file_kinds import READABLE
from diffusion_studio.pictures.folder_listing import picture_folder, printable
from diffusion_studio.settings.options import changed, from_dict, to_dict
from diffusion_studio.settings.training import BEFORE, CHANGEABLE, TrainingSettings
from diffusion_studio.training import runs
from diffusion_studio.training.data_record import how_it_differs, missing_folder, write_record
from diffusion_studio.training.distributed import STOP, Team, join
from diffusion_studio.training.estimate import choose_batch
from diffusion_studio.training.images import Pictures, load_pictures
from diffusion_studio.training.loop import REPORT_EVERY, Past, Sitting, fraction, save
from diffusion_studio.training.provenance import Origin, begin, fingerprint
from diffusion_studio.training.publish import publish_network
from diffusion_studio.training.trainer import NotFinite, Trainer, fresh_network

FEW = 100  # pictures, below which a model mostly repeats them


def train(
    settings: TrainingSettings,
    *,
    resume: str | None = None,
    given: Collection[str] | None = None,
    changed_data: bool = False,
) -> Iterator[Any]:
    """Train a new model on `settings.folder`, or go on with the run called `resume`. Ends with `Published`.

    A run that goes on keeps its settings but for those in `CHANGEABLE`: of them count the ones named in `given`, or where
    that is None those that differ from the defaults. A `folder` says where its pictures are now: they have to be the same
    ones, unless `changed_data` allows others.
    """
    with join(choose_device(settings.device)) as team:
        if team.leads:
            yield from _lead(settings, resume, given, changed_data, team)
        else:
            yield from _follow(team)


def _lead(
    settings: TrainingSettings,
    resume: str | None,
    given: Collection[str] | None,
    changed_data: bool,
    team: Team,
) -> Iterator[Any]:
    wanted = {name: getattr(settings, name) for name in given} if given is not None else changed(settings)
    opened = yield from (
        _begin(settings, team) if resume is None else _go_on(resume, wanted, changed_data, team)
    )
    run, settings, trainer, origin, past, claim = opened
    run = run.remembered()
    with closing(claim), closing(trainer):
        team.agree((settings, run.name, trainer.done))
        yield TrainingStarted(
            run=run.path,
            title=settings.name,
            device=str(trainer.device),
            precision=str(trainer.gradients.dtype).removeprefix("torch."),
            parameters=sum(weight.numel() for weight in trainer.parameters),
            pictures=len(trainer.pictures),
            first_step=trainer.done,
            total=settings.steps or None,
        )
        sitting = Sitting(settings, trainer, run, past)
        yield from sitting.run_to_end()
        with trainer.averaged():
            network = copy_in_float32(trainer.network)
        yield from publish_network(run, network, origin, step=trainer.done, seconds=sitting.seconds)
        run.note(state="finished")


def _follow(team: Team) -> Iterator[Any]:
    """Take part in the steps of a run another process leads, until it says stop; nothing is told in between."""
    yield Status(text=tr("Training together, process {rank} of {size}…", rank=team.rank + 1, size=team.size))
    settings, name, step = team.agree(None)
    run = runs.find(name)
    pictures = yield from _load(settings)
    origin = Origin.from_dict(run.facts.get("origin", {}))
    with closing(_trainer(settings, pictures, origin, team)) as trainer:
        checkpoint = run.path / "checkpoints" / f"{step:08d}"
        if checkpoint.exists():
            _restore(trainer, checkpoint)
        while (fraction := team.agree(None)) != STOP:
            with suppress(NotFinite):  # the leader finds the same, and says stop
                trainer.step(fraction)


def _trainer(settings: TrainingSettings, pictures: Pictures, origin: Origin, team: Team) -> Trainer:
    """A trainer of the run's shape with fresh weights."""
    device = choose_device(settings.device)
    return Trainer(
        settings,
        pictures,
        device=device,
        precision=choose_precision(settings.precision, device),
        network=fresh_network(origin.config, settings.seed or 0),
        schedule=origin.schedule,
        team=team,
    )


def copy_in_float32(network: UNet) -> UNet:
    with torch.device("meta"):
        twin = UNet(network.config)
    twin.load_state_dict(
        {name: w.detach().cpu().clone() for name, w in network.state_dict().items()}, assign=True
    )
    return twin.eval().requires_grad_(False)


Opened = tuple[runs.Run, TrainingSettings, Trainer, Origin, Past, runs.Claim]


def _begin(settings: TrainingSettings, team: Team) -> Generator[Any, None, Opened]:
    if not settings.folder or not settings.name:
        raise UserError(tr("A training run needs a folder of pictures and a name."))
    runs.check_free(settings.name)
    if settings.seed is None:
        settings = replace(settings, seed=secrets.randbits(32))
    settings = replace(settings, folder=str(Path(settings.folder).expanduser().absolute()))
    device = choose_device(settings.device)
    precision = choose_precision(settings.precision, device)
    pictures = yield from _load(settings)
    settings, network, origin = begin(settings, pictures)
    if not settings.batch:
        settings = replace(settings, batch=choose_batch(origin.config, device, precision))
    trainer = Trainer(
        settings,
        pictures,
        device=device,
        precision=precision,
        network=network,
        schedule=origin.schedule,
        team=team,
    )
    claim = None
    try:
        run = runs.create(settings.name, to_dict(settings), origin.to_dict())
        claim = runs.claim(run)
        run.note(exact=_exactness(trainer, origin.digest))
        write_record(run.path, pictures)
        if settings.start_from:  # what it began from may be gone when the run is taken up again
            save(run, trainer, Past())
    except BaseException:
        trainer.close()
        if claim is not None:
            claim.close()
        raise
    return run, settings, trainer, origin, Past(), claim


def _go_on(
    name: str, wanted: Mapping[str, Any], changed_data: bool, team: Team
) -> Generator[Any, None, Opened]:
    run = runs.find(name)
    before = "stopped" if run.damage else run.state
    claim = runs.claim(run)  # a damaged run.json is mended by it
    trainer = None
    try:
        settings, _ = from_dict(TrainingSettings, {**BEFORE, **run.facts.get("settings", {})})
        settings = _with_changes(settings, wanted)
        origin = Origin.from_dict(run.facts.get("origin", {}))
        checkpoint = yield from _newest(run, settings)
        if "folder" not in wanted and not Path(settings.folder).exists():
            raise UserError(missing_folder(settings.folder, run.name))
        pictures = yield from _load(settings)
        digest = fingerprint(pictures)
        yield from _check_data(run, pictures, digest, origin, settings, "folder" in wanted, changed_data)
        trainer = _trainer(settings, pictures, origin, team)
        past = _restore(trainer, checkpoint) if checkpoint else Past()
        now, then = _exactness(trainer, digest), run.facts.get("exact", {})
        different = [word for word in now if now[word] != then.get(word)]
        if different:
            yield Warned(
                text=tr(
                    "Going on, but not exactly as without the break: {different} changed since.",
                    different=", ".join(different),
                )
            )
        runs.cut_log(run, trainer.done)
        run.note(exact=now, settings=to_dict(settings))
        write_record(run.path, pictures)
    except BaseException:
        if trainer is not None:
            trainer.close()
        with suppress(UserError):  # what is told is why it does not go on
            run.note(state=before)
        claim.close()
        raise
    return run, settings, trainer, origin, past, claim


def _check_data(
    run: runs.Run,
    pictures: Pictures,
    digest: str,
    origin: Origin,
    settings: TrainingSettings,
    elsewhere: bool,
    allowed: bool,
) -> Iterator[DataDiffers | Warned]:
    """Whether these are the pictures the run learns from. Raises `UserError` for other classes, and for others elsewhere."""
    differs = how_it_differs(run.path, pictures, digest, (origin.pictures, origin.digest))
    if pictures.classes != origin.classes:
        raise UserError(
            tr(
                "The classes in {folder} are not those the run “{name}” began with: "
                "{listed} in place of {listed2}.",
                folder=printable(settings.folder),
                name=run.name,
                listed=_listed(pictures.classes),
                listed2=_listed(origin.classes),
            )
        )
    if differs and elsewhere and not allowed:
        text = (
            f"The pictures in {printable(settings.folder)} are not those of the run “{run.name}”: {differs}."
        )
        yield DataDiffers(run=run.name, folder=settings.folder, text=text)
        raise UserError(tr("{value} To train on with them all the same, add --changed-data.", value=text))
    if differs:
        yield Warned(
            text=tr("The pictures have changed since the run was last trained: {differs}.", differs=differs)
        )


def _listed(classes: tuple[str, ...]) -> str:
    more = f" and {len(classes) - 6} more" if len(classes) > 6 else ""
    return (", ".join(classes[:6]) or "none") + more


def _newest(run: runs.Run, settings: TrainingSettings) -> Generator[Any, None, Path | None]:
    """The checkpoint to go on from; None where the run was ended before its first."""
    checkpoint, skipped = runs.newest_checkpoint(run)
    names = ", ".join(skipped[:3]) + ("…" if len(skipped) > 3 else "")
    if checkpoint is None and skipped:
        raise UserError(
            tr(
                "No checkpoint of the run “{name}” is whole ({names}), so it can not go on.",
                name=run.name,
                names=names,
            )
        )
    if checkpoint is None:
        yield Warned(
            text=tr("This run was ended before its first checkpoint, so it begins again from the start.")
        )
        return None
    if skipped:
        yield Warned(
            text=tr(
                "Checkpoint {names} is damaged and was left out; going on from {name}.",
                names=names,
                name=checkpoint.name,
            )
        )
    state = runs.read_state(checkpoint)
    if run.facts.get("published") and fraction(settings, state["step"], state["seconds"]) >= 1:
        raise UserError(
            tr(
                "The run “{name}” is finished, after {state} steps: to go on, give it more steps or minutes than it had.",
                name=run.name,
                state=state["step"],
            )
        )
    return checkpoint


def _restore(trainer: Trainer, checkpoint: Path) -> Past:
    """Put a checkpoint into the trainer; returns what was until then."""
    try:
        trainer.load(load_tensors(runs.read_tensors(checkpoint)))
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


def _load(settings: TrainingSettings) -> Generator[Any, None, Pictures]:
    folder = picture_folder(settings.folder)
    pictures: Any = None
    last = 0.0
    for pictures in load_pictures(folder, settings.size, classes=settings.classes, pad=settings.fit == "pad"):
        if isinstance(pictures, int) and time.monotonic() - last > REPORT_EVERY:
            yield Status(text=tr("Reading the pictures… {pictures}", pictures=pictures))
            last = time.monotonic()
    if not len(pictures):
        raise UserError(
            tr(
                "There is no picture that can be used in {folder} ({readable}).",
                folder=printable(folder),
                readable=READABLE,
            )
        )
    if pictures.skipped:
        name, reason = pictures.skipped[0]
        more = (
            f"{len(pictures.skipped)} files were left out, the first"
            if len(pictures.skipped) > 1
            else "One file was left out"
        )
        yield Warned(text=f"{more}: {name}: {reason}.")
    if len(pictures) == 1:
        yield Warned(
            text=tr("There is only one picture: the model can learn to repeat it, and nothing else.")
        )
    elif len(pictures) < FEW:
        yield Warned(
            text=tr(
                "There are only {count} pictures: a model mostly repeats them. A few hundred or more give new ones.",
                count=len(pictures),
            )
        )
    return pictures


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
