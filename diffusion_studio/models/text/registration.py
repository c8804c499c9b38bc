"""Text models are registered by their place: a small folder of ours names it, and their gigabytes stay where they are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.layout import CARD, SOURCE
from diffusion_studio.models.text import requirements
from diffusion_studio.models.text.cards import described, files_of, size_of, stamp
from diffusion_studio.models.text.components import Prepared
from diffusion_studio.models.text.description import Description, describe
from diffusion_studio.storage import own_files
from diffusion_studio.storage.atomic import stage_new_folder
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, blocks, open_foreign

Places = Generator[Path, None, None]


def register(
    source: Path,
    places: Iterable[Path],
    *,
    title: str = "",
    prediction: str = "",
    rest: ModelCard | None = None,
    licence: str = "",
) -> ModelCard:
    """List the text model at `source` among the installed ones, its files left where they are.

    `places`: free folders to take; `prediction`: what its network predicts, where the file does not say; `rest`: a model of
    the same family from which the parts that are not in the file are taken. Each part is compared with its files first.
    Raises `UserError` saying what is wrong, or what it is instead.
    """
    source = Path(os.path.abspath(source))
    _refuse_known(source)
    description = describe(source, prediction)
    requirements.require()  # only now: what is no text model is said to be none with or without it
    other = _rest_of(description, rest)
    whole = description if other is None else description.with_parts_of(_description_of_card(other))
    facts = _facts(description, whole, prediction, other)
    card = {
        "card_version": 1,
        "title": title or description.title,
        "licence": licence,
        "parameters": sum(facts["parameters"].values()),
    }
    with stage_new_folder(places) as new:
        for name, value in ((SOURCE, facts), (CARD, {key: value for key, value in card.items() if value})):
            (new.stage / name).write_text(
                json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
    return cards.read_card(new.place)


def _facts(
    description: Description, whole: Description, prediction: str, rest: ModelCard | None
) -> dict[str, Any]:
    prepared = {part.role: Prepared(part) for part in whole.components}
    return {
        "version": 1,
        "path": str(description.source),
        "stamp": stamp(description.source),
        "family": description.family.name,
        "prediction": prediction,
        "rest": str(rest.text.source) if rest is not None and rest.text is not None else "",
        "parameters": {role: part.parameters for role, part in prepared.items()},
        "disk": size_of(files_of(description)),
        "described": described(description),
    }


def _refuse_known(source: Path) -> None:
    for card in cards.installed():
        if card.text is not None and card.text.source == source and not card.text.changed:
            raise UserError(
                tr("{source} is already among the models, as “{name}”.", source=source, name=card.name)
            )


def _rest_of(description: Description, named: ModelCard | None) -> ModelCard | None:
    """The model that has the parts which this one lacks: the one named, else the first of its family that is whole."""
    if not description.missing:
        return None
    family = description.family
    missing = ", ".join(description.missing)
    if named is not None:
        if named.text is None or named.text.family != family.name:
            raise UserError(
                tr(
                    "“{name}” is no model of {family}, so its parts do not fit.",
                    name=named.name,
                    family=family.title,
                )
            )
        return named
    for card in cards.installed():
        if (
            card.text is not None
            and card.text.family == family.name
            and card.text.rest is None
            and not card.text.fault
        ):
            return card
    raise UserError(
        tr(
            "{source} holds the network of {family} alone, without {missing}. Import a whole model of {family} first; its "
            "parts are used for this one then.",
            source=description.source,
            family=family.title,
            missing=missing,
        )
    )


def description_of(source: ModelCard | Path) -> Description:
    """The model of a card, with what was chosen for it, or the one at a place. Raises `UserError` where it is not there."""
    return _description_of_card(source) if isinstance(source, ModelCard) else describe(source)


def _description_of_card(card: ModelCard) -> Description:
    facts = card.text
    if facts is None:
        raise UserError(tr("“{name}” is not a model that generates from prompts.", name=card.name))
    if facts.fault:
        raise UserError(facts.fault)
    found = describe(facts.source, facts.prediction)
    if found.missing and facts.rest is not None:
        found = found.with_parts_of(describe(facts.rest))
    return found


def locate(name: str, source: Path) -> ModelCard:
    """Say where the files of a registered model are now. Raises `UserError` where another model is there."""
    card = cards.find(name)
    if card.text is None or not card.text.registered:
        raise UserError(tr("The files of “{name}” are among the models themselves.", name=card.name))
    source = Path(os.path.abspath(source))
    description = describe(source, card.text.prediction)
    known = own_files.read(card.path / SOURCE)
    if description.family.name != card.text.family or size_of(files_of(description)) != card.text.disk:
        raise UserError(
            tr(
                "{source} is another model than “{title}”; import it as one of its own.",
                source=source,
                title=card.title,
            )
        )
    if card.digest and known.get("stamp", [0, 0])[1] != stamp(source)[1] and _hash(source) != card.digest:
        raise UserError(
            tr(
                "{source} is another model than “{title}”; import it as one of its own.",
                source=source,
                title=card.title,
            )
        )
    own_files.change(card.path / SOURCE, lambda facts: {**facts, "path": str(source), "stamp": stamp(source)})
    return cards.read_card(card.path)


# The hash -------------------------------------------------------------------------------------------------------------


def hash_source(source: Path) -> Generator[tuple[int, int], None, str]:
    """The sha256 of a text model: of its file, as other programs name it, else of the files of its network; yields
    (bytes done, bytes in all). Raises `UserError` for a file that cannot be read."""
    if source.is_dir():
        description = describe(source)
        paths = list(description.part(description.family.network).paths)
    else:
        paths = [source]
    digest, done = hashlib.sha256(), 0
    try:
        total = size_of(paths)
        for path in paths:
            with open_foreign(path, LARGEST_WEIGHTS) as file:
                for block in blocks(file, LARGEST_WEIGHTS):
                    digest.update(block)
                    done += len(block)
                    yield done, total
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=error.filename or source, strerror=error.strerror)
        ) from None
    return digest.hexdigest()


def _hash(source: Path) -> str:
    job = hash_source(source)
    while True:
        try:
            next(job)
        except StopIteration as end:
            return str(end.value)


def remember_hash(card: ModelCard) -> ModelCard:
    """Compute the hash of a registered model and keep it on its card, where it has none."""
    if card.text is None or card.digest:
        return card
    digest = _hash(card.text.source)
    own_files.change(card.path / CARD, lambda facts: {**facts, "weights_sha256": digest}, key="card_version")
    return cards.read_card(card.path)
