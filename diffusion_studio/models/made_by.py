"""Which of the installed models made a picture."""

from __future__ import annotations

from contextlib import suppress

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.pictures.reading import Record


def find_model(record: Record) -> cards.ModelCard:
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
