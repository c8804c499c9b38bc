"""What a picture says of itself, in words, and the model that made it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.settings.effects import HEEDED
from diffusion_studio.settings.generation import STEERING, GenerationSettings
from diffusion_studio.settings.options import from_dict, options
from diffusion_studio.ui.look.texts import class_title, readable

MADE_BY = tr("Made by")
WORDS = {
    "made_with": tr("Made with"),
    "prompt": tr("Prompt"),
    "negative_prompt": tr("Negative prompt"),
}  # of another program
IDLE = GenerationSettings()
QUIET = ("clipping", "precision", "device", *STEERING)  # told only where they differ from what is usual


def setting_rows(entry: Entry) -> Iterator[tuple[str, str]]:
    """The settings in readable form; those that did nothing are left out, and the model when it is gone says what to do."""
    settings, _ = from_dict(GenerationSettings, dict(entry.settings or {}))
    for name, label in WORDS.items():
        if entry.facts.get(name):
            yield label, readable(str(entry.facts[name]))
    for name, facts in options(GenerationSettings).items():
        value = entry.value(name)
        if name in ("model", "count") or value in (None, "") or _says_nothing(settings, name):
            continue
        if name == "class_label":
            value = class_title(str(value))
        if name in ("source", "mask"):
            value = f"{str(value)[:10]}…"
        shown = facts.choices.get(str(value), str(value)) if facts.choices else _short(value)
        yield facts.label, readable(shown)
    for part in settings.history:
        seed = dict(part.values).get("seed", settings.seed)
        yield "Branch", f"of seed {seed}, left at step {part.step}"
    name = str(entry.value("model") or "")
    if name:
        yield MADE_BY, model_words(name, entry)


def made_by(entry: Entry) -> cards.ModelCard | None:
    """The model that made a picture, where it is installed: by its name, else by the hash of its weights."""
    name, digest = str(entry.value("model") or ""), str(entry.facts.get("model_hash", ""))
    if name:
        with suppress(UserError):
            return cards.find(name)
    return cards.find_by_hash(digest) if digest else None


def model_words(name: str, entry: Entry) -> str:
    card = made_by(entry)
    if card is None:
        return tr(
            "{name}, which is not installed: import it on the Models page to draw with it again", name=name
        )
    classes = tr(", {count} classes", count=len(card.classes)) if card.classes else ""
    return f"{card.title}: {card.pixels()}{classes}" + (f", {card.licence}" if card.licence else "")


def _says_nothing(settings: GenerationSettings, name: str) -> bool:
    """Whether nothing heeded a setting, or it stands as it does by itself."""
    if name in HEEDED:
        heeds, _ = HEEDED[name]
        return not heeds(settings)
    return name in QUIET and getattr(settings, name) == getattr(IDLE, name)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
