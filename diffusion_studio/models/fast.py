"""Models that are fast enough to follow the hand: the fast companion of a model, what a step of one takes here, and in how many
steps an image is generated while a control moves. No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import cache_dir

CONSISTENCY = "consistency"  # the sampler of models made fast
# Seconds an image of 32 × 32 takes at most where the least steps allow it, for two of them are behind a moving hand; one of
# twice the side has twice as long, up to 64 ms, for a second step is worth more there (Portraits 128 fast: KID16 179 for 1,113).
AIM, AIM_SIDE, LONGEST_AIM = 0.016, 32, 0.064
SLOWEST = 0.25  # seconds above which an image does not follow the hand any more
MOST_STEPS = 4
LEAST_STEPS = 2  # of a model that was not made fast: its first step shows only the mean of all its images
FEW_STEPS: dict[str, Any] = {
    "sampler": "dpmpp_2m",
    "eta": 0.0,
    "churn": 0.0,
    "autoguidance": 1.0,
}  # the sampler of the least error in four steps (measured), and one network a step
NEWER = 0.3  # share of the newest time in the one that is kept
TIMES = "step_times.json"


def is_fast(card: ModelCard) -> bool:
    """Whether it generates in one to eight steps by itself."""
    return card.defaults().sampler == CONSISTENCY or bool(card.trained.get("teacher"))


def companion_of(card: ModelCard, cards: Sequence[ModelCard]) -> ModelCard | None:
    """The model that was made fast from this one and generates the same: as large, of the same classes. The newest of several."""
    found = [
        other
        for other in cards
        if other.trained.get("teacher") == card.name
        and is_fast(other)
        and (other.sides, other.channels, other.classes) == (card.sides, card.channels, card.classes)
    ]
    return max(found, key=lambda other: (str(other.trained.get("date", "")), other.name), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePlan:
    """How a model generates while a control moves. `seconds`: of one image, where that is known."""

    card: ModelCard
    steps: int
    seconds: float | None

    @property
    def able(self) -> bool:
        """Whether it follows the hand; where nothing is known yet, it may try."""
        return self.seconds is None or self.seconds <= SLOWEST

    def settings(self, wanted: GenerationSettings) -> GenerationSettings:
        """One image of what is wanted, in these few steps. Guidance is part of a model that was made fast."""
        own: dict[str, Any] = {
            "model": self.card.name,
            "steps": self.steps,
            "count": 1,
            "batch": "",
            "until": 0,
            "history": (),
        }
        if not is_fast(self.card):
            return replace(wanted, **own, **FEW_STEPS, resamples=1)
        recipe = self.card.defaults()
        named = ("sampler", "spacing", "eta", "churn", "clipping", "guidance", "autoguidance", "shift")
        return replace(wanted, **own, **{name: getattr(recipe, name) for name in named}, resamples=1)


def live_plan(card: ModelCard, cards: Sequence[ModelCard]) -> LivePlan:
    """How a model, or its fast companion, generates while a control moves: in as many of 1 to 4 steps as there is time for."""
    used = card if is_fast(card) else companion_of(card, cards) or card
    own = used.defaults()
    least = LEAST_STEPS if not is_fast(used) else 1 if own.sampler == CONSISTENCY else own.steps
    seconds = step_seconds(used)
    if seconds is None:
        return LivePlan(card=used, steps=least, seconds=None)
    aim = min(AIM * max(max(used.sides) / AIM_SIDE, 1.0), LONGEST_AIM)
    steps = max(min(int(aim / max(seconds, 1e-6)), MOST_STEPS), least)
    if is_fast(used) and own.sampler != CONSISTENCY:
        steps = own.steps  # it learned these noise levels alone
    return LivePlan(card=used, steps=steps, seconds=steps * seconds)


def step_seconds(card: ModelCard) -> float | None:
    """What one step of one image took on this machine; None where none was measured."""
    kept = own_files.read(cache_dir() / TIMES).get(_key(card))
    return float(kept) if isinstance(kept, int | float) and 0 < kept < 1e6 else None


def keep_step_seconds(card: ModelCard, seconds: float) -> None:
    """Remember what a step took; a little of what was known stays, so that one slow moment decides nothing."""
    known = step_seconds(card)
    mixed = seconds if known is None else NEWER * seconds + (1 - NEWER) * known
    with suppress(OSError, UserError):  # a cache that cannot be written only means measuring again
        own_files.change(cache_dir() / TIMES, lambda kept: {**kept, _key(card): mixed})


def _key(card: ModelCard) -> str:
    return f"{card.name} {card.digest[:10]}"
