"""A checkpoint of a training run as a model that draws, without publishing it: “run:NAME” and “run:NAME@STEP”."""

from __future__ import annotations

import re
from pathlib import Path

from diffusion_studio.diffusion.processes import process_from_config
from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import device_faults
from diffusion_studio.generation.unet_model import UNetModel
from diffusion_studio.language import tr
from diffusion_studio.machine import devices
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.models.folder import Checkpoint, scheduler_config
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.publish import read_average
from diffusion_studio.training.records import checkpoints, runs
from diffusion_studio.training.records.run import Run

NAME = re.compile(r"run:(?P<run>[^@]+)(?:@(?P<step>\d{1,9}))?")


def open_checkpoint(name: str, *, device: str = "auto", precision: str = "auto") -> UNetModel:
    """The averaged weights of a run at a step, or of its newest whole checkpoint. Raises `UserError` where there is none."""
    named = NAME.fullmatch(name)
    if named is None:
        raise UserError(
            tr(
                "“{name}” names no checkpoint; write run:NAME for the newest, or run:NAME@STEP.",
                name=name[:80],
            )
        )
    run = runs.find(named["run"])
    checkpoint = _checkpoint(run, named["step"])
    chosen = devices.choose_device(device)
    network, origin = read_average(run, checkpoint)
    settings, _ = from_dict(TrainingSettings, run.facts.get("settings", {}))
    schedule = process_from_config(scheduler_config(origin.schedule, settings.prediction))
    card = ModelCard(
        name=f"run:{run.name}@{int(checkpoint.name)}",
        path=checkpoint,
        title=tr("{name} at step {name2}", name=settings.name or run.name, name2=int(checkpoint.name)),
        size=max(network.config.sides) if network.config.sample_size else settings.size,
        channels=network.config.channels,
        classes=origin.classes,
        class_count=network.config.num_class_embeds or 0,
        null_class=len(origin.classes) if origin.classes else None,
        parameters=sum(weight.numel() for weight in network.parameters()),
        prediction=settings.prediction,
        schedule=schedule.config,
        network=network.config,
        pixels_are=origin.pixels,
    )
    with device_faults(chosen):
        known = Checkpoint(network, schedule, digest="")
        return UNetModel(card, known, chosen, devices.choose_precision(precision, chosen))


def _checkpoint(run: Run, step: str | None) -> Path:
    if step is None:
        newest, _ = checkpoints.newest_verified(run.path)
        if newest is None:
            raise UserError(tr("The run “{name}” has no whole checkpoint yet.", name=run.name))
        return newest
    there = list(checkpoints.newest_first(run.path))
    for path in there:
        if int(path.name) == int(step):
            if not checkpoints.verified(path):
                raise UserError(
                    tr("The checkpoint of “{name}” at step {step} is damaged.", name=run.name, step=step)
                )
            return path
    steps = ", ".join(str(int(path.name)) for path in there) or "none"
    raise UserError(
        tr(
            "The run “{name}” has no checkpoint at step {step}; it has: {steps}.",
            name=run.name,
            step=step,
            steps=steps,
        )
    )
