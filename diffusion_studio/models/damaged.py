"""Folders among the user's models that cannot be read as one, each with the reason."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.cards import model_folders, read_card
from diffusion_studio.storage.places import models_dir

SIGNS = ("model_index.json", "card.json")  # of a folder that was meant to be a model


@dataclass(frozen=True, slots=True)
class DamagedFolder:
    path: Path
    reason: str  # a sentence


def damaged_folders() -> list[DamagedFolder]:
    """Those that `cards.installed` leaves out. Weights are not opened for this: verifying a model does that."""
    place, found = models_dir(), []
    known = list(model_folders(place))
    with suppress(OSError):
        meant = [folder for folder in sorted(place.iterdir()) if not folder.name.startswith(".")]
        found = [
            DamagedFolder(folder, tr("It has no unet/config.json, so it is no complete model."))
            for folder in meant
            if any((folder / name).is_file() for name in SIGNS)
            and not (folder / "unet").is_dir()
            and folder not in known
        ]
    for folder in known:
        try:
            read_card(folder)
        except UserError as error:
            found.append(DamagedFolder(folder, str(error).replace(f"{folder}{os.sep}", "")))
    return found
