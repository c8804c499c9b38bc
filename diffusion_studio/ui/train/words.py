"""The words of the Train page: guessed durations, and what a training takes."""

from __future__ import annotations

from collections.abc import Mapping

from diffusion_studio.diffusion.names import PREDICTIONS, SPACES
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.training import LATENTS
from diffusion_studio.settings.units import duration, millions
from diffusion_studio.training_events import Estimated

STATES: Mapping[str, str] = {
    "running": tr("Training now"),
    "stopped": tr("Stopped"),
    "finished": tr("Finished"),
}


def about(seconds: float) -> str:
    """A duration that is a guess: “40 s”, “12 min”, “3 h 20 min”, “44 h”."""
    if seconds >= 36_000:
        return duration(round(seconds / 3600) * 3600)
    if seconds < 10:
        return tr("{seconds} s", seconds=max(round(seconds), 1))
    return duration(round(seconds / 60) * 60 if seconds >= 60 else round(seconds))


def cost(estimate: Estimated, steps: int, minutes: float) -> str:
    """“About 69 steps in 2 min (1.8 s/step) · 0.4 GB RAM”; of a run that ends by steps, the time is the guess."""
    step = max(estimate.step_seconds, 1e-6)
    memory = tr("{gigabytes:.1f} GB RAM", gigabytes=estimate.memory_bytes / 1e9)
    if steps:
        length = tr(
            "{steps:,} steps in about {time} ({step:.2g} s/step)",
            steps=steps,
            time=about(steps * step),
            step=step,
        )
    else:
        count = max(1, round(60 * minutes / step))
        length = tr(
            "About {steps:,} steps in {time} ({step:.2g} s/step)",
            steps=count,
            time=about(60 * minutes),
            step=step,
        )
    return f"{length} · {memory}"


def network_words(card: ModelCard) -> dict[str, str]:
    """What a training keeps of the model it starts from, by the name of its setting."""
    return {
        "model_size": millions(card.parameters),
        "space": SPACES[LATENTS if card.autoencoder is not None else card.network.space],
        "schedule": tr("That of {title}", title=card.title),
        "prediction": PREDICTIONS.get(card.prediction, card.prediction),
    }


def ended(outcome: str, title: str) -> str:
    """How a training ended, for a notification; "" where the user has just asked for the end."""
    if outcome == "failed":
        return tr("Training “{title}” failed.", title=title)
    return tr("Training “{title}” has ended.", title=title) if outcome == "finished" else ""
