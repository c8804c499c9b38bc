"""`morph`: generate the images on the way from seed to seed, as a film."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_studio.cli.generate import DEFAULTS, add_like, add_own_picture, own_picture, settings_for
from diffusion_studio.cli.loras import add_loras, typed_loras
from diffusion_studio.cli.options import add_options, given
from diffusion_studio.cli.output import tell
from diffusion_studio.cli.overwriting import FREE_NAMES, add_overwrite, check_folder, check_free
from diffusion_studio.cli.progress import Report
from diffusion_studio.cli.stop import Stop
from diffusion_studio.language import tr
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings

if TYPE_CHECKING:
    from diffusion_studio.events import MorphEvent

SEEDS = ("seed", "count", "variation_seed", "variation_strength", "blend")  # what the seeds decide
FILMED = ("view", "picture", "seconds", "easing")  # every image of a morph is shown for one moment


def morph(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.epilog = DEFAULTS
    parser.add_argument(
        "--seeds",
        type=_seeds,
        required=True,
        metavar="N,N,…",
        help=tr("the seeds to morph between, two or more"),
    )
    parser.add_argument(
        "--then",
        action="append",
        default=[],
        metavar="PROMPT",
        help=tr("the prompt at the next seed, for a model with prompts; once for each seed after the first"),
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=24,
        metavar="N",
        help=tr("images from one seed to the next (default: 24)"),
    )
    parser.add_argument("--loop", action="store_true", help=tr("return to the first seed at the end"))
    parser.add_argument(
        "--film",
        type=Path,
        metavar="FILE",
        help=tr("the film to write: .png (APNG), .webp, .gif or .mp4; a file that exists is refused"),
    )
    add_overwrite(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=tr("also save every image, there; {free_names}", free_names=FREE_NAMES),
    )
    add_options(parser.add_argument_group("film"), FilmSettings, leave_out=FILMED)
    add_options(parser, GenerationSettings, leave_out=("source", "mask", *SEEDS))
    add_loras(parser)
    add_own_picture(parser)
    add_like(parser)
    parser.add_argument(
        "--json", action="store_true", help=tr("print one event per line as JSON instead of the saved paths")
    )
    return run


def run(arguments: argparse.Namespace, stop: Stop) -> int:
    from dataclasses import replace

    from diffusion_studio.errors import UserError
    from diffusion_studio.jobs import morph as jobs
    from diffusion_studio.jobs.film import check_target

    if arguments.film is None and arguments.out is None:
        raise UserError(tr("Say where to save: --film FILE, --out FOLDER or both."))
    if arguments.film is not None:
        check_target(arguments.film)
        check_free(arguments.film, arguments)
    if arguments.out is not None:
        check_folder(arguments.out)
    asked = {**given(arguments, GenerationSettings), **typed_loras(arguments), **own_picture(arguments)}
    settings = replace(
        settings_for(asked, arguments.like, preset=arguments.preset), history=(), variation_strength=0.0
    )
    report = MorphReport(arguments.json)
    job = jobs.morph(
        settings,
        arguments.seeds,
        prompts=[settings.prompt, *arguments.then] if arguments.then else (),
        frames=arguments.frames,
        loop=arguments.loop,
        path=arguments.film,
        film=FilmSettings(**given(arguments, FilmSettings)),
        folder=arguments.out,
    )
    try:
        with closing(job):
            for event in job:
                report.show(event)
    finally:
        report.close()
    if report.lost:
        tell(report.loss(report.total))
    return 1 if report.lost else 130 if stop.asked else 0


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            tr("{value!r} is not a list of seeds such as 1,2,3", value=text[:60])
        ) from None


class MorphReport(Report):
    total = 0

    def show(self, event: MorphEvent) -> None:
        from diffusion_studio import events

        self.record(event)
        match event:
            case events.Status(text=text):
                self.status(text)
            case events.MorphStarted(total=total):
                self.total = total
                self.begin(total, event.model_title, tr("image"))
            case events.MorphImage():
                self.advance()
            case events.Saved(path=path) | events.FilmSaved(path=path):
                self.saved(path)
            case events.NotSaved():
                self.lose(event)
            case events.FilmProgress(done=done, total=total):
                if done == 1:
                    self.close()
                self.count(done, total, tr("Film"), tr("frame"))
            case events.Preview() | events.Finished():
                pass
            case _:
                events.assert_never(event)
