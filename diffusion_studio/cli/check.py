"""`check`: what is in a folder of pictures, before training on it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from diffusion_studio.cli.output import on_terminal, plain, progress_bar, say, say_json, tell
from diffusion_studio.cli.stop import Stop
from diffusion_studio.language import tr


def check(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.add_argument("folder", metavar="FOLDER", type=Path, help=tr("the folder of pictures to look at"))
    parser.add_argument(
        "--size", type=int, default=32, help=tr("side they would be trained at, in pixels (default: 32)")
    )
    parser.add_argument("--json", action="store_true", help=tr("print one JSON object"))
    return run_check


def run_check(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio import events
    from diffusion_studio.jobs.check import check as look
    from diffusion_studio.training.folder_report import as_text

    report, bar = {}, None
    try:
        for event in look(arguments.folder, size=arguments.size):
            match event:
                case events.Status() if on_terminal():
                    tell(event.text)
                case events.Checking():
                    bar = bar or progress_bar(total=event.total, desc="Looking at the pictures")
                    bar.update(event.done - bar.n)
                case events.Checked():
                    report = dict(event.report)
    finally:
        if bar is not None:
            bar.close()
    if arguments.json:
        say_json(report)
    else:
        for line in as_text(report).splitlines():
            say(line[: len(line) - len(line.lstrip())] + plain(line.lstrip()))
    return 0 if report["usable"] else 1
