"""`nearest`: the training picture a drawn one is most like, and whether that looks learned by heart."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.cli.output import on_terminal, progress_bar, say, say_json, say_rows, tell
from diffusion_studio.cli.stop import Stop
from diffusion_studio.language import tr
from diffusion_studio.settings.options import from_dict
from diffusion_studio.settings.training import TrainingSettings

if TYPE_CHECKING:
    from diffusion_studio.training.nearest import Gallery


def nearest(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.add_argument("picture", metavar="PICTURE", type=Path, help=tr("a picture that a model has drawn"))
    parser.add_argument(
        "of",
        metavar="FOLDER|RUN",
        help=tr("the pictures it learned from: their folder, or a training run of those that `runs` lists"),
    )
    parser.add_argument(
        "--size", type=_side, help=tr("side they are compared at, in pixels (default: the run's, or 32)")
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
    """The folder of that name, looked at both ways round; or else what the run of that name learns from, as it does."""
    from diffusion_studio.training import runs
    from diffusion_studio.training.nearest import Gallery

    folder = Path(name).expanduser()
    if folder.is_dir():
        return Gallery(folder, size or 32, mirror=True)
    settings, _ = from_dict(TrainingSettings, runs.find(name).facts.get("settings", {}))
    gallery = Gallery.of(settings)
    gallery.size = size or gallery.size
    return gallery


def ask(gallery: Gallery, picture: Path) -> Any:
    from diffusion_studio import events

    bar, last = None, None
    try:
        for last in gallery.ask(picture):
            match last:
                case events.Status() if on_terminal() and bar is None:
                    tell(last.text)
                case events.Checking():
                    bar = bar or progress_bar(total=last.total, desc="Reading the training pictures")
                    bar.update(last.done - bar.n)
    finally:
        if bar is not None:
            bar.close()
    return last
