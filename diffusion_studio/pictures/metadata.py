"""What a picture says of how it was made: the line of parameters the world reads, and our own JSON with every setting.

What is read from a picture is a stranger's data: one strict schema, each value checked or refused by itself, nothing opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from diffusion_studio import __version__
from diffusion_studio.diffusion.names import SAMPLERS
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.pictures.facts_schema import FACTS, LONGEST, is_name
from diffusion_studio.pictures.foreign_settings.a1111 import OURS, join_values, read_parameters
from diffusion_studio.pictures.foreign_settings.foreign import ForeignSettings
from diffusion_studio.pictures.foreign_settings.sampler_names import (
    SCHEDULE_NAMES,
    our_sampler,
    our_spacing,
    says_nothing,
)
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import from_dict, options, readers, to_dict, without_controls
from diffusion_studio.settings.prompt_syntax import without_tags

VERSION = 1
MOST_BYTES, DEEPEST = (
    512 * 1024,
    8,
)  # of a block, of its nesting: room for two prompts of which each letter is escaped
MOST_REFUSALS = 20
SOFTWARE = f"{OURS} {__version__}"

# The names A1111 gave the samplers, which other programs look for.
SAMPLER_NAMES = {
    **SAMPLERS,
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "euler_ancestral": "Euler a",
}


@dataclass
class ReadSettings:
    """What could be made out: settings that were given, other facts, and a sentence for each value left out."""

    given: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def take(self, name: str, value: object) -> None:
        """Keep a setting if it is one and its value is allowed."""
        if name in readers(GenerationSettings):
            self._carry(name, value)
        elif name not in options(GenerationSettings):
            self.refuse(tr("“{name}” is not a setting.", name=_short(name)))
        elif not isinstance(value, str | int | float | None):
            self.refuse(tr("“{name}” must be a single value.", name=_short(name)))
        elif isinstance(value, str) and len(value) > _longest(name):
            self.refuse(
                tr(
                    "“{name}” is longer than {longest:,} characters.",
                    name=_short(name),
                    longest=_longest(name),
                )
            )
        elif name == "model" and not is_name(value):
            self.refuse(tr("“{value}” is not the name of a model.", value=_short(value)))
        else:
            settings, reasons = from_dict(GenerationSettings, {name: value})
            if reasons:
                self.refuse(*reasons)
            else:
                self.given[name] = getattr(settings, name)

    def _carry(self, name: str, value: object) -> None:
        settings, reasons = from_dict(GenerationSettings, {name: value})
        if reasons:
            self.refuse(*reasons)
        else:
            self.given[name] = getattr(settings, name)

    def note(self, name: str, value: object) -> None:
        """Keep a fact if it is a known one and its value is allowed."""
        if name not in FACTS:
            self.refuse(tr("“{name}” is not a known fact.", name=_short(name)))
        elif not FACTS[name](value):
            self.refuse(tr("“{name}” cannot be {value}.", name=_short(name), value=_short(repr(value))))
        else:
            self.facts[name] = value

    def refuse(self, *reasons: str) -> None:
        self.refused = [*self.refused, *reasons][:MOST_REFUSALS]


# Writing --------------------------------------------------------------------------------------------------------------


def block(settings: GenerationSettings, facts: Mapping[str, Any]) -> str:
    """Our own JSON. Facts that make it longer than can be read again are left out."""
    for kept in (dict(facts), {}):
        text = json.dumps({"version": VERSION, "settings": to_dict(settings), "facts": kept}, allow_nan=False)
        if len(text) <= MOST_BYTES:
            break
    return text


def parameters_line(settings: GenerationSettings, facts: Mapping[str, Any]) -> str:
    """What other programs read: the prompt, or else the class (often empty), then `Steps: 20, Sampler: …`, as A1111 writes them.

    LoRAs are tags at the end of the prompt, as that program has them.
    """
    named = str(settings.class_label or facts.get("class") or "")
    values = {
        "Steps": settings.steps,
        "Sampler": SAMPLER_NAMES[settings.sampler],
        "Schedule type": SCHEDULE_NAMES[settings.spacing],
        "CFG scale": f"{settings.guidance:.12g}",
        "Seed": settings.seed,
        "Size": f"{facts['width']}x{facts['height']}" if {"width", "height"} <= facts.keys() else None,
        "Model hash": facts.get("model_hash"),
        "Model": settings.model or facts.get("model_title"),
        "Eta": f"{settings.eta:.12g}" if settings.eta else None,
        "Clip skip": settings.clip_skip if settings.clip_skip > 1 else None,
        "Lora hashes": ", ".join(f"{lora.name}: {lora.digest[:12]}" for lora in settings.loras),
        "RNG": "CPU",
        "Version": SOFTWARE,
        "Class": " ".join(named.split())[:LONGEST],
    }
    return "\n".join(map(_encodable, [*_words(settings, named), join_values(values)]))


def _words(settings: GenerationSettings, named: str) -> Iterator[str]:
    """The lines of the prompt, and of the negative one where there is one."""
    tags = "".join(f" <lora:{lora.name}:{lora.weight:g}>" for lora in settings.loras)
    yield (settings.prompt + tags).strip() or " ".join(named.split())[:LONGEST]
    if settings.negative:
        yield f"Negative prompt: {settings.negative}"


def _encodable(text: str) -> str:
    """Names may hold bytes that are no text; in JSON they are escaped, in plain text they cannot be."""
    return text.encode("utf-8", "replace").decode("utf-8")


# Reading --------------------------------------------------------------------------------------------------------------


def parse_block(text: str) -> ReadSettings | str:
    """The settings and facts of our own JSON, or why it cannot be used at all."""
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        return tr("Its settings are longer than 512 KB.")
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return tr("Its settings are not valid JSON.")
    if _deeper(value, DEEPEST):
        return tr("Its settings are nested deeper than {deepest} levels.", deepest=DEEPEST)
    if not isinstance(value, dict) or type(value.get("version")) is not int:
        return tr("Its settings have no version.")
    if value["version"] != VERSION:
        return tr(
            "Its settings are of version {version}; this program knows version {known}.",
            version=value["version"],
            known=VERSION,
        )
    found = ReadSettings(given=_all_at_once(value.get("settings")))
    for part, keep in (("settings", found.take), ("facts", found.note)):
        if part == "settings" and found.given:
            continue
        entries = value.get(part, {})
        if not isinstance(entries, dict):
            found.refuse(tr("“{part}” must be a JSON object.", part=part))
            continue
        for name, entry in entries.items():
            keep(name, entry)
    return found


def parse_line(text: str) -> ReadSettings:
    """What a line of parameters, ours or another program's, says that has a meaning here."""
    said = read_parameters(text)
    return ReadSettings() if said is None else applied(said)


def applied(said: ForeignSettings) -> ReadSettings:
    """Another program's settings as settings here: what has a meaning, and a sentence for each value left out."""
    found = ReadSettings(refused=list(said.left_out[:MOST_REFUSALS]))
    _take_words(found, said)
    if said.denoise is not None and said.denoise < 1 and said.program != OURS:
        found.refuse(
            tr(
                "The denoising strength {denoise:g} belongs to a start image that the file does not hold.",
                denoise=said.denoise,
            )
        )
    if said.seed == -1:
        found.refuse(tr("Seed -1: a random one, which the file does not name."))
        said = replace(said, seed=None)
    for name in ("steps", "seed", "guidance", "eta", "model"):
        value = getattr(said, name)
        if value not in (None, ""):
            found.take(name, value)
    _take_sampler(found, said.sampler, said.schedule)
    facts = {
        "made_with": said.program if said.program != OURS else "",
        "prompt": said.prompt if said.program != OURS else "",
        "negative_prompt": said.negative,
        "width": said.width,
        "height": said.height,
        "model_title": said.model,
        "model_hash": said.model_hash,
        "app_version": said.version,
    }
    for name, value in facts.items():
        if value not in (None, ""):
            found.note(name, value)
    return found


def _take_words(found: ReadSettings, said: ForeignSettings) -> None:
    """What is about text, and the size where it was chosen and not the model's own."""
    if said.class_label:
        found.take("class_label", said.class_label)
        return
    for name, words in (("prompt", said.prompt), ("negative", said.negative)):
        plain = without_controls(without_tags(words))
        if plain:
            found.take(name, plain)
    if said.loras:
        found.take("loras", said.loras)
    if said.clip_skip is not None:
        found.take("clip_skip", said.clip_skip)
    if said.width and said.height and (said.prompt or said.program != OURS):
        found.take("width", said.width)
        found.take("height", said.height)


def _all_at_once(values: object) -> dict[str, Any]:
    """Settings that are all as they should be; nothing where one is not, for then each is looked at by itself.

    A gallery of 20,000 pictures is read twice as fast that way.
    """
    if not isinstance(values, dict) or not is_name(values.get("model", "")):
        return {}
    single = ((name, value) for name, value in values.items() if name not in readers(GenerationSettings))
    for name, value in single:
        if not isinstance(value, str | int | float | None) or len(str(value)) > _longest(name):
            return {}
    try:
        settings = GenerationSettings(**values)
    except (UserError, TypeError):
        return {}
    return {name: getattr(settings, name) for name in values}


def _longest(name: str) -> int:
    """Characters of a setting's value."""
    known = options(GenerationSettings).get(name)
    return LONGEST if known is None or known.longest is None else known.longest


def _take_sampler(found: ReadSettings, name: str, schedule: str) -> None:
    """Both by the names they have here; one that does not exist here is named."""
    for setting, said, ours in (
        ("sampler", name, our_sampler(name)),
        ("spacing", schedule, our_spacing(schedule)),
    ):
        if ours:
            found.take(setting, ours)
        elif said and not says_nothing(said):
            label = options(GenerationSettings)[setting].label
            found.refuse(tr("{label} “{said}” does not exist here.", label=label, said=_short(said)))


def _deeper(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels <= 0 or any(_deeper(item, levels - 1) for item in inner)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _short(text: object, length: int = 60) -> str:
    string = str(text)
    return string if len(string) <= length else string[: length - 1] + "…"
