"""`compare`: generate one seed with several values of one or two settings, as one labelled sheet."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from diffusion_studio.cli.generate import (
    DEFAULTS,
    add_like,
    add_own_picture,
    named_model,
    own_picture,
    settings_for,
)
from diffusion_studio.cli.loras import add_loras, typed_loras
from diffusion_studio.cli.options import add_options, given
from diffusion_studio.cli.output import tell
from diffusion_studio.cli.overwriting import add_out, check_folder
from diffusion_studio.cli.progress import Report
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.settings.axes import Axis
from diffusion_studio.settings.generation import GenerationSettings

AXES = tr("""An axis is a setting and its values: sampler=ddim,heun, steps=10,20,50, guidance=1..4:0.5, seed=1..9.
Put a value that contains a comma in quotes: class='"red, big",blue'. A model is an installed one, a folder or a zip, or
run:NAME@STEP for a checkpoint of a run. """)

if TYPE_CHECKING:
    from diffusion_studio.events import CompareEvent
    from diffusion_studio.jobs.compare import Comparison
    from diffusion_studio.settings.axes import Axis


def compare(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    from diffusion_studio.settings.axes import parse_axis, words

    def axis(text: str) -> Axis:
        try:
            return parse_axis(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    parser.epilog = AXES + DEFAULTS
    known = ", ".join(words())
    parser.add_argument(
        "--x",
        type=axis,
        required=True,
        metavar="AXIS",
        help=tr("the columns: {known}", known=known),
    )
    parser.add_argument("--y", type=axis, metavar="AXIS", help=tr("the rows"))
    add_options(parser, GenerationSettings, leave_out=("source", "mask", "count"))
    add_loras(parser)
    add_own_picture(parser)
    add_like(parser)
    add_out(parser)
    parser.add_argument("--cells", action="store_true", help=tr("also save every image by itself"))
    parser.add_argument(
        "--json", action="store_true", help=tr("print one event per line as JSON instead of the saved paths")
    )
    return run


def run(arguments: argparse.Namespace, stop: Stop) -> int:
    from diffusion_studio.jobs import compare as jobs

    wanted = {**given(arguments, GenerationSettings), **typed_loras(arguments), **own_picture(arguments)}
    axes = [typed_axis(axis) for axis in (arguments.x, arguments.y) if axis is not None]
    varied = [axis.setting for axis in axes]
    settings = settings_for(wanted, arguments.like, preset=arguments.preset, varied=varied)
    comparison = jobs.Comparison(settings, *(known_classes(axis, settings) for axis in axes))
    if arguments.out is not None:
        check_folder(arguments.out)
    report = SheetReport(arguments.json, comparison)
    job = jobs.compare(comparison, folder=arguments.out, cells=arguments.cells)
    try:
        with closing(job):
            for event in job:
                stop.gently = comparison.done > 0  # from now on there is something to keep
                report.show(event)
                if stop.asked and not report.sheet_saved:
                    break
        if stop.asked and not report.sheet_saved:
            report.saved(comparison.save(arguments.out))
    finally:
        report.close()
    if report.failed:
        tell(
            plural(
                "{count} of {total} images is missing: {reason}",
                "{count} of {total} images are missing: {reason}",
                len(report.failed),
                total=len(comparison.cells),
                reason=report.failed[0],
            )
        )
    if report.lost:
        tell(report.loss(len(comparison.cells)))
    return 130 if stop.asked else 1 if report.lost or report.failed or not report.sheet_saved else 0


def typed_axis(axis: Axis) -> Axis:
    """With the names of models that were given by their folder or zip."""
    if axis.setting != "model":
        return axis
    names = [value if str(value).startswith("run:") else named_model(str(value)) for value in axis.values]
    return Axis("model", tuple(names))


def known_classes(axis: Axis, settings: GenerationSettings) -> Axis:
    """With the labels of classes that were given by their number."""
    if axis.setting != "class_label" or settings.model.startswith("run:"):
        return axis
    from diffusion_studio.models import cards

    card = cards.find(settings.model)

    def known(value: object) -> str:
        try:
            return card.class_named(str(value))
        except UserError:  # shown in its cell; the others are generated
            return str(value)

    return Axis("class_label", tuple(map(known, axis.values)))


class SheetReport(Report):
    def __init__(self, as_json: bool, comparison: Comparison) -> None:
        super().__init__(as_json)
        self.comparison, self.sheet_saved = comparison, False
        self.failed: list[str] = []  # why cells were not generated

    def show(self, event: CompareEvent) -> None:
        from diffusion_studio import events

        self.record(event)
        match event:
            case events.Status(text=text):
                self.status(text)
            case events.Warned(text=text):
                self.tell(text)
            case events.CompareStarted(settings=settings):
                self.tell(tr("Seed {seed}", seed=settings.seed))
                self.begin(event.columns * event.rows, self.comparison.shared(), tr("image"))
            case events.CellDone():
                self.advance()
            case events.CellFailed(reason=reason):
                self.failed.append(reason)
            case events.Saved(path=path):
                self.saved(path)
            case events.NotSaved():
                self.lose(event)
            case events.SheetSaved(path=path):
                self.sheet_saved = True
                self.saved(path)
            case events.CellStarted() | events.CellPreview() | events.Finished():
                pass
            case _:
                events.assert_never(event)
