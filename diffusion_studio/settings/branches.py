"""The past of a branch: which settings were walked before, and up to which step.

A branch is the settings it goes on with, and a `Part` for each walk before it that says in what that one differed. From
these the branch can be walked again from the first noise on, without its parent's file.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings import batch_rows
from diffusion_studio.settings.options import LARGEST_SEED

LONGEST = 32  # parts
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Part:
    """Walked until `step` with the final settings but for `values`, pairs of a name and a value."""

    step: int
    values: tuple[tuple[str, Scalar], ...] = ()


def read_history(value: Any) -> tuple[Part, ...]:
    """Parts from what a caller gave or a file says: parts, or objects with `step` and `values` (an object or pairs)."""
    if not isinstance(value, list | tuple) or len(value) > LONGEST:
        raise UserError(
            tr("The history of a branch must be a list of at most {longest} parts.", longest=LONGEST)
        )
    parts = tuple(entry if isinstance(entry, Part) else _read_part(entry) for entry in value)
    steps = [part.step for part in parts]
    if any(later < earlier for earlier, later in zip(steps, steps[1:], strict=False)):
        raise UserError(tr("The steps of a branch's history must not go back."))
    return parts


def _read_part(entry: Any) -> Part:
    fault = UserError(tr("A part of a branch's history must have a step and the values that differed."))
    if not isinstance(entry, dict) or set(entry) != {"step", "values"}:
        raise fault
    step, values = entry["step"], entry["values"]
    pairs = list(values.items()) if isinstance(values, dict) else values
    if type(step) is not int or not 0 <= step <= 100_000 or not isinstance(pairs, list | tuple):
        raise fault
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[1], Scalar):
            raise fault
        if not isinstance(pair[0], str) or pair[0] in NEVER:
            raise UserError(
                tr("A branch can not differ in “{pair}” from what it came from.", pair=str(pair[0])[:60])
            )
    return Part(step, tuple((name, value) for name, value in pairs))


NEVER = ("history", "model", "count")  # what all parts of a walk share


def branch(parent: Any, step: int, **changes: Any) -> Any:
    """The settings of a branch of `parent` (GenerationSettings) that leaves it at `step`."""
    child = dataclasses.replace(parent, **{"until": 0, **changes, "history": ()})
    return _with_past(child, [*_walked(parent), (_alone(parent), step)])


def parts(settings: Any) -> list[tuple[Any, int]]:
    """The walks before the last one, first to last: (settings, the step at which it was left)."""
    walked = _walked(settings)
    return [(_with_past(own, walked[:place]), step) for place, (own, step) in enumerate(walked)]


def _walked(settings: Any) -> list[tuple[Any, int]]:
    """As `parts`, but each without a past of its own."""
    return [
        (dataclasses.replace(settings, **{**dict(part.values), "history": ()}), part.step)
        for part in settings.history
    ]


def _with_past(settings: Any, walked: list[tuple[Any, int]]) -> Any:
    past = tuple(Part(step, _difference(before, settings)) for before, step in walked)
    return dataclasses.replace(settings, history=past)


def _alone(settings: Any) -> Any:
    return dataclasses.replace(settings, history=())


def root(settings: Any) -> Any:
    """The settings of the first walk: those of the first noise."""
    return parts(settings)[0][0] if settings.history else settings


def single(settings: Any, index: int) -> Any:
    """What draws picture `index` of a batch again by itself: its own seeds, count 1, in every part of its past.

    It keeps its place in its batch, without which the bits would not come out the same.
    """
    walked = [(_one(before, index), step) for before, step in _walked(settings)]
    return _with_past(_one(_alone(settings), index), walked)


def _one(settings: Any, index: int) -> Any:
    own = _own_seeds(settings, index)
    return dataclasses.replace(settings, **own, count=1, batch=batch_rows.alone(settings, index))


def in_batch(settings: Any, batch: str) -> Any:
    """The same but for the last walk, which works on these rows at once; the walks before it stay as they were."""
    return _with_past(dataclasses.replace(_alone(settings), batch=batch), _walked(settings))


def _own_seeds(settings: Any, index: int) -> dict[str, Any]:
    """Pictures of a batch count up from the seed; variations share it and count up from the second seed."""
    size = LARGEST_SEED + 1
    if settings.variation_strength > 0 and settings.variation_seed is not None:
        return {"seed": settings.seed, "variation_seed": (settings.variation_seed + index) % size}
    return {
        "seed": ((settings.seed or 0) + index) % size,
        "variation_seed": settings.variation_seed,
    }


def _difference(settings: Any, child: Any) -> tuple[tuple[str, Scalar], ...]:
    names = [f.name for f in dataclasses.fields(settings) if f.name not in NEVER]
    found = ((name, getattr(settings, name)) for name in names)
    return tuple((name, value) for name, value in found if value != getattr(child, name))
