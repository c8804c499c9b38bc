"""The parts of a branch's past as its settings keep them, read and checked: where each ended, and in what it differed."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.loras import Lora, read_loras

NEVER = ("history", "model", "count")  # what all parts share
LONGEST = 32  # parts
Scalar = str | int | float | bool | None
Value = Scalar | tuple[Lora, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Sampled until `step` with the final settings except `values`, pairs of a name and a value."""

    step: int
    values: tuple[tuple[str, Value], ...] = ()


def read_history(value: object) -> tuple[Part, ...]:
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


def _read_part(entry: object) -> Part:
    fault = UserError(tr("A part of a branch's history must have a step and the values that differed."))
    if not isinstance(entry, dict) or set(entry) != {"step", "values"}:
        raise fault
    step, values = entry["step"], entry["values"]
    pairs = list(values.items()) if isinstance(values, dict) else values
    if type(step) is not int or not 0 <= step <= 100_000 or not isinstance(pairs, list | tuple):
        raise fault
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise fault
        if pair[0] != "loras" and not isinstance(pair[1], Scalar):
            raise fault
        if not isinstance(pair[0], str) or pair[0] in NEVER:
            raise UserError(tr("A branch cannot differ in “{pair}” from its parent.", pair=str(pair[0])[:60]))
    read = ((name, read_loras(value) if name == "loras" else value) for name, value in pairs)
    return Part(step, tuple(read))
