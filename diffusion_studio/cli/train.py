"""`train` and `runs`: train a model on a folder of pictures, go on where it stopped, and list what was begun."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from contextlib import closing
from typing import Any

from diffusion_studio.cli.options import add_options, flag, given
from diffusion_studio.cli.output import on_terminal, plain, progress_bar, say, say_json, say_rows, tell
from diffusion_studio.cli.stop import Stop
from diffusion_studio.language import tr
from diffusion_studio.machine.sleep import keep_awake
from diffusion_studio.settings.options import options
from diffusion_studio.settings.recipes import GOOD, RECIPES, expectation, expected, settings_of
from diffusion_studio.settings.training import CHANGEABLE, TrainingSettings

BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"


def train(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.add_argument(
        "folder",
        nargs="?",
        default=argparse.SUPPRESS,
        metavar="FOLDER",
        help=tr(
            "the pictures to learn from; sub-folders become classes. With --resume: where the pictures of the run are now"
        ),
    )
    add_options(parser, TrainingSettings, leave_out={"folder"})
    parser.add_argument(
        "--recipe",
        choices=list(RECIPES),
        metavar="NAME",
        help=tr(
            "steps and model size that suit a purpose: {recipes}; options given beside it win",
            recipes=", ".join(f"{name} ({recipe.purpose.rstrip('.')})" for name, recipe in RECIPES.items()),
        ),
    )
    parser.add_argument(
        "--resume",
        metavar="NAME",
        help=tr(
            "go on with a training run, of those that `runs` lists; it keeps its settings, but for {can_change}: "
            "what of these is given counts from now on",
            can_change=CAN_CHANGE,
        ),
    )
    parser.add_argument(
        "--changed-data",
        action="store_true",
        help=tr(
            "with --resume and a FOLDER: train on though its pictures are not the ones the run learned from"
        ),
    )
    parser.add_argument("--json", action="store_true", help=tr("print one event a line as JSON"))

    def run(arguments: argparse.Namespace, stop: Stop) -> int:
        wanted = given(arguments, TrainingSettings)
        if arguments.resume is None:
            if arguments.changed_data:
                parser.error("--changed-data goes with --resume NAME and a FOLDER")
            if not wanted.get("folder") or not wanted.get("name"):
                parser.error("a FOLDER of pictures and a --name are needed (or --resume NAME)")
            if arguments.recipe is not None:
                wanted = with_recipe(arguments.recipe, wanted)
        else:
            if arguments.recipe is not None:
                parser.error("--recipe is for a new run; give --resume --steps N or --minutes X")
            fixed = fixed_by_run(wanted)
            if fixed:
                parser.error(
                    f"a run that goes on keeps its {', '.join(fixed)}; it takes a new FOLDER and {CAN_CHANGE}"
                )
        return follow(wanted, arguments.resume, arguments.json, stop, changed_data=arguments.changed_data)

    return run


def with_recipe(recipe: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, and what the recipe sets besides; a length of one's own replaces the recipe's."""
    settings = settings_of(recipe, TrainingSettings(**wanted))
    own = {"steps", "minutes"} & wanted.keys()
    return {
        **{name: value for name, value in settings.items() if not (own and name in ("steps", "minutes"))},
        **wanted,
    }


def say_what_to_expect(settings: TrainingSettings, report: Report) -> None:
    """After the last step: what this model generates, and what to do where that is little."""
    level = expected(settings, report.step, report.batch)
    words = tr(
        "After {steps:,} steps: {expectation}",
        steps=report.step,
        expectation=expectation(level, report.images),
    )
    if level != GOOD:
        words += " " + tr("“--resume {run} --steps N” trains on.", run=report.run)
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
    from diffusion_studio import events
    from diffusion_studio.jobs import train as jobs

    report = Report(as_json)
    settings = TrainingSettings(**wanted)
    for name in sorted(settings.unused & wanted.keys()):
        report.tell(tr("{flag} has no effect with these settings.", flag=_flag(name)))
    job = jobs.train(
        settings,
        resume=resume,
        given=wanted if resume else None,
        changed_data=changed_data,
    )
    try:
        with keep_awake(tr("Training a model")), closing(job):
            for event in job:
                stop.gently = stop.gently or isinstance(event, events.TrainingStarted)
                report.show(event)
                if stop.asked and not report.published:
                    report.tell(tr("Stopping: finishing the step and saving…"))
                    break
    finally:
        report.close()
    if report.published and not as_json:
        say_what_to_expect(settings, report)
    if not stop.asked or report.published:
        return 0
    tell(tr("The run is saved; “--resume {run}” goes on with it.", run=report.run))
    return 130


class Report:
    """Shows the events: the finished model's folder or JSON on standard output, the rest on standard error."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.run, self.published = "", False
        self.step = self.batch = self.images = 0
        self.bar: Any = None

    def show(self, event: Any) -> None:
        from diffusion_studio import events

        if self.as_json:
            say_json(events.as_json(event))
        match event:
            case events.Status() if on_terminal():
                self.tell(event.text)
            case events.Warned():
                self.tell(event.text)
            case events.TrainingStarted():
                self.begin(event)
            case events.Loss():
                self.progress(event)
            case events.Published():
                self.published = True
                self.close()
                tell(tr("“{name}” is ready: generate --model {name}", name=event.name))
                if not self.as_json:
                    say(str(event.path))

    def begin(self, event: Any) -> None:
        from diffusion_studio.training.runs import Run

        self.run, self.step, self.images = event.run.name, event.first_step, event.pictures
        self.batch = int(Run(event.run).facts.get("settings", {}).get("batch", 0))
        from_step = f", going on from step {event.first_step}" if event.first_step else ""
        tell(
            tr(
                "Training “{title}”: {pictures} pictures, {parameters:.1f} million parameters, "
                "{device}, {precision}{from_step}. Ctrl-C saves and ends it.",
                title=event.title,
                pictures=event.pictures,
                parameters=event.parameters / 1e6,
                device=event.device,
                precision=event.precision,
                from_step=from_step,
            )
        )
        self.bar = progress_bar(total=1.0, desc=plain(event.title), bar_format=BAR)

    def progress(self, event: Any) -> None:
        self.step = event.step
        known = event.pictures_per_second > 0  # not where a sitting begins with a look
        loss = f", loss {event.loss:.4f}" if math.isfinite(event.loss) else ""
        speed = (
            tr(", {pictures_per_second:.0f} pictures/s", pictures_per_second=event.pictures_per_second)
            if known
            else ""
        )
        words = f"step {event.step}{loss}{speed}, {duration(event.time_left)} left"
        self.bar.set_postfix_str(words, refresh=False)
        self.bar.update(max(0.0, event.fraction - self.bar.n))
        if event.validation is not None:
            self.tell(tr("{words}, validation {validation:.4f}", words=words, validation=event.validation))

    def tell(self, text: str) -> None:
        """Above the bar, not through it."""
        if self.bar is not None and not self.bar.disable:
            self.bar.clear()
            tell(text)
            self.bar.refresh()
        else:
            tell(text)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def runs(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.add_argument("--json", action="store_true", help=tr("print one run a line as JSON"))
    return list_runs


def list_runs(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.training import runs

    found = runs.list_runs()
    if arguments.json:
        for run in found:
            say_json({"name": run.name, "state": run.state, "step": run.step, "path": str(run.path)})
        return 0
    for run in found:
        if run.damage:
            tell(run.damage)
    if not found:
        tell(tr("No training run was begun yet; “train FOLDER --name NAME” begins one."))
    say_rows((run.name, f"{run.state}, step {run.step}, {run.path}") for run in found)
    return 0


def duration(seconds: float) -> str:
    """h:mm:ss, without the hours where there are none."""
    try:
        minutes, rest = divmod(round(seconds), 60)
    except (OverflowError, ValueError):
        return "?"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
