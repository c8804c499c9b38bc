"""A trained network as a model the chooser shows: a diffusers folder with its card and a sheet of samples."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from diffusion_studio.diffusion.flow_config import is_flow
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.events import PublishEvent, Status, Warned
from diffusion_studio.language import tr
from diffusion_studio.models.folder import write_model
from diffusion_studio.models.layout import CARD, read_small_json
from diffusion_studio.pictures.channels import COUNTS
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import from_dict, to_dict
from diffusion_studio.settings.training import LATENTS, TrainingSettings
from diffusion_studio.storage.paths import numbered
from diffusion_studio.storage.places import models_dir
from diffusion_studio.training import averages
from diffusion_studio.training.autoencoder.latent_images import latent_space, read_run_autoencoder
from diffusion_studio.training.averages import Average
from diffusion_studio.training.distil import student
from diffusion_studio.training.provenance import Origin
from diffusion_studio.training.recommendation import plan, recommended
from diffusion_studio.training.records import log, runs, snapshots
from diffusion_studio.training.records.run import Run
from diffusion_studio.training.sample_pictures import generate, sheet
from diffusion_studio.training_events import Published

SAMPLES = 32


def publish(
    name: str, *, step: int | None = None, length: float | None = None, place: Path | None = None
) -> Iterator[PublishEvent]:
    """Write what a run has reached as a model; ends with `Published`. The run stays as it is.

    Which snapshot that is, and whether it knows the images at all, is said (`Warned`) where it is not simply the newest.

    That is the averaged weights of `step` or, without one, of its newest whole checkpoint, or of the last snapshot before it
    copied its images; with `length`, an EMA of this share of the run. `place`: a folder of models in place of the run's own, of
    which the run then knows nothing. Raises `UserError` where there is no such thing.
    """
    run = runs.find(name)
    yield Status(text=tr("Reading the checkpoint…"))
    if length is not None:
        average: Average | None = averages.of_length(run, length)
    elif step is not None:
        average = averages.at_step(run, step)
    else:
        average = averages.to_offer(run)
        words = snapshots.words_on_offer(snapshots.find(run.path))
        if words:
            yield Warned(text=words)
    if average is None and step is not None:
        raise UserError(no_step(run, step))
    if average is None:
        raise UserError(
            tr(
                "The run “{name}” has no complete checkpoint yet, so there is nothing to publish.",
                name=run.name,
            )
        )
    yield from publish_network(
        run,
        average.network,
        average.origin,
        step=average.step,
        seconds=average.seconds,
        length=length,
        place=place,
    )


def no_step(run: Run, step: int) -> str:
    """What to say where a run has neither checkpoint nor snapshot of a step."""
    return tr(
        "The run “{name}” has no checkpoint at step {step}; it has: {steps}.",
        name=run.name,
        step=step,
        steps=", ".join(map(str, averages.steps_of(run))) or tr("none"),
    )


def publish_network(
    run: Run,
    network: UNet,
    origin: Origin,
    *,
    step: int,
    seconds: float,
    length: float | None = None,
    place: Path | None = None,
) -> Iterator[PublishEvent]:
    """Draw the sheet and write the folder, whole or not at all. Another model of that name is left alone: name-2.

    `length`: that of the EMA, where it was chosen afterwards.
    """
    settings, _ = from_dict(TrainingSettings, run.facts.get("settings", {}))
    schedule = origin.schedule
    autoencoder = read_run_autoencoder(run.path)
    early = averages.early_weights(run, step) if settings.distil is None else None
    pictures = np.zeros((0, 0, 0, 3), np.uint8)
    how = recommended(
        settings, step, flow=is_flow(origin.scheduler), classes=origin.classes, keeps_early=early is not None
    )
    for made in samples_of(run, network, origin, settings, plan(how, origin.scheduler), SAMPLES, early):
        if made is not None:
            pictures = made
        yield Status(text=tr("Generating samples for the model’s card…"))
    png = io.BytesIO()
    Image.fromarray(sheet(pictures)).save(png, "PNG")
    target = place or free_place(run)
    write_model(
        target,
        network,
        schedule,
        prediction=settings.prediction,
        card=model_card(run, settings, how, network, origin, step, seconds, length),
        samples=png.getvalue(),
        early=early,
        autoencoder=autoencoder,
    )
    if place is None:
        run.note(published=target.name)
    yield Published(name=target.name, path=target)


def samples_of(
    run: Run,
    network: UNet,
    origin: Origin,
    settings: TrainingSettings,
    how: GenerationSettings,
    count: int,
    early: Sequence[Tensor] | None = None,
) -> Iterator[np.ndarray | None]:
    """Images of the seeds from 0 on, as those of a model's card: None after every step, then (N, H, W, 3 or 4) uint8.

    early: weights from early in the training, which autoguidance leads away from.
    """
    weight = network.conv_in.weight
    yield from generate(
        network,
        origin.schedule,
        settings.prediction,
        how,
        count=count,
        classes=len(origin.classes),
        pixels=origin.pixels,
        space=latent_space(read_run_autoencoder(run.path), settings, origin.pixels),
        early=averages.with_weights(network.config, early).to(weight) if early is not None else None,
    )


def free_place(run: Run) -> Path:
    """Where the run's model belongs: its own earlier one is replaced, anybody else's never."""
    own = run.facts.get("id")
    names = numbered(models_dir() / run.name, folder=True)
    return next(place for place in names if not place.exists() or (own and _made_by(place) == own))


def _made_by(place: Path) -> str | None:
    try:
        return str(read_small_json(place / CARD)["trained"]["run"])
    except (UserError, KeyError, TypeError):
        return None


def model_card(
    run: Run,
    settings: TrainingSettings,
    how: Mapping[str, Any],
    network: UNet,
    origin: Origin,
    step: int,
    seconds: float,
    length: float | None = None,
) -> Mapping[str, Any]:
    size = settings.size if settings.space == LATENTS else max(network.config.sides)
    from_model = {"from": settings.start_from} if settings.from_model else {}
    what = tr("Trained on {count} images at {size}×{size}.", count=origin.pictures, size=size)
    if settings.distil is not None:
        what = student.description(settings.distil)
        from_model = {"teacher": settings.start_from, "teacher_title": settings.distil.teacher}
    return {
        "card_version": 1,
        "title": settings.name,
        "description": what,
        "licence": "",
        "created": date.today().isoformat(),
        "pixels": origin.pixels.to_dict(),
        **({"channels": COUNTS.get(settings.channels, 3)} if settings.space == LATENTS else {}),
        "classes": list(origin.classes),
        "null_class": len(origin.classes) if origin.classes else None,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "recommended": {**how, **({"seamless": True} if network.config.padding == "circular" else {})},
        "trained": {
            "run": run.facts.get("id", ""),
            "pictures": origin.pictures,
            "pictures_seen": step * settings.batch,
            "steps": step,
            "seconds": round(seconds),
            "settings": {k: v for k, v in to_dict(settings).items() if k != "folder"},
            "class_counts": dict(zip(origin.classes, origin.class_counts, strict=True)),
            "loss": log.last_losses(run.path),
            **({"carried": list(origin.carried)} if origin.carried else {}),
            **from_model,
            **({} if length is None else {"ema_length": length}),
        },
    }
