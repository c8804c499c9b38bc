"""Models that the user names by their place: a folder, a zip or a file typed on the command line, never one from a picture."""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard, folded
from diffusion_studio.storage.foreign_zip import is_zip
from diffusion_studio.storage.places import models_dir

_places: dict[Path, ModelCard] = {}
_unpacked = ExitStack()  # folders that last as long as the process


def find_typed(word: str) -> ModelCard:
    """The installed model of this name or title, else the one in the folder or zip of this path. Raises `UserError`."""
    names = {folded(text) for card in cards.installed() for text in (card.name, card.title)}
    path = Path(word).expanduser()
    if not word or folded(word) in names or not (path.is_dir() or path.is_file()):
        if _is_place(word) and folded(word) not in names:
            raise UserError(
                tr("There is no model at {word}, nor is one of that name installed.", word=word[:300])
            )
        return cards.find(word)
    place = path.resolve()
    if place not in _places:
        card = _open(place)
        _places[place] = card if card.path.parent == models_dir() else cards.add_opened(card)
    return _places[place]


def _is_place(word: str) -> bool:
    return os.sep in word or "/" in word or word.lower().endswith((".zip", ".safetensors"))


def _open(place: Path) -> ModelCard:
    from diffusion_studio.models.import_sources import model_root, name_of, text_model_root, unzipped
    from diffusion_studio.models.recognise import explain

    text_model = text_model_root(place)
    if text_model is not None:
        return _open_text_model(text_model)
    if place.is_dir():
        root = model_root(place)
        return replace(cards.read_card(root), name=name_of(root))
    if place.suffix.lower() != ".zip" or not is_zip(place):
        raise UserError(explain(place))
    if not _places:
        atexit.register(_unpacked.close)
    folder = _unpacked.enter_context(unzipped(place))
    try:
        return replace(cards.read_card(model_root(folder)), name=place.stem)
    except UserError as error:
        raise UserError(str(error).replace(str(folder), str(place)), error.details) from None


def _open_text_model(place: Path) -> ModelCard:
    """In place, whether it is registered or not; the registered one's card where it is."""
    from diffusion_studio.models.import_sources import name_of
    from diffusion_studio.models.text.cards import card_of
    from diffusion_studio.models.text.description import describe

    known = next((card for card in cards.installed() if card.text and card.text.source == place), None)
    if known is not None and known.text is not None and not known.text.changed:
        return known
    return card_of(describe(place), name_of(place) if place.is_dir() else place.stem, place)
