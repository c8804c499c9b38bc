"""The steps of a generation in words and numbers: what the timeline says, and where an image settles."""

from __future__ import annotations

from collections.abc import Sequence

from diffusion_studio.generation.trajectory import StepFacts
from diffusion_studio.language import tr
from diffusion_studio.ui.widgets.spacing_curve import short

SETTLED_WORDS = tr("Settled: all later steps together change less than 6 levels")
SETTLED = 6.0  # levels (of 255) that all later steps together still change; less is hardly seen


def step_words(fact: StepFacts, total: int, place: int | None = None) -> str:
    """“step 13 of 20 · t 412 · σ 1.27 · SNR 0.62 · change 3.1”; `place`: of this picture of the batch, else the mean."""
    words = [tr("step {index} of {total}", index=fact.index, total=total)]
    if fact.sigma:
        words += [f"t {fact.timestep:.0f}", f"σ {short(fact.sigma)}", f"SNR {short_ratio(fact.snr)}"]
    else:
        words.append(tr("no noise left"))
    change = change_of(fact, place)
    if change is not None:
        words.append(tr("change {change:.1f}", change=change))
    return " · ".join(words)


def figures(fact: StepFacts, total: int, place: int | None = None) -> dict[str, str]:
    """The same as numbers by name; a dash where there is none."""
    change = change_of(fact, place)
    return {
        "step": f"{fact.index} / {total}",
        "t": f"{fact.timestep:.0f}" if fact.sigma else "–",
        "σ": short(fact.sigma),
        "SNR": short_ratio(fact.snr) if fact.sigma else "∞",
        "change": "–" if change is None else f"{change:.1f}",
    }


def hover_words(fact: StepFacts, total: int, place: int | None = None) -> str:
    """The same with the names spelled out, a line each."""
    lines = [tr("Step {index} of {total}", index=fact.index, total=total)]
    if fact.sigma:
        lines.append(tr("Timestep t: {timestep:.0f}", timestep=fact.timestep))
        lines.append(tr("Noise level σ: {short}", short=short(fact.sigma)))
        lines.append(tr("Signal to noise: {short_ratio}", short_ratio=short_ratio(fact.snr)))
    else:
        lines.append(tr("No noise left"))
    change = change_of(fact, place)
    if change is not None:
        lines.append(tr("Change of the prediction: {change:.1f} of 255 levels", change=change))
    return "\n".join(lines)


def short_ratio(number: float) -> str:
    return f"{number:.1e}" if 0 < number < 0.001 else short(number)


def change_of(fact: StepFacts, place: int | None) -> float | None:
    """How far a step moved the prediction of one picture, or of all in the mean, in levels of 0 to 255."""
    if fact.change is None or not len(fact.change):
        return None
    return float(fact.change[place] if place is not None and place < len(fact.change) else fact.change.mean())


def changes_of(facts: Sequence[StepFacts], place: int | None) -> list[float | None]:
    return [change_of(fact, place) for fact in facts]


def settled_at(changes: Sequence[tuple[int, float]], total: int) -> int | None:
    """The first step after which all others together change less than can be seen; None where that is not known, or the last."""
    if not changes or changes[-1][0] < total:
        return None
    left, result = 0.0, total
    for index, change in reversed(changes):
        left += change
        if left > SETTLED:
            break
        result = index - 1
    return result if 0 < result < total else None


def kept_words(stride: int) -> str:
    """Says when only some steps are kept."""
    if stride <= 1:
        return ""
    ending = {2: "2nd", 3: "3rd"}.get(stride, f"{stride}th")
    return tr("every {ending} step is kept", ending=ending)
