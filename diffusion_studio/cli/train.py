"""`train` and `runs`: train a model on a folder of images, resume a run, and list the runs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from diffusion_studio.cli.options import add_options, flag, given
from diffusion_studio.cli.output import say_json, say_rows, tell
from diffusion_studio.cli.progress import SHARE, Report
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.machine.sleep import keep_awake
from diffusion_studio.settings.options import from_dict, options
from diffusion_studio.settings.recipes import GOOD, RECIPES, expectation, expected, settings_of
from diffusion_studio.settings.training import CHANGEABLE, TrainingSettings
from diffusion_studio.settings.units import duration

if TYPE_CHECKING:
    from diffusion_studio.events import Answer, TrainingEvent
    from diffusion_studio.training_events import Loss, TrainingStarted


def train(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.add_argument(
        "folder",
        nargs="?",
        default=argparse.SUPPRESS,
        metavar="FOLDER",
        help=tr(
            "the images to learn from; sub-folders become classes. With --resume: where the images of the run are now"
        ),
    )
    add_options(parser, TrainingSettings, leave_out={"folder"})
    parser.add_argument(
        "--recipe",
        choices=list(RECIPES),
        metavar="NAME",
        help=tr(
            "steps and model size for a purpose: {recipes}; other options override it",
            recipes=", ".join(f"{name} ({recipe.purpose.rstrip('.')})" for name, recipe in RECIPES.items()),
        ),
    )
    parser.add_argument(
        "--native",
        action="store_true",
        help=tr("train pixel art at the size it was drawn at, which `check` reports"),
    )
    parser.add_argument(
        "--resume",
        metavar="NAME",
        help=tr(
            "resume a run that `runs` lists; it keeps its settings except {can_change}, which can be given again",
            can_change=CAN_CHANGE,
        ),
    )
    parser.add_argument(
        "--changed-data",
        action="store_true",
        help=tr(
            "with --resume and a FOLDER: continue although its images are not those the run has learned from"
        ),
    )
    parser.add_argument("--json", action="store_true", help=tr("print one event per line as JSON"))

    def run(arguments: argparse.Namespace, stop: Stop) -> int:
        wanted = given(arguments, TrainingSettings)
        if arguments.resume is None:
            if arguments.changed_data:
                parser.error(tr("--changed-data needs --resume NAME and a FOLDER"))
            if not wanted.get("folder") or not wanted.get("name"):
                parser.error(tr("a FOLDER of images and a --name are needed (or --resume NAME)"))
            if arguments.native:
                wanted["size"] = native_size(wanted["folder"])
            if arguments.recipe is not None:
                wanted = with_recipe(arguments.recipe, wanted)
        else:
            if arguments.native:
                parser.error(tr("--native is for a new run; a resumed run keeps its size"))
            if arguments.recipe is not None:
                parser.error(tr("--recipe is for a new run; use --steps N or --minutes X with --resume"))
            fixed = fixed_by_run(wanted)
            if fixed:
                parser.error(
                    tr(
                        "a resumed run keeps its {fixed}; what can change is the FOLDER, {can_change}",
                        fixed=", ".join(fixed),
                        can_change=CAN_CHANGE,
                    )
                )
        return follow(wanted, arguments.resume, arguments.json, stop, changed_data=arguments.changed_data)

    return run


def native_size(folder: str) -> int:
    """The size pixel art was drawn at. Raises `UserError` where the folder holds none, or of several sizes."""
    from diffusion_studio.pictures.folder_listing import picture_folder
    from diffusion_studio.training.data.choose_channels import native_side

    side = native_side(picture_folder(folder))
    if not side:
        raise UserError(
            tr(
                "The images in {folder} are not pixel art drawn on one square grid; use --size.",
                folder=folder,
            )
        )
    tell(tr("Training at {size}×{size}, as the images were drawn.", size=side))
    return side


def with_recipe(recipe: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, and what else the recipe sets; a length that was asked for replaces the recipe's."""
    settings = settings_of(recipe, TrainingSettings(**wanted))
    own = {"steps", "minutes"} & wanted.keys()
    return {
        **{name: value for name, value in settings.items() if not (own and name in ("steps", "minutes"))},
        **wanted,
    }


def say_what_to_expect(report: TrainingReport) -> None:
    """After the last step: what can be expected of this model, and how to continue."""
    level = expected(report.settings, report.step)
    words = tr(
        "After {steps:,} steps: {expectation}",
        steps=report.step,
        expectation=expectation(level, report.images),
    )
    if level != GOOD:
        words += " " + tr("Continue with “--resume {run} --steps N”.", run=report.run)
    tell(words)


def fixed_by_run(wanted: dict[str, Any]) -> list[str]:
    """What was asked for and cannot change once a run has begun."""
    return [_flag(name) for name in wanted if name not in (*CHANGEABLE, "folder")]


def _flag(name: str) -> str:
    return flag(name, options(TrainingSettings)[name])


CAN_CHANGE = ", ".join(map(_flag, CHANGEABLE))


def follow(
    wanted: dict[str, Any], resume: str | None, as_json: bool, stop: Stop, *, changed_data: bool = False
) -> int:
    from diffusion_studio.jobs import train as jobs

    report = TrainingReport(as_json)
    settings = TrainingSettings(**wanted)
    for name in sorted(settings.unused & wanted.keys()):
        report.tell(tr("{flag} has no effect with these settings.", flag=_flag(name)))
    job = jobs.train(
        settings,
        resume=resume,
        given=wanted if resume else None,
        changed_data=changed_data,
    )
    status = follow_job(job, report, stop)
    if report.published and not as_json:
        say_what_to_expect(report)
    return status


def follow_job(job: Generator[TrainingEvent, Answer | None, None], report: TrainingReport, stop: Stop) -> int:
    """Report a training until it ends or is stopped, which saves it; returns the exit status."""
    from diffusion_studio import training_events

    try:
        with keep_awake(tr("Training a model")), closing(job):
            for event in job:
                stop.gently = stop.gently or isinstance(event, training_events.TrainingStarted)
                report.show(event)
                if stop.asked and not report.published:
                    report.tell(tr("Stopping: finishing the step and saving…"))
                    break
    finally:
        report.close()
    if not stop.asked or report.published:
        return 0
    if not report.run:
        return 130
    tell(tr("The run is saved. Resume it with “train --resume {run}”.", run=report.run))
    return 130


class TrainingReport(Report):
    def __init__(self, as_json: bool) -> None:
        super().__init__(as_json)
        self.run, self.published = "", False
        self.step = self.images = 0
        self.settings = TrainingSettings()  # of the run, with what was chosen where nothing was asked for

    def show(self, event: TrainingEvent) -> None:
        from diffusion_studio import events, training_events

        self.record(event)
        match event:
            case events.Status(text=text):
                self.status(text)
            case events.Warned(text=text):
                self.tell(text)
            case training_events.AutoencoderAdapted(sheet=path):
                if path is not None:
                    self.tell(
                        tr(
                            "Autoencoder {before:.1f} → {now:.1f} dB: images, before and now are in {path}",
                            before=event.psnr_before,
                            now=event.psnr,
                            path=path,
                        )
                    )
            case training_events.TrainingStarted():
                self.show_start(event)
            case training_events.Loss():
                self.show_loss(event)
            case training_events.Published(name=name, path=path):
                self.published = True
                self.close()
                self.tell(tr("“{name}” is ready: generate --model {name}", name=name))
                self.saved(path)
            case training_events.SnapshotSaved(step=step, ratio=ratio) if ratio is not None:
                self.tell(
                    tr(
                        "step {step}, copy ratio {ratio:.2f} (1: as new as the images are to one another)",
                        step=step,
                        ratio=ratio,
                    )
                )
            case (
                training_events.SnapshotSaved()
                | training_events.Samples()
                | training_events.CheckpointSaved()
                | training_events.DataDiffers()
            ):
                pass  # what differs is also the error that follows
            case _:
                events.assert_never(event)

    def show_start(self, event: TrainingStarted) -> None:
        from diffusion_studio.training.records.run import Run

        self.run, self.step, self.images = event.run.name, event.first_step, event.pictures
        self.settings, _ = from_dict(TrainingSettings, Run(event.run).facts.get("settings", {}))
        facts = [
            plural("{count} image", "{count} images", event.pictures),
            tr("{count:.1f} million parameters", count=event.parameters / 1e6),
            event.device,
            event.precision,
        ]
        if event.first_step:
            facts.append(tr("resumed at step {step}", step=event.first_step))
        self.tell(
            tr(
                "Training “{title}”: {facts}. Press Ctrl-C to save and stop.",
                title=event.title,
                facts=", ".join(facts),
            )
        )
        self.begin(1.0, event.title, bar_format=SHARE)

    def show_loss(self, event: Loss) -> None:
        self.step = event.step
        words = [tr("step {step}", step=event.step)]
        if math.isfinite(event.loss):
            words.append(tr("loss {loss:.4f}", loss=event.loss))
        if event.pictures_per_second > 0:  # not yet known when a run begins with a validation
            words.append(tr("{rate:.0f} images/s", rate=event.pictures_per_second))
        words.append(tr("{time} left", time=duration(event.time_left)))
        self.bar.set_postfix_str(", ".join(words), refresh=False)
        self.bar.update(max(0.0, event.fraction - self.bar.n))
        if event.validation is not None:
            self.tell(", ".join([*words, tr("validation loss {loss:.4f}", loss=event.validation)]))


def runs(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.add_argument("--json", action="store_true", help=tr("print one run per line as JSON"))
    return list_runs


def list_runs(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.training.records import runs

    found = runs.list_runs()
    if arguments.json:
        for run in found:
            say_json({"name": run.name, "state": run.state, "step": run.step, "path": str(run.path)})
        return 0
    for run in found:
        if run.damage:
            tell(run.damage)
    if not found:
        tell(tr("There are no runs yet. Start one with “train FOLDER --name NAME”."))
    say_rows((run.name, f"{run.state}, step {run.step}, {run.path}") for run in found)
    return 0
