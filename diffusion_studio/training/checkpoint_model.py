"""A checkpoint of a training run as a model that draws, without publishing it: “run:NAME” and “run:NAME@STEP”."""

from __future__ import annotations

import re

from diffusion_studio.diffusion.processes import process_from_config
from diffusion_studio.errors import UserError
from diffusion_studio.generation.opening import device_faults
from diffusion_studio.generation.unet_model import UNetModel
from diffusion_studio.language import tr
from diffusion_studio.machine import devices
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.folder import Checkpoint, scheduler_config
from diffusion_studio.pictures.channels import COUNTS
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training import averages
from diffusion_studio.training.autoencoder.latent_images import read_run_autoencoder
from diffusion_studio.training.publish import no_step
from diffusion_studio.training.records import checkpoints, runs
from diffusion_studio.training.records.run import Run

NAME = re.compile(r"run:(?P<run>[^@]+)(?:@(?P<step>\d{1,9}))?")


def open_checkpoint(name: str, *, device: str = "auto", precision: str = "auto") -> UNetModel:
    """The averaged weights of a run at a step, of which there is a checkpoint or a snapshot, or of its newest whole checkpoint.

    Raises `UserError` where there is none.
    """
    named = NAME.fullmatch(name)
    if named is None:
        raise UserError(
            tr(
                "“{name}” names no checkpoint; write run:NAME for the newest, or run:NAME@STEP.",
                name=name[:80],
            )
        )
    run = runs.find(named["run"])
    average = _average(run, named["step"])
    chosen = devices.choose_device(device)
    network, origin = average.network, average.origin
    settings, _ = from_dict(TrainingSettings, run.facts.get("settings", {}))
    schedule = process_from_config(scheduler_config(origin.schedule, settings.prediction))
    autoencoder = read_run_autoencoder(run.path)
    factor = autoencoder.config.factor if autoencoder else 1
    card = ModelCard(
        name=f"run:{run.name}@{average.step}",
        path=run.path,
        title=tr("{name} at step {step}", name=settings.name or run.name, step=average.step),
        size=max(network.config.sides) * factor if network.config.sample_size else settings.size,
        channels=COUNTS.get(settings.channels, 3) if autoencoder else network.config.channels,
        classes=origin.classes,
        class_count=network.config.num_class_embeds or 0,
        null_class=len(origin.classes) if origin.classes else None,
        parameters=sum(weight.numel() for weight in network.parameters()),
        prediction=settings.prediction,
        schedule=schedule.config,
        network=network.config,
        autoencoder=autoencoder.config if autoencoder else None,
        idle=frozenset({"clipping"}) if autoencoder else frozenset(),
        pixels_are=origin.pixels,
    )
    with device_faults(chosen):
        known = Checkpoint(network, schedule, digest="", autoencoder=autoencoder)
        return UNetModel(card, known, chosen, devices.choose_precision(precision, chosen))


def _average(run: Run, step: str | None) -> averages.Average:
    if step is not None:
        average = averages.at_step(run, int(step))
        if average is None:
            raise UserError(no_step(run, int(step)))
        return average
    newest, _ = checkpoints.newest_verified(run.path)
    if newest is None:
        raise UserError(tr("The run “{name}” has no complete checkpoint yet.", name=run.name))
    return averages.of_checkpoint(run, newest)
