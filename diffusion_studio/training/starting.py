"""What a training of few images starts from, where it was not said: a broad model converges sooner and copies less than none.

Moon et al. 2022 (arXiv 2211.03264).
"""

from __future__ import annotations

from dataclasses import replace

from diffusion_studio.models import cards
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.pictures.folder_listing import find_pictures, picture_folder
from diffusion_studio.settings.training import SCRATCH, TrainingSettings

FEW = 300  # images
OWN = (
    "model_size",
    "space",
    "schedule",
    "prediction",
    "timesteps",
)  # of the network that would not be trained then


def with_start(settings: TrainingSettings) -> tuple[TrainingSettings, ModelCard | None]:
    """The settings with what they start from, and the model that was chosen for them, if any.

    Nothing is chosen for many images, nor where something of the network was asked for.
    """
    if settings.start_from == SCRATCH:
        return replace(settings, start_from=""), None
    usual = TrainingSettings()
    if settings.start_from or any(getattr(settings, name) != getattr(usual, name) for name in OWN):
        return settings, None
    fitting = [card for card in cards.installed() if card.broad and not card.prompted]
    if not fitting:
        return settings, None
    count = sum(1 for _ in find_pictures(picture_folder(settings.folder)))
    if not 0 < count <= FEW:
        return settings, None
    chosen = min(fitting, key=lambda card: (abs(card.size - settings.size), card.title))
    return replace(settings, start_from=chosen.name), chosen
