"""Before a student is trained: which images it learns from, and the settings of its run."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np

from diffusion_studio.diffusion.scheduler_classes import is_consistency
from diffusion_studio.errors import UserError
from diffusion_studio.events import Answer, Status, TrainingEvent
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.pictures.writing import plain_png
from diffusion_studio.settings.distillation import DEFAULT_MINUTES, Distillation, DistilSettings
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage.atomic import write_atomic
from diffusion_studio.storage.places import data_dir
from diffusion_studio.training.records import runs

AT_ONCE = 16  # images the teacher generates together
EMA, WARMUP, VALIDATION = 0.999, 100, 0.02


def distil(settings: DistilSettings) -> Generator[TrainingEvent, Answer | None, None]:
    """Make a model fast; ends with `Published`. Raises `UserError` for everything a user can correct."""
    from diffusion_studio.training.loop import train

    card = cards.find(settings.model)
    name = settings.name or free_name(card)
    _check(card)
    runs.check_free(name)
    folder = known_folder(card, settings)
    if folder is None:
        folder = yield from generated_images(card, settings)
    yield from train(training_settings(card, settings, folder, name))


def _check(card: ModelCard) -> None:
    if card.prompted:
        raise UserError(tr("{title} is a text model, which cannot be made fast here.", title=card.title))
    if (
        is_consistency(card.schedule)
        or card.defaults().sampler == "consistency"
        or card.trained.get("teacher")
    ):
        raise UserError(tr("{title} is a fast model already.", title=card.title))
    if len(set(card.sides)) != 1:
        raise UserError(
            tr("{title} does not generate square images, so it cannot be made fast.", title=card.title)
        )


def free_name(card: ModelCard) -> str:
    """“Avatars fast”, “Avatars fast 2” and so on: one that no run and no model has."""
    for number in range(1, 1000):
        name = tr("{title} fast", title=card.title[:60]) + (f" {number}" if number > 1 else "")
        try:
            runs.check_free(name)
        except UserError:
            continue
        return name
    raise UserError(tr("Give the fast model a name."))


def known_folder(card: ModelCard, settings: DistilSettings) -> Path | None:
    """The images given, or those of the run that trained the model, where they are still there."""
    if settings.folder:
        return Path(settings.folder).expanduser().absolute()
    trained_by = card.trained.get("run")
    for run in runs.list_runs():
        folder = run.facts.get("settings", {}).get("folder")
        if (
            trained_by
            and run.facts.get("id") == trained_by
            and isinstance(folder, str)
            and Path(folder).is_dir()
        ):
            return Path(folder)
    return None


def training_settings(card: ModelCard, settings: DistilSettings, folder: Path, name: str) -> TrainingSettings:
    """The run of a student: short, from the teacher's weights, mirrored only where the teacher was."""
    before = card.trained.get("settings")
    known = before if isinstance(before, dict) else {}
    guidance = settings.guidance or (card.defaults().guidance if card.null_class is not None else 1.0)
    generated = folder == images_folder(card)  # whose guidance is in the images already
    if card.null_class is None or (generated and settings.method == "consistency"):
        guidance = 1.0
    targets = settings.targets
    if targets == "automatic":
        targets = "teacher" if guidance != 1 else "images"
    return TrainingSettings(
        folder=str(folder),
        name=name,
        start_from=card.name,
        size=card.size,
        steps=settings.steps,
        minutes=settings.minutes or (0.0 if settings.steps else DEFAULT_MINUTES),
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        warmup=WARMUP,
        ema=EMA,
        weighting="none",
        fit=known["fit"] if known.get("fit") in ("crop", "pad") else "crop",
        flip=known.get("flip") is True and not generated,
        classes=card.class_count > 0,
        validation=VALIDATION,
        seed=settings.seed,
        autosave=settings.autosave,
        sample_every=settings.sample_every,
        precision=settings.precision,
        device=settings.device,
        distil=Distillation(
            steps=settings.student_steps,
            guidance=guidance,
            targets=targets,
            teacher=card.title,
            method=settings.method,
        ),
    )


# Images the teacher generates ------------------------------------------------------------------------------------------


def images_folder(card: ModelCard) -> Path:
    """Where they are kept, by the weights they came from, so that a second distillation finds them."""
    return data_dir() / "distil" / f"{card.name}-{card.digest[:10] or 'images'}"


def generated_images(
    card: ModelCard, settings: DistilSettings
) -> Generator[TrainingEvent, Answer | None, Path]:
    """A folder of images by the model's recommended settings, its classes as sub-folders; what is there already is kept."""
    from diffusion_studio.generation.opening import open_model

    folder, total = images_folder(card), max(settings.generated, len(card.classes))
    wanted = [index for index in range(total) if not _place(folder, card, index).is_file()]
    if not wanted:
        return folder
    yield Status(text=tr("Opening {title}…", title=card.title))
    model = open_model(card, device=settings.device, precision=settings.precision)
    own = card.defaults()
    own = replace(
        own, guidance=settings.guidance or own.guidance, device=settings.device, precision=settings.precision
    )
    while wanted:
        group = [index for place, index in enumerate(wanted[:AT_ONCE]) if index == wanted[0] + place]
        done = total - len(wanted)
        text = tr("Generating images to learn from… {done:,} of {total:,}", done=done, total=total)
        pictures = np.zeros((0, 0, 0, 3), np.uint8)
        for preview in model.previews(replace(own, count=len(group), seed=group[0])):
            yield Status(text=text)
            if preview.index == preview.total:
                pictures = preview.result
        for index, picture in zip(group, pictures, strict=True):
            place = _place(folder, card, index)
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(place, plain_png(picture))
        wanted = wanted[len(group) :]
    return folder


def _place(folder: Path, card: ModelCard, index: int) -> Path:
    """Of the image of this seed, by which a model chooses a class where none is named."""
    label = card.classes[index % len(card.classes)] if card.classes else ""
    return folder / re.sub(r"[/\\\0]", "-", label) / f"{index:06d}.png"
