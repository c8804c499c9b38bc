"""Which models are installed and what each one is, read from their small JSON files: no torch, no weights.

A model is a diffusers folder; beside `model_index.json` ours carry `card.json` (title, classes, recommended settings,
how it was trained) and `samples.png`. Folders without a card are described from their configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from diffusion_studio.diffusion import scheduler_config
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard, folded
from diffusion_studio.models.layout import (
    AUTOENCODER,
    CARD,
    default_file,
    is_registered,
    line,
    notes_file,
    read_autoencoder_config,
    read_config,
    read_schedule_config,
    read_small_json,
    schedule_file,
    source_of,
    text,
    unet_folder,
)
from diffusion_studio.models.recognise import is_latent
from diffusion_studio.pictures.pixel_format import PixelFormat
from diffusion_studio.storage import own_files
from diffusion_studio.storage.paths import check_readable, numbered
from diffusion_studio.storage.places import models_dir, resource
from diffusion_studio.storage.stamps import Readings, stamp_of

STARTER = "portraits-128"
NO_SCHEDULE = tr(
    "There is no scheduler_config.json: a linear noise schedule of 1,000 timesteps and the prediction of noise (epsilon) "
    "are assumed."
)
_cards: Readings[ModelCard | None] = Readings()  # of each model's folder; None: it cannot be read


def installed() -> list[ModelCard]:
    """Every readable model: the user's own first by name, then the starters that no own model shadows.

    The folders are listed at every call, so a model that another process installs or deletes is seen at once; a model's
    files are opened only when one of them has changed. Cheap enough for the window's thread: 20 models take about 1 ms.
    """
    found: dict[str, ModelCard] = {}
    seen: list[Path] = []
    for place, starter in ((models_dir(), False), (resource("models"), True)):
        for folder in model_folders(place):
            if folder.name not in found:
                seen.append(folder)
                card = _card_of(folder, starter)
                if (
                    card is not None
                ):  # a broken folder must not hide the others; `models` on the command line verifies
                    found[folder.name] = card
    _cards.keep_only(seen)
    return sorted(found.values(), key=lambda card: (card.starter, card.title.lower()))


def _card_of(folder: Path, starter: bool) -> ModelCard | None:
    def read() -> ModelCard | None:
        try:
            return read_card(folder, starter=starter)
        except UserError:
            return None

    paths = [folder, notes_file(folder.name)] if starter else [folder, *source_of(folder)]
    return _cards.get(folder, stamp_of(paths, depth=2), read)


def find(name: str) -> ModelCard:
    """The installed model of this name or title; "" is the default model. Never a path: names come from pictures too."""
    cards = installed()
    if not cards and name not in _opened:
        check_readable(models_dir())
        raise UserError(tr("No model is installed in {models_dir}.", models_dir=models_dir()))
    if not name:
        by_name = {card.name: card for card in cards}
        return by_name.get(default_name()) or by_name.get(STARTER) or cards[0]
    wanted = folded(name)
    for attribute in ("name", "title"):
        for card in cards:
            if folded(getattr(card, attribute)) == wanted:
                return card
    if name in _opened:
        return _opened[name]
    check_readable(models_dir())
    known = ", ".join(card.name for card in cards[:20]) + ("…" if len(cards) > 20 else "")
    raise UserError(
        tr("Model “{name}” is not installed; installed are: {known}.", name=name[:80], known=known)
    )


_opened: dict[str, ModelCard] = {}  # models that the user named by their place, known to this process alone


def add_opened(card: ModelCard) -> ModelCard:
    """Make a model that is not installed known to `find` while this process lives, under a name that no other has."""
    taken = {other.name.casefold() for other in (*installed(), *_opened.values())}
    names = (place.name for place in numbered(Path(card.name), folder=True))
    card = replace(card, name=next(name for name in names if name.casefold() not in taken))
    _opened[card.name] = card
    return card


def find_by_hash(digest: str) -> ModelCard | None:
    """The installed model whose weights have this hash, by its first ten digits or more, as pictures name it."""
    wanted = digest.casefold()
    same = (card for card in installed() if len(wanted) >= 10 and card.digest.startswith(wanted))
    return next(same, None)


def default_name() -> str:
    """The model chosen to be the default, which may be gone by now; "" where none was."""
    return _as(str, own_files.read(default_file()).get("model"), "")


def _notes(name: str) -> dict[str, Any]:
    return _as(dict, own_files.read(notes_file(name)).get("recommended"), {})


def read_card(folder: Path, *, starter: bool = False) -> ModelCard:
    """Describe the model in a folder. Raises `UserError` where it is not one this application can open."""
    if is_registered(folder) or is_latent(folder):
        return _read_text_card(folder)
    config = read_config(unet_folder(folder) / "config.json", within=folder)
    schedule = read_schedule_config(folder)
    card, damage = read_own_card(folder)
    latent = read_autoencoder_config(folder / AUTOENCODER, within=folder)
    channels = config.channels if latent is None else _as(int, card.get("channels"), latent.channels)
    count = (config.num_class_embeds or 0) if config.class_embed_type is None else 0
    null_class = _as(int, card.get("null_class"), None)
    null_class = null_class if null_class is not None and 0 <= null_class < count else None
    notes = _notes(folder.name) if starter else {}
    return ModelCard(
        name=folder.name,
        path=folder,
        title=line(card.get("title"), 120) or folder.name,
        size=max(config.sides) * (latent.factor if latent else 1),
        channels=channels,
        classes=_classes(card.get("classes"), count, null_class),
        class_count=count,
        null_class=null_class,
        parameters=_as(int, card.get("parameters"), 0),
        prediction=scheduler_config.prediction_from_config(schedule),
        schedule=schedule,
        recommended=notes or _as(dict, card.get("recommended"), {}),
        description=text(card.get("description"), 2000),
        licence=line(card.get("licence"), 200),
        trained=_as(dict, card.get("trained"), {}),
        digest=line(card.get("weights_sha256"), 64),
        starter=starter,
        broad=card.get("broad") is True,
        network=config,
        autoencoder=latent,
        idle=frozenset({"clipping"}) if latent else frozenset(),
        pixels_are=PixelFormat.from_dict(card.get("pixels")),
        changed=bool(notes)
        or card.get("recommended_at_first", card.get("recommended")) != card.get("recommended"),
        remarks=(*damage, *_remarks(folder, schedule, card.get("remarks"))),
    )


def _read_text_card(folder: Path) -> ModelCard:
    from diffusion_studio.models.text.cards import read_text_card

    return read_text_card(folder)


def read_own_card(folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """card.json, and a sentence where it is damaged: a model is described from its configuration then, and still opens."""
    if not (folder / CARD).is_file():
        return {}, ()
    try:
        return read_small_json(folder / CARD, within=folder), ()
    except UserError as error:
        return {}, (tr("{reason} The model is described without it.", reason=error),)


def _remarks(folder: Path, schedule: Mapping[str, Any], kept: object) -> Iterator[str]:
    """Those from its import, and what its configuration leaves open."""
    yield from (line(remark, 500) for remark in (kept if isinstance(kept, list) else [])[:10])
    if schedule_file(folder).is_file():
        yield from scheduler_config.remarks(schedule)
    else:
        yield NO_SCHEDULE


def _classes(names: object, count: int, null_class: int | None) -> tuple[str, ...]:
    """A name for each row of the class table from the first, never more than there are."""
    if isinstance(names, list) and names:
        return tuple(line(name, 80) or f"class {row}" for row, name in enumerate(names[:count]))
    rows = count - 1 if null_class is not None and null_class == count - 1 else count
    return tuple(f"class {row}" for row in range(rows))


def model_folders(place: Path) -> Iterator[Path]:
    try:
        folders = sorted(place.iterdir()) if place.is_dir() else []
    except OSError:
        folders = []
    for folder in folders:
        hidden = folder.name.startswith(".")
        if not hidden and (is_registered(folder) or is_model(folder)):
            yield folder


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model of pixels or a text model, by the files that say so."""
    return (unet_folder(folder) / "config.json").is_file() or is_latent(folder)


Value = TypeVar("Value")


def _as(kind: type[Value], value: object, default: Value) -> Value:
    return value if isinstance(value, kind) and not isinstance(value, bool) else default
