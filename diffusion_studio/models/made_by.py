"""Between images and models: which installed model made an image, and what an image says of the model that made it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from diffusion_studio import __version__
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.pictures.reading import Record
from diffusion_studio.settings.generation import GenerationSettings


def find_model(record: Record) -> ModelCard:
    """The installed model that drew a picture, by its name or the hash of its weights, never by a path."""
    names = [str(record.given.get("model", "")), str(record.facts.get("model_title", ""))]
    digest = str(record.facts.get("model_hash", ""))
    for name in filter(None, names):
        with suppress(UserError):
            return cards.find(name)
    card = cards.find_by_hash(digest) if digest else None
    if card is not None:
        return card
    called = next(filter(None, [*names, digest]), "")
    if not called:
        raise UserError(tr("{path} does not say which model drew it.", path=record.path))
    known = ", ".join(card.name for card in cards.installed()[:20]) or "none"
    raise UserError(
        tr(
            "The model “{called}” that drew {path} is not installed; installed are: {known}.",
            called=called[:80],
            path=record.path,
            known=known,
        )
    )


def known_facts(settings: GenerationSettings, size: tuple[int, int]) -> dict[str, Any]:
    """What a film's or a sheet's metadata says besides the settings, as far as it can be known without the model."""
    facts = {
        "width": size[0],
        "height": size[1],
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "app_version": __version__,
    }
    with suppress(UserError):
        card = cards.find(settings.model)
        facts |= {"model_title": card.title} | ({"model_hash": card.digest[:10]} if card.digest else {})
    return facts
