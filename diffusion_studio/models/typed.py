"""Models that the user names by their place: a folder or a zip typed on the command line, never one from a picture."""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.storage.foreign_zip import is_zip

_places: dict[Path, ModelCard] = {}
_unpacked = ExitStack()  # folders that last as long as the process


def find_typed(word: str) -> ModelCard:
    """The installed model of this name or title, else the one in the folder or zip of this path. Raises `UserError`."""
    names = {cards.folded(text) for card in cards.installed() for text in (card.name, card.title)}
    path = Path(word).expanduser()
    if not word or cards.folded(word) in names or not (path.is_dir() or path.is_file()):
        if _is_place(word) and cards.folded(word) not in names:
            raise UserError(
                tr("There is no model at {word}, nor is one of that name installed.", word=word[:300])
            )
        return cards.find(word)
    place = path.resolve()
    if place not in _places:
        _places[place] = cards.add_opened(_open(place))
    return _places[place]


def _is_place(word: str) -> bool:
    return os.sep in word or "/" in word or word.lower().endswith(".zip")


def _open(place: Path) -> ModelCard:
    from diffusion_studio.models.import_sources import model_root, name_of, unzipped
    from diffusion_studio.models.recognise import explain

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
