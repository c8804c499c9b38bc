"""`check`: what is in a folder of images, before training on it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffusion_studio.cli.output import plain, say, say_json
from diffusion_studio.cli.progress import Report
from diffusion_studio.cli.stop import Stop
from diffusion_studio.language import tr


def check(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.add_argument("folder", metavar="FOLDER", type=Path, help=tr("the folder of images to check"))
    parser.add_argument(
        "--size",
        type=int,
        default=32,
        help=tr("side at which they would be trained, in pixels (default: 32)"),
    )
    parser.add_argument("--json", action="store_true", help=tr("print one JSON object"))
    return run_check


def run_check(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.events import Status, assert_never
    from diffusion_studio.jobs.check import check as look
    from diffusion_studio.training.data.folder_report import as_text
    from diffusion_studio.training_events import Checked, Checking

    found: dict[str, Any] = {}
    report = Report()
    try:
        for event in look(arguments.folder, size=arguments.size):
            match event:
                case Status(text=text):
                    report.status(text)
                case Checking(done=done, total=total):
                    report.count(done, total, tr("Checking the images"), "image")
                case Checked(report=checked):
                    found = dict(checked)
                case _:
                    assert_never(event)
    finally:
        report.close()
    if arguments.json:
        say_json(found)
    else:
        for line in as_text(found).splitlines():
            say(line[: len(line) - len(line.lstrip())] + plain(line.lstrip()))
    return 0 if found["usable"] else 1
