"""The installed models as a collection: bring one in, give one away, rename, copy, check, delete with a way back.

Nothing is downloaded and nothing is unpickled; what comes in is opened once, from end to end, before it counts as installed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models import cards, layout
from diffusion_studio.models.card import RECOMMENDED, ModelCard
from diffusion_studio.models.folder import read_model, weights_digest
from diffusion_studio.models.import_sources import (
    choices_of,
    files_of,
    find_source,
    licence,
    model_root,
    name_of,
    text_model_root,
    unzipped,
)
from diffusion_studio.models.kinds import kind_of
from diffusion_studio.models.layout import CARD
from diffusion_studio.models.recognise import explain
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage import own_files
from diffusion_studio.storage.atomic import stage_new_folder
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, copy_foreign
from diffusion_studio.storage.foreign_zip import is_zip
from diffusion_studio.storage.paths import numbered
from diffusion_studio.storage.places import models_dir, trash

MOST_OF_ONE_NAME = 10_000


def import_model(
    source: Path | str, name: str | None = None, *, prediction: str = "", rest: ModelCard | None = None
) -> ModelCard:
    """Copy a diffusers folder (a pipeline or a network alone) or a zip of one among the installed models.

    A text model, a folder or a `.safetensors` file, is listed by its place and not copied; `prediction` and `rest` are for
    those alone, see `registration.register`.

    A text may also be the name or the address of a model of the hub, where its cache on this computer holds it.

    It is opened before and compared after. Raises `UserError` saying what is wrong, or what the source is instead.
    """
    source = find_source(str(source))
    if source.suffix.lower() == ".zip" and is_zip(source):
        with unzipped(source) as folder:
            try:
                return _import_folder(model_root(folder), name, source.stem)
            except UserError as error:
                said = str(error).replace(f"{folder} is a folder without", f"{source} is a zip without")
                raise UserError(said.replace(str(folder), str(source)), error.details) from None
    root = text_model_root(source)
    if root is not None:
        return _register(root, name, prediction, rest)
    if prediction or rest is not None:
        raise UserError(
            tr(
                "{source} is not a text model, so no prediction and no other model's parts can be chosen.",
                source=source,
            )
        )
    if not source.is_dir():
        raise UserError(explain(source))
    root = model_root(source)
    return _import_folder(root, name, name_of(root))


def _register(root: Path, name: str | None, prediction: str, rest: ModelCard | None) -> ModelCard:
    from diffusion_studio.models.text import registration

    own = root.stem if root.is_file() else name_of(root)
    card = registration.register(
        root,
        _free_places(name or own),
        title=_unused_title(name or own),
        prediction=prediction,
        rest=rest,
        licence=licence(root) if root.is_dir() else "",
    )
    return registration.remember_hash(card)


def _import_folder(root: Path, name: str | None, folder: str) -> ModelCard:
    """`name` is what the user calls it; otherwise it keeps its title, and takes the name of its `folder`.

    A title that another model has gets a number, as the folder does: models are renamed, found and undone by their titles.
    """
    card = cards.read_card(root)
    kind_of(card)
    checkpoint = read_model(root)
    parameters = sum(weight.numel() for weight in checkpoint.network.parameters())
    with stage_new_folder(_free_places(name or folder)) as new:
        stage = new.stage
        for file, place in files_of(root):
            _copy(file, stage / place, root)
        if weights_digest(stage) != checkpoint.digest:
            raise UserError(tr("{root} changed while it was copied; try again.", root=root))
        facts = _json(stage / CARD)
        written = {
            "card_version": 1,
            "licence": licence(root),
            **facts,
            "title": _unused_title(str(name or facts.get("title") or new.place.name), new.place.name),
            "parameters": parameters,
            "weights_sha256": checkpoint.digest,
        }
        if remarks := list(choices_of(root)):
            written["remarks"] = remarks
        (stage / CARD).write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return cards.read_card(new.place)


def _copy(file: Path, target: Path, root: Path) -> None:
    """Copy one file of the model in `root`. Raises `UserError` for what is no regular file inside that folder."""
    target.parent.mkdir(exist_ok=True)
    try:
        copy_foreign(file, target, LARGEST_WEIGHTS, within=root)
    except OSError as error:
        if error.filename != str(file):
            raise  # about the place it is copied to
        raise UserError(
            tr("{file} cannot be read: {strerror}.", file=file, strerror=error.strerror), str(error)
        ) from None


def _json(path: Path) -> dict[str, Any]:
    return layout.read_small_json(path) if path.is_file() else {}


def _free_places(name: str) -> Iterator[Path]:
    """Folders among the models that nobody has, named as nearly so as file systems allow: NAME, NAME-2 and so on."""
    plain = re.sub(r"[^\w.+ -]+", "-", name).strip(" .-")[:80] or "model"
    taken = {card.name.casefold() for card in cards.installed()}
    for place in islice(numbered(models_dir() / plain, folder=True), MOST_OF_ONE_NAME):
        if place.name.casefold() not in taken and not os.path.lexists(place):
            yield place
    raise UserError(
        tr("There are too many models called “{name}” in {folder}.", name=plain, folder=models_dir())
    )


# In place -------------------------------------------------------------------------------------------------------------


def delete_model(name: str) -> Path:
    """Move an installed model to the trash; `places.restore(returned, card.path)` brings it back."""
    card = _named(name)
    if card.starter:
        raise UserError(
            tr(
                "{title} comes with the application and cannot be deleted; a copy of it can.",
                title=card.title,
            )
        )
    return trash(card.path)


def rename_model(name: str, title: str) -> ModelCard:
    """Give a model another title. Its folder, by which pictures know it, keeps its name."""
    card = _named(name)
    if card.starter:
        raise UserError(
            tr(
                "{title} comes with the application and cannot be renamed; a copy of it can.",
                title=card.title,
            )
        )
    title = _free_title(title, card.name)
    _change_card(card, lambda facts: {**facts, "title": title})
    return cards.read_card(card.path)


def _free_title(title: str, name: str = "") -> str:
    """A title in one line that no model but the one called `name` goes by."""
    title = " ".join(title.split())[:120]
    if not title:
        raise UserError(tr("A model needs a name of at least one letter."))
    for other in cards.installed():
        if other.name != name and title.casefold() in (other.title.casefold(), other.name.casefold()):
            raise UserError(tr("Another model is called “{title}”; choose another name.", title=title))
    return title


def duplicate_model(name: str, title: str | None = None) -> ModelCard:
    """A second, independent copy of a model; a starter's copy belongs to the user."""
    card = cards.find(name)
    given = None if title is None else _free_title(title)
    with stage_new_folder(_free_places(given or f"{card.name} copy")) as new:
        stage = new.stage
        for file, place in _small_files(card) if layout.is_registered(card.path) else files_of(card.path):
            _copy(file, stage / place, card.path)
        recommended = {"recommended": dict(card.recommended)} if card.recommended else {}
        facts = {**_json(stage / CARD), **recommended, "title": given or _copied_title(card.title)}
        facts.pop("recommended_at_first", None)
        (stage / CARD).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return cards.read_card(new.place)


def _small_files(card: ModelCard) -> Iterator[tuple[Path, str]]:
    """What a registered model has among the models: a copy of it names the same files."""
    yield from ((card.path / name, name) for name in (CARD, layout.SOURCE) if (card.path / name).is_file())


def _copied_title(title: str) -> str:
    """“Faces copy”, “Faces copy 2” and so on: one nobody has."""
    return _unused_title(tr("{title} copy", title=title[:100]))


def _unused_title(title: str, name: str = "") -> str:
    """The title in one line, with the first number from 2 on where another model than the one called `name` has it."""
    plain = " ".join(title.split())[:110] or name
    for number in range(1, MOST_OF_ONE_NAME):
        own = plain + (f" {number}" if number > 1 else "")
        try:
            return _free_title(own, name)
        except UserError:
            continue
    raise UserError(tr("There are too many models with the title “{title}”.", title=plain))


def recommend(name: str, values: Mapping[str, Any] | None) -> ModelCard:
    """Keep the settings to start from with a model; None goes back to what it came with.

    They are part of an own model's card, and go with it where it is exported. A starter's folder is not written to:
    what is recommended for it lies beside, in `layout.notes_file`. Raises `UserError` naming the first value that is wrong.
    """
    card = cards.find(name)
    if values is not None:
        settings = GenerationSettings(**{key: values[key] for key in values if key in RECOMMENDED})
        values = {key: getattr(settings, key) for key in values if key in RECOMMENDED}
    if card.starter:
        own_files.change(layout.notes_file(card.name), lambda notes: _with_recommended(notes, values))
    else:
        _change_card(card, lambda facts: _recommending(facts, values))
    return cards.read_card(card.path, starter=card.starter)


def _with_recommended(notes: dict[str, Any], values: Mapping[str, Any] | None) -> dict[str, Any]:
    others = {name: value for name, value in notes.items() if name != "recommended"}
    return others if values is None else {**others, "recommended": dict(values)}


def _recommending(facts: dict[str, Any], values: Mapping[str, Any] | None) -> dict[str, Any]:
    came_with = facts.get("recommended_at_first", facts.get("recommended", {}))
    recommended = came_with if values is None else dict(values)
    return {**facts, "recommended_at_first": came_with, "recommended": recommended}


def _change_card(card: ModelCard, do: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    own_files.change(card.path / CARD, do, key="card_version")


def set_default(name: str) -> ModelCard:
    """The model that is used where none is named."""
    card = cards.find(name)
    own_files.change(layout.default_file(), lambda chosen: {**chosen, "model": card.name})
    return card


def _named(name: str) -> ModelCard:
    """The model of this name, never the default one."""
    if not name:
        raise UserError(tr("Name the model."))
    return cards.find(name)
