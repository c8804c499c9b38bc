"""What an image says of itself, in words, and the model that generated it; of several, what they have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import plural, tr
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.effects import EFFECTIVE
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import from_dict, options
from diffusion_studio.ui.look.texts import class_title, readable

MADE_BY, MIXED = tr("Made by"), tr("Mixed")
WORDS = {"made_with": tr("Made with")}  # of another program
IDLE = GenerationSettings()
ALWAYS = ("prompt", "negative", "class_label", "seed", "steps", "sampler", "spacing", "guidance")
MOST_COMPARED = 2000  # images: more would block the window for longer than a hand feels


def setting_rows(entry: Entry) -> Iterator[tuple[str, str]]:
    """The settings in readable form, without those that had no effect; a model that is gone says what to do."""
    settings, _ = from_dict(GenerationSettings, dict(entry.settings or {}))
    for name, label in WORDS.items():
        if entry.facts.get(name):
            yield label, readable(str(entry.facts[name]))
    for name, facts in options(GenerationSettings).items():
        value = entry.value(name)
        if name not in ("model", "count") and value not in (None, "") and not _says_nothing(settings, name):
            yield facts.label, value_words(name, value)
    for lora in settings.loras:
        yield "LoRA", tr("{name}, weight {weight:g}", name=readable(lora.name), weight=lora.weight)
    for part in settings.history:
        seed = dict(part.values).get("seed", settings.seed)
        yield tr("Branch"), tr("of seed {seed}, from step {step}", seed=seed, step=part.step)
    name = str(entry.value("model") or "")
    if name:
        yield MADE_BY, model_words(name, entry)


def common_rows(entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """The settings of several images: the value they share, or “Mixed”. Nothing for more than `MOST_COMPARED`."""
    if len(entries) > MOST_COMPARED:
        return
    models = {str(entry.facts.get("model_title") or entry.value("model") or "") for entry in entries}
    if models != {""}:
        yield MADE_BY, _common(models)
    shown = {label for entry in entries[:1] for label, _ in setting_rows(entry)}
    for name, facts in options(GenerationSettings).items():
        if name in ("model", "count", "source", "mask"):
            continue
        values = {entry.value(name) for entry in entries}
        if len(values) > 1:
            yield facts.label, MIXED
        elif facts.label in shown:
            yield facts.label, value_words(name, values.pop())


def value_words(name: str, value: object) -> str:
    """The value of a setting as it is read."""
    facts = options(GenerationSettings)[name]
    if name == "class_label":
        value = class_title(str(value))
    if name in ("source", "mask"):
        value = f"{str(value)[:10]}…"
    return readable(facts.choices.get(str(value), str(value)) if facts.choices else _short(value))


def made_by(entry: Entry) -> ModelCard | None:
    """The model that generated an image, where it is installed: by its name, else by the hash of its weights."""
    name, digest = str(entry.value("model") or ""), str(entry.facts.get("model_hash", ""))
    if name:
        with suppress(UserError):
            return cards.find(name)
    return cards.find_by_hash(digest) if digest else None


def model_words(name: str, entry: Entry) -> str:
    card = made_by(entry)
    if card is None:
        return tr("{name}, which is not installed. Import it on the Models page to use it again.", name=name)
    classes = plural("{count} class", "{count} classes", len(card.classes)) if card.classes else ""
    about = ", ".join(filter(None, (card.pixels(), classes, card.licence)))
    return f"{card.title}: {about}"


def _says_nothing(settings: GenerationSettings, name: str) -> bool:
    """Whether a setting had no effect, or is what it is by default."""
    if name not in ALWAYS and getattr(settings, name) == getattr(IDLE, name):
        return True
    if name in EFFECTIVE and name != "negative":  # words are worth reading, whatever they did
        has_effect, _ = EFFECTIVE[name]
        return not has_effect(settings)
    return False


def _common(values: set[str]) -> str:
    return readable(next(iter(values))) if len(values) == 1 else MIXED


def _short(value: object) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return f"{value:g}" if isinstance(value, float) else str(value)
