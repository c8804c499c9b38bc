"""Which models are installed and what each one is, read from their small JSON files: no torch, no weights.

A model is a diffusers folder; beside `model_index.json` ours carry `card.json` (title, classes, recommended settings,
how it was trained) and `samples.png`. Folders without a card are described from their configuration.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from diffusion_studio.diffusion import flow_config, scheduler_config
from diffusion_studio.diffusion.autoencoder_config import AutoencoderConfig
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.layout import (
    AUTOENCODER,
    CARD,
    EARLY,
    LARGEST_SHEET,
    SAMPLES,
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
from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.pictures.pixel_format import PixelFormat
from diffusion_studio.settings.generation import OF_PIXELS, OF_SIZE, OF_TEXT, GenerationSettings
from diffusion_studio.settings.options import from_dict, options
from diffusion_studio.storage import own_files
from diffusion_studio.storage.foreign_file import read_foreign
from diffusion_studio.storage.paths import check_readable, numbered
from diffusion_studio.storage.places import models_dir, resource
from diffusion_studio.storage.stamps import Readings, stamp_of

GENERAL = GenerationSettings()
STARTER = "pixel-avatars-32"
# What draws best with a model that does not say how. One that predicts epsilon needs the many noisy steps.
BY_PREDICTION: Mapping[str, Mapping[str, Any]] = {"epsilon": {"sampler": "ddim", "steps": 50, "eta": 1.0}}
# The settings a model may recommend: the others are the picture's or the machine's.
RECOMMENDED = (
    "sampler",
    "steps",
    "spacing",
    "shift",
    "guidance",
    "autoguidance",
    "eta",
    "churn",
    "clipping",
    "seamless",
)
# Of those, what belongs to its sampler: chosen with another sampler, they would say something else.
OF_THE_SAMPLER = ("sampler", "steps", "eta", "churn")
NO_SCHEDULE = tr(
    "There is no scheduler_config.json: a linear noise schedule of 1,000 timesteps and the prediction of noise (epsilon) "
    "are assumed."
)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """One installed model, described."""

    name: str  # the folder's name, unique among the installed: what --model takes
    path: Path
    title: str
    size: int  # pixels of the longer side
    channels: int = 3
    classes: tuple[str, ...] = ()
    class_count: int = 0  # rows of the class table, the empty class included
    null_class: int | None = None  # the row that means "any class"
    parameters: int = 0
    prediction: str = "epsilon"
    schedule: Mapping[str, Any] = field(default_factory=dict)  # scheduler_config.json
    recommended: Mapping[str, Any] = field(default_factory=dict)  # names and values of GenerationSettings
    description: str = ""
    licence: str = ""
    trained: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""  # sha256 of the weights as the card remembers it
    starter: bool = False
    broad: bool = False  # trained on many kinds of images, to start other trainings from
    prompted: bool = False  # whether words say what to generate
    sizes: tuple[
        tuple[int, int], ...
    ] = ()  # widths and heights to offer, the usual first; none: it has one size
    idle: frozenset[str] = frozenset()  # settings without effect, although models of its kind have them
    network: UNetConfig = field(default_factory=UNetConfig)
    autoencoder: AutoencoderConfig | None = None  # whose latents the network walks in; None: pixels
    pixels_are: PixelFormat = field(default_factory=PixelFormat)  # what its channels mean
    changed: bool = False  # what it recommends is the user's own choice
    text: TextFacts | None = None  # of a model that generates from prompts
    remarks: tuple[
        str, ...
    ] = ()  # a sentence for each thing that was assumed, or is drawn otherwise than its files say

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width in pixels."""
        sides = self.network.sides
        if self.autoencoder is not None:
            return (sides[0] * self.autoencoder.factor, sides[1] * self.autoencoder.factor)
        return sides if max(sides) == self.size else (self.size, self.size)

    def pixels(self, times: str = "×") -> str:
        """Width and height as they are read: “32×16”."""
        height, width = self.sides
        return f"{width}{times}{height}"

    @property
    def samples(self) -> Path | None:
        """The sheet of samples, where there is one."""
        path = self.path / SAMPLES
        return path if path.is_file() else None

    def sample_sheet(self) -> bytes:
        """The bytes of that sheet; none where there is none, or none that can be read."""
        try:
            return read_foreign(self.path / SAMPLES, LARGEST_SHEET, within=self.path)
        except OSError:
            return b""

    @cached_property
    def options(self) -> frozenset[str]:
        """The settings that have an effect with this model; a form hides the others."""
        return (
            frozenset({*options(GenerationSettings), "loras"})
            - (frozenset[str]() if self.prompted else OF_TEXT)
            - (frozenset[str]() if self.sizes else OF_SIZE)
            - (frozenset() if self.class_count else {"class_label"})
            - (frozenset() if self.null_class is not None or self.prompted else {"guidance"})
            - (frozenset() if self.flow else {"shift"})
            - (frozenset() if self.keeps_early else {"autoguidance"})
            - (frozenset() if self.text is None and not self.prompted else OF_PIXELS)
            - self.idle
        )

    def used(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Of these values of settings those that this model uses, where what is left out is about words or a size."""
        return {
            name: value
            for name, value in values.items()
            if name not in OF_TEXT | OF_SIZE or name in self.options or not value
        }

    def effective(self, settings: GenerationSettings) -> GenerationSettings:
        """These settings without the words and the size that another model was to use."""
        idle = (OF_TEXT | OF_SIZE) - self.options
        return replace(settings, **{name: getattr(GENERAL, name) for name in idle}) if idle else settings

    @cached_property
    def keeps_early(self) -> bool:
        """Whether weights from early in its training are there, which autoguidance needs."""
        return (self.path / EARLY).is_file()

    @property
    def flow(self) -> bool:
        """Whether it learned the velocity of a flow."""
        return flow_config.is_flow(self.schedule)

    def defaults(self, chosen: Collection[str] = ()) -> GenerationSettings:
        """The settings to start from with this model: what its card recommends, else what its configuration says.

        `chosen`: the settings that are chosen by hand. Where the sampler is, what goes with the model's own is left out.
        """
        if "sampler" in chosen and "sampler" in self._recipe:
            plain = {name: value for name, value in self._recipe.items() if name not in OF_THE_SAMPLER}
            return from_dict(GenerationSettings, {**plain, "model": self.name})[0]
        return self._defaults

    @cached_property
    def _recipe(self) -> dict[str, Any]:
        return {**self.said(), **(self.recommended or self.recipe())}

    @cached_property
    def _defaults(self) -> GenerationSettings:
        """Asked for at every change of a control, and each value is checked by itself."""
        return from_dict(GenerationSettings, {**self._recipe, "model": self.name})[0]

    def class_named(self, text: str) -> str:
        """The label of the class that is meant by its label or its number; "" for any. Raises `UserError` for none."""
        if not text or text in self.classes or not self.classes:
            return text
        alike = [name for name in self.classes if folded(name) == folded(text)]
        if len(alike) == 1:
            return alike[0]
        if text.isascii() and text.isdecimal() and len(text) < 8 and int(text) < len(self.classes):
            return self.classes[int(text)]
        known = ", ".join(self.classes[:20]) + ("…" if len(self.classes) > 20 else "")
        raise UserError(
            tr(
                "{title} has no class “{value}”; it has: {known}.",
                title=self.title,
                value=text[:60],
                known=known,
            )
        )

    def without_recipe(self, settings: GenerationSettings) -> GenerationSettings:
        """These settings where the sampler is chosen by hand: eta and churn as this model recommends them with its own go
        back to the general defaults. The steps stay: they are seen, and mean the same to every sampler."""
        own, plain = self.defaults(), self.defaults({"sampler"})
        alike = [name for name in ("eta", "churn") if getattr(settings, name) == getattr(own, name)]
        return replace(settings, **{name: getattr(plain, name) for name in alike})

    def said(self) -> dict[str, Any]:
        """What scheduler_config.json says of every sampler: the spacing and the clipping."""
        if "_class_name" not in self.schedule:
            return {}
        return {
            "spacing": scheduler_config.spacing(self.schedule),
            "clipping": scheduler_config.clipping(self.schedule),
        }

    def recipe(self) -> Mapping[str, Any]:
        """The sampler that scheduler_config.json names, with its steps."""
        if "_class_name" not in self.schedule:
            return BY_PREDICTION.get(self.prediction, {})
        return scheduler_config.recipe(self.schedule)


def folded(text: str) -> str:
    """A name as names are compared: composed or not (NFC), with whatever capitals and spaces it was typed or stored."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


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


def _remarks(folder: Path, schedule: Mapping[str, Any], kept: Any) -> Iterator[str]:
    """Those from its import, and what its configuration leaves open."""
    yield from (line(remark, 500) for remark in (kept if isinstance(kept, list) else [])[:10])
    if schedule_file(folder).is_file():
        yield from scheduler_config.remarks(schedule)
    else:
        yield NO_SCHEDULE


def _classes(names: Any, count: int, null_class: int | None) -> tuple[str, ...]:
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


def _as(kind: type[Value], value: Any, default: Value) -> Value:
    return value if isinstance(value, kind) and not isinstance(value, bool) else default
