"""The past of a branch: which settings led to it, and up to which step.

A branch is its own settings, and a `Part` for each part of the sampling before it that says in what that one differed. From
these the branch can be generated again from the first noise, without the file of its parent.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from diffusion_studio.settings import batch_rows
from diffusion_studio.settings.blend import read_blend
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.history import NEVER, Part, Value
from diffusion_studio.settings.options import LARGEST_SEED, with_values


def branch(parent: GenerationSettings, step: int, **changes: Any) -> GenerationSettings:
    """The settings of a branch of `parent` (GenerationSettings) that leaves it at `step`."""
    child = dataclasses.replace(parent, **{"until": 0, **changes, "history": ()})
    return _with_past(child, [*_walked(parent), (_alone(parent), step)])


def parts(settings: GenerationSettings) -> list[tuple[GenerationSettings, int]]:
    """The parts before the last one, first to last: (settings, the step at which it was left)."""
    walked = _walked(settings)
    return [(_with_past(own, walked[:place]), step) for place, (own, step) in enumerate(walked)]


def _walked(settings: GenerationSettings) -> list[tuple[GenerationSettings, int]]:
    """As `parts`, but each without a past of its own."""
    walked = []
    for part in settings.history:
        values: dict[str, Any] = {**dict(part.values), "history": ()}
        walked.append((dataclasses.replace(settings, **values), part.step))
    return walked


def _with_past(
    settings: GenerationSettings, walked: list[tuple[GenerationSettings, int]]
) -> GenerationSettings:
    past = tuple(Part(step, _difference(before, settings)) for before, step in walked)
    return with_values(settings, history=past)


def _alone(settings: GenerationSettings) -> GenerationSettings:
    return with_values(settings, history=())


def root(settings: GenerationSettings) -> GenerationSettings:
    """The settings of the first part: those of the first noise."""
    return parts(settings)[0][0] if settings.history else settings


def single(settings: GenerationSettings, index: int) -> GenerationSettings:
    """What generates image `index` of a batch again by itself: its own seeds, count 1, in every part of its past.

    It keeps its place in its batch, without which the bits would not be the same.
    """
    walked = [(_one(before, index), step) for before, step in _walked(settings)]
    return _with_past(_one(_alone(settings), index), walked)


def _one(settings: GenerationSettings, index: int) -> GenerationSettings:
    own = _own_seeds(settings, index)
    return with_values(
        settings, **own, count=1, batch=batch_rows.alone(settings.batch, settings.count, index)
    )


def in_batch(settings: GenerationSettings, batch: str) -> GenerationSettings:
    """The same, but the last part works on these rows at once; the parts before it stay as they were."""
    return _with_past(with_values(_alone(settings), batch=batch), _walked(settings))


def _own_seeds(settings: GenerationSettings, index: int) -> dict[str, Any]:
    """Images of a batch count up from the seed, and from those it is blended with; variations share them and count up from the
    second seed."""
    size = LARGEST_SEED + 1
    if settings.variation_strength > 0 and settings.variation_seed is not None:
        return {"seed": settings.seed, "variation_seed": (settings.variation_seed + index) % size}
    blend = read_blend(settings.blend)
    return {
        "seed": ((settings.seed or 0) + index) % size,
        "variation_seed": settings.variation_seed,
        "blend": "" if blend is None else str(blend.shifted(index)),
    }


def _difference(settings: GenerationSettings, child: GenerationSettings) -> tuple[tuple[str, Value], ...]:
    names = [f.name for f in dataclasses.fields(settings) if f.name not in NEVER]
    found = ((name, getattr(settings, name)) for name in names)
    return tuple((name, value) for name, value in found if value != getattr(child, name))
