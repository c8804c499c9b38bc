"""`generate`: generate images with a model, save them, and print where they are."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.cli.loras import add_loras, typed_loras
from diffusion_studio.cli.options import add_options, flag, given
from diffusion_studio.cli.output import say, say_json, tell
from diffusion_studio.cli.overwriting import add_out, add_overwrite, check_folder, check_free
from diffusion_studio.cli.presets import fitting, preset_named
from diffusion_studio.cli.progress import Report
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.effects import ineffective
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.settings.previews import PREVIEWS, ask_for
from diffusion_studio.settings.prompt_syntax import remarks
from diffusion_studio.settings.saving import SavingSettings

if TYPE_CHECKING:
    from diffusion_studio.events import FilmEvent, GenerationEvent
    from diffusion_studio.models.card import ModelCard

DEFAULTS = tr("""A model may recommend other values, which are the defaults then; `info MODEL` shows them. Its steps and eta count
only with its own sampler, unless --sampler names another. --like takes every setting from an image instead, --preset those
of a preset. Options given here override all of them. MODEL is the name of an installed model, or the path of a folder or a
zip that contains one.""")


def generate(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.epilog = DEFAULTS
    add_options(parser, GenerationSettings, leave_out=("source", "mask"))
    add_loras(parser)
    add_own_picture(parser)
    add_like(parser)
    add_out(parser)
    parser.add_argument("--sheet", action="store_true", help=tr("also save all images as one sheet"))
    parser.add_argument(
        "--queue",
        action="store_true",
        help=tr(
            "add the request to the queue instead of generating now; `queue run` or the window generates it"
        ),
    )
    add_saving(parser)
    add_film(parser)
    parser.add_argument(
        "--json", action="store_true", help=tr("print one event per line as JSON instead of the saved paths")
    )
    return run


def run(arguments: argparse.Namespace, stop: Stop) -> int:
    from diffusion_studio import events
    from diffusion_studio.jobs import film as film_jobs
    from diffusion_studio.jobs import generate as jobs
    from diffusion_studio.pictures import writing as outputs
    from diffusion_studio.pictures.listing import sweep

    asked = given(arguments, GenerationSettings)
    settings = settings_for(
        {**asked, **typed_loras(arguments), **own_picture(arguments)}, arguments.like, preset=arguments.preset
    )
    for words in filter(None, (ineffective(name, [settings]) for name in asked)):
        tell(words)
    for words in (*without_effect(asked, settings.model), *remarks(settings.prompt)):
        tell(words)
    if arguments.queue:
        return enqueue(arguments, settings)
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
        ask_for(arguments.previews)
        film["trajectory"] = Trajectory()
    elif filmed or arguments.previews:
        raise UserError(tr("Say where to save the film: --film FILE."))
    report = GenerationReport(arguments.json, seed_is_new=settings.seed is None)
    how = given(arguments, SavingSettings)  # else the preferences hold, which outputs knows
    saving: dict[str, Any] = {"saving": replace(outputs.kept_saving(), **how)} if how else {}
    job = jobs.generate(settings, folder=arguments.out, sheet=arguments.sheet, **film, **saving)
    try:
        with closing(job):
            for event in job:
                if isinstance(event, events.Preview) and event.index >= (settings.until or event.total):
                    stop.gently = True  # what is finished is saved, whatever is pressed until then
                report.show(event)
        if film and not stop.asked:
            stop.gently = False  # a film can be discarded
            if film["trajectory"].views.remark:
                tell(film["trajectory"].views.remark)
            for done in film_jobs.film(film["trajectory"], arguments.film, FilmSettings(**filmed)):
                report.show(done)
    finally:
        report.close()
    if report.lost:
        tell(report.loss(report.images))
    if report.lost or (arguments.sheet and not report.sheet_saved):
        return 1
    return 130 if stop.asked else 0


def enqueue(arguments: argparse.Namespace, settings: GenerationSettings) -> int:
    """Let the request wait; prints its id."""
    from diffusion_studio.cli.queue import facts
    from diffusion_studio.jobs.queue import GenerationQueue

    now = {"--out": arguments.out, "--sheet": arguments.sheet, "--film": arguments.film}
    saving = given(arguments, SavingSettings)
    now |= {flag(name, options(SavingSettings)[name]): True for name in saving}
    for name, value in now.items():
        if value:
            raise UserError(tr("--queue cannot be combined with {option}.", option=name))
    request = GenerationQueue().add(settings)
    say_json(facts(request)) if arguments.json else say(request.id)
    return 0


def without_effect(names: Collection[str], model: str) -> Iterator[str]:
    """A sentence for each setting that was given and that the model does not use."""
    from diffusion_studio.models import cards

    card = cards.find(model)
    for name in sorted(set(names) - card.options - {"class_label"}):  # a class it does not have is an error
        yield tr(
            "{label} has no effect with {title}.",
            label=options(GenerationSettings)[name].label,
            title=card.title,
        )


def add_like(parser: argparse.ArgumentParser) -> None:
    """Where settings can be taken from: an image, or a preset."""
    parser.add_argument("--like", type=Path, metavar="IMAGE", help=tr("take every setting from this image"))
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=tr("take the settings of a preset that was saved in the window; `presets` lists them"),
    )


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
    group.add_argument(
        "--previews",
        choices=list(PREVIEWS),
        default="",
        help=tr(
            "how a film shows the steps of a model of latents: fast, or sharp with a small autoencoder (default: as on the "
            "Settings page of the window)"
        ),
    )


def add_saving(parser: argparse.ArgumentParser) -> None:
    """--format, --quality, --metadata and --name-pattern."""
    group = parser.add_argument_group(
        "saving", tr("What is not given here is as on the Settings page of the window.")
    )
    add_options(group, SavingSettings, leave_out=("folder",))


def add_own_picture(parser: argparse.ArgumentParser) -> None:
    """--init, --mask and --feather; the images are kept under their hash, by which the settings name them."""
    group = parser.add_argument_group(tr("start image"))
    group.add_argument(
        "--init",
        dest="init_picture",
        type=Path,
        metavar="IMAGE",
        help=tr("start from this image, see --strength"),
    )
    group.add_argument(
        "--mask",
        dest="mask_picture",
        type=Path,
        metavar="IMAGE",
        help=tr("regenerate only where this image is white; needs --init"),
    )
    group.add_argument(
        "--feather",
        type=float,
        metavar="X",
        default=0.0,
        help=tr("soften the edge of the mask by this many of its pixels (default: 0)"),
    )


def own_picture(arguments: argparse.Namespace) -> dict[str, Any]:
    from diffusion_studio.pictures import start_pictures

    if not 0 <= arguments.feather <= 100:
        raise UserError(
            tr("--feather must be between 0 and 100, not {feather:g}.", feather=arguments.feather)
        )
    named: dict[str, Any] = {}
    if arguments.init_picture is not None:
        named["source"] = start_pictures.keep(arguments.init_picture)
    if arguments.mask_picture is not None:
        named["mask"] = start_pictures.keep_mask(arguments.mask_picture, arguments.feather)
        # by default none of the masked area remains
        named.setdefault("strength", getattr(arguments, "strength", 1.0))
    return named


def settings_for(
    wanted: dict[str, Any], like: Path | None, *, preset: str | None = None, varied: Sequence[str] = ()
) -> GenerationSettings:
    """The general defaults, overridden by the model's own, by an image's settings, by a preset, and by what was given.

    What the model recommends with its sampler is left out where a sampler was chosen, or several are compared (`varied`).
    """
    from diffusion_studio.models import cards, made_by
    from diffusion_studio.pictures import reading

    followed: dict[str, Any] = {}
    if like is not None:
        record = reading.read(like)
        if record.settings is None:
            raise UserError(
                tr("{like} contains no generation settings, so --like cannot follow it.", like=like)
            )
        for reason in record.refused:
            tell(tr("Left out of {like}: {reason}", like=like, reason=reason))
        followed = dict(record.given)
        if "model" not in wanted:
            followed["model"] = made_by.find_model(record).name
    saved = preset_named(preset) if preset is not None else {}
    if any(followed.get(name) != value for name, value in {**saved, **wanted}.items()):
        followed.pop("batch", None)  # another image: it had no place in that batch
    # only what was typed may be a path; the metadata of an image names an installed model
    card = cards.find(named_model(wanted["model"]) if "model" in wanted else followed.get("model", ""))
    if wanted.get("class_label") and card.classes:
        wanted = {**wanted, "class_label": card.class_named(wanted["class_label"])}
    for words in left_out(card, followed):
        tell(words)
    chosen = {**card.used(followed), **fitting(saved, card), **wanted, "model": card.name}
    return replace(card.defaults({*chosen, *varied}), **chosen)


def left_out(card: ModelCard, followed: Mapping[str, Any]) -> Iterator[str]:
    """A sentence where an image names settings of which this model has none."""
    names = [name for name in followed if name not in card.used(followed)]
    known = options(GenerationSettings)
    labels = [known[name].label if name in known else "LoRA" for name in names]
    if labels:
        yield tr(
            "{title} does not use what the image says of: {labels}.",
            title=card.title,
            labels=", ".join(labels),
        )


def named_model(word: str) -> str:
    """The name of the model that was typed: a name, a title, or the path of a folder or a zip."""
    from diffusion_studio.models.typed import find_typed

    return find_typed(word).name if word else ""


class GenerationReport(Report):
    def __init__(self, as_json: bool, *, seed_is_new: bool) -> None:
        super().__init__(as_json)
        self.seed_is_new = seed_is_new
        self.seed: int | None = None
        self.images, self.until, self.sheet_saved = 0, 0, False

    def show(self, event: GenerationEvent | FilmEvent) -> None:
        from diffusion_studio import events

        self.record(event)
        match event:
            case events.Status(text=text):
                self.status(text)
            case events.Started(settings=settings):
                self.images, self.until, self.seed = settings.count, settings.until, settings.seed
                self.begin(self.until or event.total, event.model_title)
            case events.Preview(index=index, total=total):
                self.show_seed()
                self.move_to(index, self.until or total)  # the past of a branch may have another length
            case events.Saved(path=path) | events.FilmSaved(path=path):
                self.saved(path)
            case events.SheetSaved(path=path):
                self.sheet_saved = True
                self.saved(path)
            case events.NotSaved():
                self.lose(event)
            case events.Warned(text=text):
                if not self.lost:  # where images could not be saved, their sheet could not either
                    self.tell(text)
            case events.FilmProgress(done=done, total=total):
                self.count(done, total, tr("Film"), tr("frame"))
            case events.Finished():
                pass
            case _:
                events.assert_never(event)

    def show_seed(self) -> None:
        """Once the generation has really begun."""
        if self.seed_is_new:
            self.seed_is_new = False
            self.tell(tr("Seed {seed}", seed=self.seed))
