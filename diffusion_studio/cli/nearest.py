"""`nearest`: the training image that a generated one is most like, and whether that looks memorised."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_studio.cli.output import say, say_json, say_rows
from diffusion_studio.cli.progress import Report
from diffusion_studio.cli.stop import Stop
from diffusion_studio.language import tr
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.training import TrainingSettings

if TYPE_CHECKING:
    from diffusion_studio.training.data.nearest import Gallery, Likeness


def nearest(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.add_argument("picture", metavar="IMAGE", type=Path, help=tr("an image that a model has generated"))
    parser.add_argument(
        "of",
        metavar="FOLDER|RUN",
        help=tr("the images it learned from: their folder, or a run that `runs` lists"),
    )
    parser.add_argument(
        "--size",
        type=_side,
        help=tr("side at which they are compared, in pixels (default: that of the run, or 32)"),
    )
    parser.add_argument("--json", action="store_true", help=tr("print one JSON object"))
    return run_nearest


def _side(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(
            tr("{value!r} is not a whole number from 1 to 1024", value=text[:60])
        )
    return int(text)


def run_nearest(arguments: argparse.Namespace, _: Stop) -> int:
    gallery = gallery_of(arguments.of, arguments.size)
    likeness = ask(gallery, arguments.picture)
    if arguments.json:
        say_json({
            "picture": str(arguments.picture),
            "nearest": str(likeness.path),
            "mirrored": likeness.mirrored,
            "distance": round(likeness.distance, 6),
            "median": likeness.median,
            "share_nearer": likeness.nearer,
            "verdict": likeness.verdict,
        })  # fmt: skip
    else:
        mirrored = tr(" (mirrored)") if likeness.mirrored else ""
        say_rows([("nearest", f"{likeness.path}{mirrored}"), ("distance", likeness.measure)])
        say(likeness.verdict)
    return 0


def gallery_of(name: str, size: int | None) -> Gallery:
    """The folder of that name, mirrored images included; or else what the run of that name learns from, as it does."""
    from diffusion_studio.training.data.nearest import Gallery
    from diffusion_studio.training.records import runs

    folder = Path(name).expanduser()
    if folder.is_dir():
        return Gallery(folder, size or 32, mirror=True)
    settings, _ = from_dict(TrainingSettings, runs.find(name).facts.get("settings", {}))
    gallery = Gallery.of(settings)
    gallery.size = size or gallery.size
    return gallery


def ask(gallery: Gallery, picture: Path) -> Likeness:
    from diffusion_studio.events import Status
    from diffusion_studio.training_events import Checking

    report = Report()
    try:
        for event in gallery.ask(picture):
            match event:
                case Status(text=text):
                    report.status(text)
                case Checking(done=done, total=total):
                    report.count(done, total, tr("Reading the training images"), "image")
                case likeness:
                    return likeness
    finally:
        report.close()
    raise AssertionError("a comparison ends with a likeness")
