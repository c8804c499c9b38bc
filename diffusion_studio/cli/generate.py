"""`generate`: draw pictures with a model, save them, and print where they are."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion_studio.cli.options import add_options, given
from diffusion_studio.cli.output import tell
from diffusion_studio.cli.overwriting import FREE_NAMES, add_overwrite, check_free
from diffusion_studio.cli.progress import Report
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.effects import unheeded
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.settings.saving import SavingSettings
from diffusion_studio.storage.paths import check_path

DEFAULTS = tr("""A model may recommend other values; those are the defaults then, and `info MODEL` shows them; its steps and eta
only with its own sampler, where --sampler names none. --like takes every setting from a picture instead. What is said
here goes before both. MODEL is the name of an installed model, or the path of a folder or a zip that holds one.""")


def generate(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.epilog = DEFAULTS
    add_options(parser, GenerationSettings, leave_out=("source", "mask"))
    add_own_picture(parser)
    parser.add_argument(
        "--like", type=Path, metavar="PICTURE", help=tr("take every setting from this picture")
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=tr(
            "where to save (default: the folder that `doctor` names); {free_names}", free_names=FREE_NAMES
        ),
    )
    parser.add_argument("--sheet", action="store_true", help=tr("also save all the pictures as one"))
    add_saving(parser)
    add_film(parser)
    parser.add_argument(
        "--json", action="store_true", help=tr("print one event a line as JSON instead of the saved paths")
    )
    return run


def run(arguments: argparse.Namespace, stop: Stop) -> int:
    from diffusion_studio import events
    from diffusion_studio.jobs import film as film_jobs
    from diffusion_studio.jobs import generate as jobs
    from diffusion_studio.pictures import writing as outputs
    from diffusion_studio.pictures.listing import sweep

    said = given(arguments, GenerationSettings)
    settings = settings_for({**said, **own_picture(arguments)}, arguments.like)
    for words in filter(None, (unheeded(name, [settings]) for name in said)):
        tell(words)
    for words in without_effect(said, settings.model):
        tell(words)
    if arguments.out is not None:
        check_folder(arguments.out)
    sweep(arguments.out)
    film: dict[str, Any] = {}
    filmed = given(arguments, FilmSettings)
    if arguments.film is not None:
        from diffusion_studio.generation.trajectory import Trajectory

        film_jobs.check_target(arguments.film)
        check_free(arguments.film, arguments)
        film_jobs.check_picture(FilmSettings(**filmed), settings.count)
        film["trajectory"] = Trajectory()
    elif filmed:
        raise UserError(tr("Say where the film goes: --film FILE."))
    report = DrawingReport(arguments.json, seed_is_new=settings.seed is None)
    how = given(arguments, SavingSettings)  # else the preferences hold, which outputs knows
    saving: dict[str, Any] = {"saving": replace(outputs.kept_saving(), **how)} if how else {}
    job = jobs.generate(settings, folder=arguments.out, sheet=arguments.sheet, **film, **saving)
    try:
        with closing(job):
            for event in job:
                if isinstance(event, events.Preview) and event.index >= (settings.until or event.total):
                    stop.gently = True  # what is drawn is saved, whatever is pressed meanwhile
                report.show(event)
        if film and not stop.asked:
            stop.gently = False  # a film can be given up
            for done in film_jobs.film(film["trajectory"], arguments.film, FilmSettings(**filmed)):
                report.show(done)
    finally:
        report.close()
    if report.lost:
        tell(report.loss(report.count))
    if report.lost or (arguments.sheet and not report.sheet_saved):
        return 1
    return 130 if stop.asked else 0


def without_effect(said: Collection[str], model: str) -> Iterator[str]:
    """A sentence for each setting that was given and that the model does not use."""
    from diffusion_studio.models import cards

    card = cards.find(model)
    for name in sorted(set(said) - card.options - {"class_label"}):  # a class it does not have is an error
        yield f"{options(GenerationSettings)[name].label} has no effect with {card.title}."


def add_film(parser: argparse.ArgumentParser) -> None:
    """--film FILE and how it is made."""
    group = parser.add_argument_group("film")
    group.add_argument(
        "--film",
        type=Path,
        metavar="FILE",
        help=tr(
            "also write the steps as a film: .png (APNG), .webp, .gif or .mp4; a file that exists is refused"
        ),
    )
    add_overwrite(group)
    add_options(group, FilmSettings)


def add_saving(parser: argparse.ArgumentParser) -> None:
    """--format, --quality, --metadata and --name-pattern."""
    group = parser.add_argument_group(
        "saving", tr("What is not said here is as the window's Settings page has it.")
    )
    add_options(group, SavingSettings, leave_out=("folder",))


def add_own_picture(parser: argparse.ArgumentParser) -> None:
    """--init, --mask and --feather; the pictures are kept under their hash, by which the settings name them."""
    group = parser.add_argument_group("your own picture")
    group.add_argument(
        "--init",
        dest="init_picture",
        type=Path,
        metavar="PICTURE",
        help=tr("start from this picture, see --strength"),
    )
    group.add_argument(
        "--mask",
        dest="mask_picture",
        type=Path,
        metavar="PICTURE",
        help=tr("draw anew only where this picture is white; needs --init"),
    )
    group.add_argument(
        "--feather",
        type=float,
        metavar="X",
        default=0.0,
        help=tr("soften the edge of the mask by so many of its pixels (default: 0)"),
    )


def own_picture(arguments: argparse.Namespace) -> dict[str, Any]:
    from diffusion_studio.pictures import start_pictures

    if not 0 <= arguments.feather <= 100:
        raise UserError(
            tr("--feather must be between 0 and 100, not {feather:g}.", feather=arguments.feather)
        )
    told: dict[str, Any] = {}
    if arguments.init_picture is not None:
        told["source"] = start_pictures.keep(arguments.init_picture)
    if arguments.mask_picture is not None:
        told["mask"] = start_pictures.keep_mask(arguments.mask_picture, arguments.feather)
        # what is drawn anew forgets, unless said
        told.setdefault("strength", getattr(arguments, "strength", 1.0))
    return told


def settings_for(
    wanted: dict[str, Any], like: Path | None, *, varied: Sequence[str] = ()
) -> GenerationSettings:
    """The general defaults, over them the model's own, over them a picture's settings, over them what was said.

    What the model recommends with its sampler is left out where a sampler was chosen, or several are compared (`varied`).
    """
    from diffusion_studio.models import cards, made_by
    from diffusion_studio.pictures import reading

    told: dict[str, Any] = {}
    if like is not None:
        record = reading.read(like)
        if record.settings is None:
            raise UserError(
                tr("{like} does not say how it was made, so it cannot be followed with --like.", like=like)
            )
        for reason in record.refused:
            tell(tr("Left out of {like}: {reason}", like=like, reason=reason))
        told = dict(record.given)
        if "model" not in wanted:
            told["model"] = made_by.find_model(record).name
    if any(told.get(name) != value for name, value in wanted.items()):
        told.pop("batch", None)  # another picture: it had no place in that batch
    # only what was typed may be a place; a picture's own words name an installed model
    card = cards.find(named_model(wanted["model"]) if "model" in wanted else told.get("model", ""))
    if wanted.get("class_label") and card.classes:
        wanted = {**wanted, "class_label": card.class_named(wanted["class_label"])}
    chosen = {**told, **wanted, "model": card.name}
    return replace(card.defaults({*chosen, *varied}), **chosen)


def named_model(word: str) -> str:
    """The name of the model that was typed: a name, a title, or the path of a folder or a zip."""
    from diffusion_studio.models.typed import find_typed

    return find_typed(word).name if word else ""


def check_folder(folder: Path) -> None:
    """Say before the work, and not after it, that a folder can take no pictures."""
    check_path(folder)
    whole = folder.absolute()
    place = next((part for part in (whole, *whole.parents) if os.path.exists(part)), whole)
    if not place.is_dir():
        raise UserError(tr("{place} is not a folder, so nothing can be saved there.", place=place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(
            tr(
                "Nothing can be saved in {folder}, for {place} is read-only. Choose another folder.",
                folder=folder,
                place=place,
            )
        )


class DrawingReport(Report):
    def __init__(self, as_json: bool, *, seed_is_new: bool) -> None:
        super().__init__(as_json)
        self.seed_is_new = seed_is_new
        self.seed: int | None = None
        self.count, self.until, self.sheet_saved = 0, 0, False

    def on(self, event: Any) -> None:
        from diffusion_studio import events

        match event:
            case events.Started(settings=settings):
                self.count, self.until, self.seed = settings.count, settings.until, settings.seed
                self.begin(self.until or event.total, event.model_title, "it")
            case events.Preview():
                self.tell_seed()
                self.move_to(event.index, self.until or event.total)  # a part of a branch's past has its own
            case events.Saved() | events.SheetSaved() | events.FilmSaved():
                self.sheet_saved = self.sheet_saved or isinstance(event, events.SheetSaved)
                self.saved(event.path)
            case events.Warned() if (
                not self.lost
            ):  # where pictures found no room, their sheet found none either
                tell(event.text)

    def tell_seed(self) -> None:
        """Once the drawing has really begun."""
        if self.seed_is_new:
            self.seed_is_new = False
            tell(tr("Seed {seed}", seed=self.seed))
