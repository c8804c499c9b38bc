"""The images of a run: read with what has to be said about them, and compared with those the run began with."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status, TrainingEvent, Warned
from diffusion_studio.language import plural, tr
from diffusion_studio.models import cards
from diffusion_studio.pictures.channels import COUNTS
from diffusion_studio.pictures.file_kinds import READABLE
from diffusion_studio.pictures.folder_listing import picture_folder, printable
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.data.choose_channels import choose_channels, of_both
from diffusion_studio.training.data.data_record import how_it_differs
from diffusion_studio.training.images import Pictures, load_pictures
from diffusion_studio.training.provenance import Origin
from diffusion_studio.training.records.run import Run
from diffusion_studio.training_events import DataDiffers

FEW = 100  # images, below which a model mostly repeats them
REPORT_EVERY = 0.5  # seconds


def check_same_pictures(
    run: Run,
    pictures: Pictures,
    digest: str,
    origin: Origin,
    settings: TrainingSettings,
    elsewhere: bool,
    allowed: bool,
) -> Iterator[TrainingEvent]:
    """Whether these are the images the run learns from. Raises `UserError` for other classes, and for others elsewhere."""
    differs = how_it_differs(run.path, pictures, digest, (origin.pictures, origin.digest))
    if pictures.classes != origin.classes:
        raise UserError(
            tr(
                "The classes in {folder} are not those the run “{name}” began with: "
                "{found} in place of {expected}.",
                folder=printable(settings.folder),
                name=run.name,
                found=_listed(pictures.classes),
                expected=_listed(origin.classes),
            )
        )
    if differs and elsewhere and not allowed:
        text = f"The images in {printable(settings.folder)} are not those of the run “{run.name}”: {differs}."
        yield DataDiffers(run=run.name, folder=settings.folder, text=text)
        raise UserError(
            tr("{difference} To train with them all the same, add --changed-data.", difference=text)
        )
    if differs:
        yield Warned(
            text=tr("The images have changed since the run was last trained: {differs}.", differs=differs)
        )


def _listed(classes: tuple[str, ...]) -> str:
    named = ", ".join(classes[:6]) or tr("none")
    return named if len(classes) <= 6 else tr("{names} and {count} more", names=named, count=len(classes) - 6)


def with_channels(settings: TrainingSettings) -> Generator[TrainingEvent, None, TrainingSettings]:
    """The settings with their channels chosen by what is in the folder, where they were left open."""
    if settings.channels != "auto":
        return settings
    chosen = "rgb"
    for event in choose_channels(picture_folder(settings.folder), settings.size):
        if isinstance(event, str):
            chosen = event
        yield Status(text=tr("Looking at the images…"))
    if settings.start_from:
        card = cards.find(settings.start_from)
        own = {1: "grey16" if card.pixels_are.depth == 16 else "grey", 4: "rgba"}.get(card.channels, "rgb")
        chosen = own if settings.distil is not None else of_both(own, chosen)
    return replace(settings, channels=chosen)


def load_run_pictures(settings: TrainingSettings) -> Generator[TrainingEvent, None, Pictures]:
    """The images of `settings.folder`, cut to its size. Raises `UserError` where none can be used."""
    folder = picture_folder(settings.folder)
    pictures: Pictures | int | None = None
    last = 0.0
    for pictures in load_pictures(
        folder,
        settings.size,
        classes=settings.classes,
        pad=settings.fit == "pad",
        channels=settings.channels if settings.channels in COUNTS else "rgb",
    ):
        if isinstance(pictures, int) and time.monotonic() - last > REPORT_EVERY:
            yield Status(text=tr("Reading the images… {pictures}", pictures=pictures))
            last = time.monotonic()
    assert isinstance(pictures, Pictures)
    if not len(pictures):
        raise UserError(
            tr(
                "There is no image that can be used in {folder} ({readable}).",
                folder=printable(folder),
                readable=READABLE,
            )
        )
    if pictures.skipped:
        name, reason = pictures.skipped[0]
        yield Warned(
            text=plural(
                "One file was left out: {name}: {reason}.",
                "{count} files were left out, the first: {name}: {reason}.",
                len(pictures.skipped),
                name=name,
                reason=reason,
            )
        )
    if pictures.covered:
        yield Warned(
            text=plural(
                "One image is transparent and was laid on white: {name}. “Channels: rgba” learns transparency too.",
                "{count} images are transparent and were laid on white, the first: {name}. "
                "“Channels: rgba” learns transparency too.",
                len(pictures.covered),
                name=pictures.covered[0],
            )
        )
    if len(pictures) == 1:
        yield Warned(text=tr("There is only one image: the model can learn to repeat it, and nothing else."))
    elif len(pictures) < FEW:
        yield Warned(
            text=tr(
                "There are only {count} images: a model mostly repeats them. A few hundred or more give new ones.",
                count=len(pictures),
            )
        )
    return pictures
