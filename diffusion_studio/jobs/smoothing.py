"""Try an average of another length on a trained run, make it the run's model, and take that back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from diffusion_studio.events import SheetProgress, Status
from diffusion_studio.training_events import SmoothingSheet


@dataclass(frozen=True, slots=True)
class Smoothed:
    """The model of a run was made again. `before`: the one it had, in the trash; None: it had none."""

    name: str
    place: Path
    before: Path | None


def preview(run: str, length: float) -> Iterator[SheetProgress | SmoothingSheet]:
    """A few images of fixed seeds with the EMA of this length; ends with `SmoothingSheet`."""
    from diffusion_studio.machine.torch_libraries import load_libraries

    load_libraries()
    from diffusion_studio.training.smoothing import sample_sheet

    yield from sample_sheet(run, length)


def smooth(run: str, length: float) -> Iterator[Status | Smoothed]:
    """Make the model of a run with the EMA of this length; ends with `Smoothed`. What it was stays where that fails."""
    from diffusion_studio.machine.torch_libraries import load_libraries

    load_libraries()
    from diffusion_studio.storage.moving import move
    from diffusion_studio.storage.paths import free_name
    from diffusion_studio.storage.places import restore, trash
    from diffusion_studio.training.publish import free_place, publish
    from diffusion_studio.training.records import runs

    place = free_place(runs.find(run))
    aside = free_name(place, folder=True)  # the model there is, stays until the new one is whole
    for event in publish(run, length=length, place=aside):
        if isinstance(event, Status):
            yield event
    before = None
    if place.exists():
        before = trash(place)
        try:
            move(aside, place)
        except BaseException:
            restore(before, place)
            raise
    runs.find(run).note(published=place.name)
    yield Smoothed(place.name, place, before)


def exchange(run: str, place: Path, other: Path | None) -> Iterator[Path | None]:
    """Undo or redo `smooth`: the model at `place` goes to the trash and `other` comes back; yields where it is now."""
    from diffusion_studio.storage.places import restore, trash
    from diffusion_studio.training.records import runs

    now = trash(place) if place.exists() else None
    if other is not None:
        restore(other, place)
    runs.find(run).note(published=place.name if other is not None else "")
    yield now
