"""What a training of few images starts from, where it was not said: a broad model converges sooner and copies less than none.

Moon et al. 2022 (arXiv 2211.03264).
"""

from __future__ import annotations

from dataclasses import replace

from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.pictures.folder_listing import find_pictures, picture_folder
from diffusion_studio.settings.recipes import RECIPES, recipe_of, settings_of
from diffusion_studio.settings.training import SCRATCH, TrainingSettings

FEW = 300  # images
NEAR = 2  # times larger or smaller: what was learned at another scale helps little
OWN = (
    "model_size",
    "space",
    "schedule",
    "prediction",
    "timesteps",
)  # of the network that would not be trained then


def with_start(settings: TrainingSettings) -> tuple[TrainingSettings, ModelCard | None]:
    """The settings with what they start from, and the model that was chosen for them, if any.

    Nothing is chosen for many images, nor where something of the network was asked for. A recipe then has as many steps as a
    trained model needs.
    """
    if settings.start_from == SCRATCH:
        return replace(settings, start_from=""), None
    if settings.start_from or not broad_models():
        return settings, None
    chosen = fitting_start(settings, sum(1 for _ in find_pictures(picture_folder(settings.folder))))
    if chosen is None:
        return settings, None
    recipe, started = recipe_of(settings), replace(settings, start_from=chosen.name)
    if recipe:
        started = replace(started, steps=settings_of(recipe, started)["steps"])
    return started, chosen


def fitting_start(settings: TrainingSettings, count: int) -> ModelCard | None:
    """The broad model that a training of `count` images should start from; None where it should start from nothing."""
    if not 0 < count <= FEW or asked_for_a_network(settings):
        return None
    fitting = [card for card in broad_models() if card.size <= NEAR * settings.size <= NEAR**2 * card.size]
    return min(fitting, key=lambda card: (abs(card.size - settings.size), card.title), default=None)


def broad_models() -> list[ModelCard]:
    """The installed models that were trained on many kinds of images."""
    return [card for card in cards.installed() if card.broad and not card.prompted]


def asked_for_a_network(settings: TrainingSettings) -> bool:
    """Whether something of the network is neither as usual nor as a recipe has it."""
    usual = TrainingSettings()
    recipes = [settings_of(name, settings) for name in RECIPES]
    return any(
        getattr(settings, name)
        not in {getattr(usual, name), *(recipe[name] for recipe in recipes if name in recipe)}
        for name in OWN
    )
