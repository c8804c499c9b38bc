"""Images of one seed side by side: a cell for each pair of values of one or two settings, generated one after the other."""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.errors import UserError
from diffusion_studio.events import (
    CellDone,
    CellFailed,
    CellPreview,
    CellStarted,
    CompareEvent,
    CompareStarted,
    Preview,
    SheetSaved,
    Status,
    Warned,
)
from diffusion_studio.jobs.shared import CHECKPOINT, finished, open_named, save_image
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.models.made_by import known_facts
from diffusion_studio.pictures import start_pictures
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.pictures.labelled_sheet import lay_out
from diffusion_studio.settings.axes import MOST_CELLS, Axis, value_label, with_values
from diffusion_studio.settings.effects import ineffective
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.generation.model import ImageModel

Place = tuple[int, int]  # column, row


@dataclass(slots=True)
class ComparisonCell:
    """One pair of values: its image, or why there is none."""

    settings: GenerationSettings
    picture: np.ndarray | None = None  # (H, W, 3) uint8
    reason: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class Comparison:
    """The cells of a sheet, filled while it is generated; what is done can be saved at any time."""

    def __init__(self, settings: GenerationSettings, x: Axis, y: Axis | None = None) -> None:
        if y is not None and x.setting == y.setting:
            raise UserError(tr("{label} can be compared along one axis only.", label=x.label))
        self.x, self.y = x, y
        self.columns, self.rows = len(x.values), len(y.values) if y is not None else 1
        if self.columns * self.rows > MOST_CELLS:
            raise UserError(
                tr(
                    "{columns} × {rows} is {count} images; {most_cells} are the most.",
                    columns=self.columns,
                    rows=self.rows,
                    count=self.columns * self.rows,
                    most_cells=MOST_CELLS,
                )
            )
        varied = {axis.setting: axis.values for axis in self.axes}
        seeds: dict[str, Any] = {"seed": _seed(settings.seed)}
        if settings.variation_strength > 0 or "variation_strength" in varied:
            seeds["variation_seed"] = _seed(settings.variation_seed)
        models = [str(model) for model in varied.get("model", [settings.model])]
        self._names = {model: _name(model) for model in models}  # looked up once, not for every cell
        self.remark = ""
        if (
            settings.autoguidance != 1
            and "model" in varied
            and not all(map(_keeps_early, self._names.values()))
        ):
            seeds["autoguidance"] = (
                1.0  # which some of them can, and others cannot, is no comparison of models
            )
            self.remark = tr(
                "Not all of these models keep weights from early in their training; all are compared without autoguidance."
            )
        self.settings = replace(
            settings, **seeds, model=self._names[models[0]], count=1, batch="", history=()
        )
        self.cells = {place: ComparisonCell(self._own(place)) for place in self.places()}

    def places(self) -> list[Place]:
        """Row by row."""
        return [(column, row) for row in range(self.rows) for column in range(self.columns)]

    @property
    def axes(self) -> list[Axis]:
        return [self.x] if self.y is None else [self.x, self.y]

    @property
    def done(self) -> int:
        return sum(cell.picture is not None for cell in self.cells.values())

    def _own(self, place: Place) -> GenerationSettings:
        column, row = place
        values: dict[str, Any] = {self.x.setting: self.x.values[column]}
        if self.y is not None:
            values[self.y.setting] = self.y.values[row]
        own = with_values(self.settings, values)
        return replace(own, model=self._names.get(own.model, own.model))

    def sheet(self) -> np.ndarray:
        """(H, W, 3) uint8: every cell under its labels."""
        cells = [(self.cells[place].picture, self.cells[place].reason) for place in self.places()]
        return lay_out(cells, self.x, self.y, self.shared())

    def shared(self) -> str:
        """What all cells have in common, in a line."""
        own, varied = self.settings, {axis.setting for axis in self.axes}
        words = {
            "model": _title(own.model),
            "seed": f"seed {own.seed}",
            "steps": f"{own.steps} steps",
            "sampler": value_label("sampler", own.sampler),
            "spacing": value_label("spacing", own.spacing),
            "class_label": value_label("class_label", own.class_label) if own.class_label else "",
            "guidance": f"guidance {own.guidance:g}" if own.guidance != 1 else "",
            "prompt": value_label("prompt", own.prompt) if own.prompt else "",
        }
        return " · ".join(text for name, text in words.items() if text and name not in varied)

    def facts(self) -> dict[str, Any]:
        """What the sheet's metadata says besides the settings all cells share."""
        return {"sheet": True, "compare": [axis.to_dict() for axis in self.axes]}

    def save(self, folder: Path | None = None) -> Path:
        """Write what is done so far as one image, with everything in its metadata that makes it again."""
        page = self.sheet()
        facts = {**known_facts(self.settings, (page.shape[1], page.shape[0])), **self.facts()}
        return outputs.save_page(page, self.settings, facts=facts, folder=folder, kind="compare")

    def save_cell(self, place: Place, folder: Path | None = None) -> Path:
        cell = self.cells[place]
        if cell.picture is None:
            raise UserError(tr("This image has not been generated."))
        return outputs.save(cell.picture, cell.settings, facts=cell.facts, folder=folder)

    # --- in which order ---

    def generations(self) -> list[list[Place]]:
        """Cells that one generation serves, since they differ only in the step they stop at; one model after the other."""
        found: dict[GenerationSettings, list[Place]] = {}
        for place in self.places():
            found.setdefault(replace(self.cells[place].settings, until=0), []).append(place)
        models = list(dict.fromkeys(shared.model for shared in found))
        return [found[shared] for shared in sorted(found, key=lambda shared: models.index(shared.model))]


def compare(
    comparison: Comparison, *, folder: Path | None = None, save: bool = True, cells: bool = False
) -> Generator[CompareEvent, None, None]:
    """Generate every cell; what goes wrong in one is reported and stops no other. Closing it leaves what is done.

    Ends with `SheetSaved` if it saves, and `Finished`; with `cells` each image is also saved by itself as it is done.
    """
    for axis in comparison.axes:
        words = ineffective(axis.setting, (cell.settings for cell in comparison.cells.values()))
        if words:  # known before all its images turn out alike
            yield Warned(text=words)
    if comparison.remark:
        yield Warned(text=comparison.remark)
    yield Status(text=tr("Getting ready…"))
    yield CompareStarted(
        settings=comparison.settings,
        axes=tuple(axis.to_dict() for axis in comparison.axes),
        columns=comparison.columns,
        rows=comparison.rows,
    )
    begun, steps = time.perf_counter(), 0
    model: ImageModel | None = None
    opened = ("", "", "")
    for places in comparison.generations():
        settings = comparison.cells[places[0]].settings
        try:
            if model is None or opened != _key(settings):
                model = None  # before the next one is loaded
                model, opened = (yield from open_named(settings, _title(settings.model))), _key(settings)
            for event in _generate(comparison, model, places):
                yield event
                if isinstance(event, CellDone):
                    steps += event.steps
                    if cells:
                        index = event.row * comparison.columns + event.column
                        facts = comparison.cells[event.column, event.row].facts
                        yield save_image(index, event.picture, event.settings, facts, folder=folder)
        except UserError as error:
            yield from _fail(comparison, places, str(error))
            model = None  # a fault of the device lets the model go
    if save and comparison.done:
        try:
            yield SheetSaved(path=comparison.save(folder))
        except UserError as error:
            yield Warned(text=tr("The sheet was not saved: {error}", error=error))
    yield finished(time.perf_counter() - begun, steps)


def _seed(seed: int | None) -> int:
    return secrets.randbelow(LARGEST_SEED + 1) if seed is None else seed


def _name(model: str) -> str:
    """The name of an installed model or of a checkpoint; what cannot be found is reported when it is to be opened."""
    if not model.startswith(CHECKPOINT):
        with suppress(UserError):
            return cards.find(model).name
    return model


def _keeps_early(model: str) -> bool:
    """A checkpoint keeps none; what cannot be found is reported when it is to be opened."""
    if model.startswith(CHECKPOINT):
        return False
    with suppress(UserError):
        return cards.find(model).keeps_early
    return True


def _title(model: str) -> str:
    with suppress(UserError):
        return cards.find(model).title
    return value_label("model", model)


def _key(settings: GenerationSettings) -> tuple[str, str, str]:
    return settings.model, settings.device, settings.precision


def _generate(
    comparison: Comparison, model: ImageModel, places: list[Place]
) -> Iterator[CellStarted | CellPreview | CellDone]:
    """One generation, from which each cell takes the image of its step; it ends with the last of them."""
    waiting = sorted(places, key=lambda place: comparison.cells[place].settings.until or 10**9)
    last = comparison.cells[waiting[-1]].settings
    reached = -1
    yield _started(comparison, waiting[0])
    for preview in model.previews(last, **start_pictures.named_by(last, model.sides(last))):
        yield CellPreview.of(preview, *waiting[0])
        while waiting and 0 < comparison.cells[waiting[0]].settings.until <= preview.index < preview.total:
            steps, reached = preview.index - max(reached, 0), preview.index
            yield _finish(comparison, model, waiting.pop(0), preview, steps)
            if waiting:
                yield _started(comparison, waiting[0])
        if not waiting:
            return
    while waiting:
        steps, reached = preview.index - max(reached, 0), preview.index
        yield _finish(comparison, model, waiting.pop(0), preview, steps)


def _started(comparison: Comparison, place: Place) -> CellStarted:
    return CellStarted(column=place[0], row=place[1], settings=comparison.cells[place].settings)


def _finish(
    comparison: Comparison, model: ImageModel, place: Place, preview: Preview, steps: int
) -> CellDone:
    cell = comparison.cells[place]
    cell.picture, cell.facts = preview.result[0].copy(), model.facts(cell.settings, 0)
    return CellDone(
        column=place[0],
        row=place[1],
        settings=cell.settings,
        picture=cell.picture,
        seconds=preview.seconds,
        steps=steps,
    )


def _fail(comparison: Comparison, places: list[Place], reason: str) -> Iterator[CellFailed]:
    for column, row in places:
        cell = comparison.cells[column, row]
        if cell.picture is None:
            cell.reason = reason
            yield CellFailed(column=column, row=row, settings=cell.settings, reason=reason)
