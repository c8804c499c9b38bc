"""`distil`: make a model fast, by training a student of one to eight steps from it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from diffusion_studio.cli.options import add_options, given
from diffusion_studio.cli.stop import Stop
from diffusion_studio.cli.train import TrainingReport, follow_job
from diffusion_studio.language import tr
from diffusion_studio.models.typed import find_typed
from diffusion_studio.settings.distillation import DistilSettings


def distil(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.add_argument("model", metavar="MODEL", help=tr("the model to make fast"))
    parser.add_argument(
        "folder",
        nargs="?",
        default=argparse.SUPPRESS,
        metavar="FOLDER",
        help=tr("the images it was trained on; without one, those of its run, or images it generates"),
    )
    add_options(parser, DistilSettings, leave_out={"model", "folder"})
    parser.add_argument("--json", action="store_true", help=tr("print one event per line as JSON"))
    parser.epilog = tr("It is a run like any other: “train --resume NAME” resumes it, “runs” lists it.")

    def run(arguments: argparse.Namespace, stop: Stop) -> int:
        from diffusion_studio.jobs import train as jobs

        wanted = {**given(arguments, DistilSettings), "model": find_typed(arguments.model).name}
        return follow_job(jobs.distil(DistilSettings(**wanted)), TrainingReport(arguments.json), stop)

    return run
