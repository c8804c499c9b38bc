"""Recipes for a training, from a quick test to the best this computer can do, and what to expect after so many steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from diffusion_studio.language import tr
from diffusion_studio.settings.training import LATENTS, TrainingSettings

USUAL_SIZE, USUAL_BATCH = 32, 32  # pixels and images a step, for which the numbers below were found
# Pixels, from which a network sees Haar bands: at 64, ten minutes on two cores gave half the KID16 of plain pixels (369 for 744).
LARGE = 64
# What an image counts for with Muon, in those AdamW needs: 16,000 of 64 × 64 made figures with blotches, 25,000 of 128 × 128 in
# latents drawn faces with flaws and 71,000 good ones, where AdamW took 40,000 and 200,000 of 32 × 32.
MUON_COUNTS = 3
SEEN_SMALLER = {"haar": 2, "haar2": 4, LATENTS: 4}  # times that what a network sees is smaller than its image
LATENTS_FROM = 128  # pixels; the details of smaller images are lost in latents of a quarter of their side
FINE_TUNING = 0.2  # share of the images that a model needs which has been trained before
# Share of a recipe's steps that it is trained for: 100 figures from the broad starter had heads with faces after 300 steps.
TUNED_STEPS = 0.6
DISTILLING = (
    0.05  # of a student, which begins as its teacher: faces without flaws in shape after 140 steps (starter)
)
FEW = 100  # images, below which a model mostly repeats them

NOISE, SHAPES, RECOGNISABLE, GOOD = "noise", "shapes", "recognisable", "good"
# The starter model (packaging/starter/README.md) had seen 466,000 images of 32 × 32 when its images were good.
NEEDED = ((GOOD, 200_000), (RECOGNISABLE, 40_000), (SHAPES, 16_000), (NOISE, 0))
EXPECTED: Mapping[str, str] = {
    NOISE: tr("mostly noise"),
    SHAPES: tr("rough shapes and colours, without detail"),
    RECOGNISABLE: tr("recognisable images with visible flaws"),
    GOOD: tr("good images"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`steps` are those for images of 32 × 32; larger ones take more."""

    title: str
    purpose: str
    steps: int
    values: Mapping[str, Any]  # further settings by name


RECIPES: Mapping[str, Recipe] = {
    "quick": Recipe(
        title=tr("Quick test"),
        purpose=tr("See whether these images and settings work."),
        steps=450,
        values={"model_size": "small", "sample_every": 30.0, "posthoc_ema": False},
    ),
    "good": Recipe(
        title=tr("Good"),
        purpose=tr("A model worth keeping."),
        steps=4_000,
        values={"model_size": "small", "sample_every": 60.0, "posthoc_ema": False},
    ),
    "best": Recipe(
        title=tr("Best"),
        purpose=tr("A larger network, three times the steps, and an EMA that can be chosen afterwards."),
        steps=12_000,
        values={"model_size": "medium", "sample_every": 120.0, "posthoc_ema": True},
    ),
}


def settings_of(recipe: str, settings: TrainingSettings) -> dict[str, Any]:
    """What a recipe sets, by name, for a run of these settings: its size, and whether it starts from a model."""
    values: dict[str, Any] = {**RECIPES[recipe].values, "minutes": 0.0}
    if settings.from_model:  # whose network it keeps
        del values["model_size"]
    else:
        values["space"] = "haar" if settings.size >= LARGE and settings.size % 2 == 0 else "pixels"
    return {**values, "steps": _steps(recipe, settings, values.get("space", settings.space))}


def applied(recipe: str, settings: TrainingSettings, *, given: Collection[str] = ()) -> TrainingSettings:
    """The settings with those of the recipe, except the ones in `given`, which were asked for by name."""
    values = {name: value for name, value in settings_of(recipe, settings).items() if name not in given}
    if {"steps", "minutes"} & set(given):
        values = {name: value for name, value in values.items() if name not in ("steps", "minutes")}
    return replace(settings, **values)


def recipe_of(settings: TrainingSettings) -> str:
    """The name of the recipe that these settings follow; "" for settings of one's own."""
    for name in RECIPES:
        if all(getattr(settings, key) == value for key, value in settings_of(name, settings).items()):
            return name
    return ""


def expected(settings: TrainingSettings, steps: int, batch: int = 0) -> str:
    """What a model generates after so many steps of `batch` images (0: that of the settings): a key of `EXPECTED`.

    Images count in full up to the usual batch and by the root of their number beyond, as the noise of a gradient falls.
    """
    batch = batch or settings.batch or USUAL_BATCH
    share = batch / USUAL_BATCH
    seen = steps * USUAL_BATCH * (share if share < 1 else share**0.5)
    if settings.optimizer == "muon" and not settings.from_model:
        seen *= MUON_COUNTS
    return next(level for level, needed in NEEDED if seen >= needed * _factor(settings, settings.space))


def space_advice(settings: TrainingSettings, *, few_colours: bool = False) -> str:
    """Where pixels, or their Haar bands, are better than the latents that were chosen, in a sentence; "" where not."""
    if settings.space != LATENTS or settings.from_model:
        return ""
    if few_colours:
        return tr(
            "Images of few colours come out truer as pixels or Haar bands than through the autoencoder of latents."
        )
    if settings.size < LATENTS_FROM:
        return tr(
            "Images under {size} pixels come out truer as pixels or Haar bands than through the autoencoder of latents.",
            size=LATENTS_FROM,
        )
    return ""


def expectation(level: str, images: int) -> str:
    """The expectation as a sentence, with a warning where there are few images."""
    sentence = tr("Expect {what}.", what=EXPECTED[level])
    if 0 < images < FEW:
        sentence += " " + tr("With so few images, a model mostly repeats them.")
    return sentence


def _steps(recipe: str, settings: TrainingSettings, space: str) -> int:
    """Rounded to two digits: nobody wants 1,499 of them."""
    steps = RECIPES[recipe].steps * _factor(settings, space)
    if settings.from_model and settings.distil is None:
        steps *= TUNED_STEPS / FINE_TUNING
    unit: int = 10 ** max(len(str(round(steps))) - 2, 0)
    return max(round(steps / unit) * unit, 1)


def _factor(settings: TrainingSettings, space: str) -> float:
    """How much more is needed than for images of the usual size from scratch, as the network sees them."""
    begun = DISTILLING if settings.distil is not None else FINE_TUNING if settings.from_model else 1.0
    return max(settings.size / SEEN_SMALLER.get(space, 1) / USUAL_SIZE, 1.0) * begun
