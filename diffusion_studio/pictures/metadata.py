"""What a picture says of how it was made: the line of parameters the world reads, and our own JSON with every setting.

What is read from a picture is a stranger's data: one strict schema, each value checked or refused by itself, nothing opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from diffusion_studio import __version__
from diffusion_studio.diffusion.names import SAMPLERS
from diffusion_studio.errors import UserError
from diffusion_studio.pictures.facts_schema import FACTS, LONGEST, is_name
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import from_dict, options, readers, to_dict

VERSION = 1
MOST_BYTES, DEEPEST = 64 * 1024, 8  # of a block, of its nesting
MOST_REFUSALS, MOST_PAIRS = 20, 500
SOFTWARE = f"Diffusion Studio {__version__}"

# The names A1111 gave the samplers, which other programs look for.
SAMPLER_NAMES = {
    **SAMPLERS,
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "euler_ancestral": "Euler a",
}
SAMPLER_KEYS = {name.casefold(): key for key, name in SAMPLER_NAMES.items()}
SCHEDULE_KEYS = {"karras": "karras", "exponential": "exponential", "beta": "beta"}


@dataclass
class Found:
    """What could be made out: settings that were given, other facts, and a sentence for each value left out."""

    given: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def take(self, name: str, value: Any) -> None:
        """Keep a setting if it is one and its value is allowed."""
        if name in readers(GenerationSettings):
            self._carry(name, value)
        elif name not in options(GenerationSettings):
            self.refuse(f"“{_short(name)}” is not a setting.")
        elif not isinstance(value, str | int | float | None):
            self.refuse(f"“{_short(name)}” must be a single value.")
        elif isinstance(value, str) and len(value) > LONGEST:
            self.refuse(f"“{_short(name)}” is longer than {LONGEST} characters.")
        elif name == "model" and not is_name(value):
            self.refuse(f"“{_short(value)}” is not the name of a model.")
        else:
            settings, reasons = from_dict(GenerationSettings, {name: value})
            if reasons:
                self.refuse(*reasons)
            else:
                self.given[name] = getattr(settings, name)

    def _carry(self, name: str, value: Any) -> None:
        settings, reasons = from_dict(GenerationSettings, {name: value})
        if reasons:
            self.refuse(*reasons)
        else:
            self.given[name] = getattr(settings, name)

    def note(self, name: str, value: Any) -> None:
        """Keep a fact if it is a known one and its value is allowed."""
        if name not in FACTS:
            self.refuse(f"“{_short(name)}” is not a known fact.")
        elif not FACTS[name](value):
            self.refuse(f"“{_short(name)}” cannot be {_short(repr(value))}.")
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
    """What other programs read: the class as prompt line (often empty), then `Steps: 20, Sampler: …` as A1111 writes them."""
    values = {
        "Steps": settings.steps,
        "Sampler": SAMPLER_NAMES[settings.sampler],
        "CFG scale": f"{settings.guidance:g}",
        "Seed": settings.seed,
        "Size": f"{facts['width']}x{facts['height']}" if {"width", "height"} <= facts.keys() else None,
        "Model hash": facts.get("model_hash"),
        "Model": settings.model or facts.get("model_title"),
        "RNG": "CPU",
        "Version": SOFTWARE,
    }
    told = ", ".join(f"{key}: {_quoted(value)}" for key, value in values.items() if value not in (None, ""))
    prompt = " ".join(str(settings.class_label or facts.get("class") or "").split())
    return f"{_encodable(prompt[:LONGEST])}\n{_encodable(told)}"


def _quoted(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if set(text) & set(',:"\n') else text


def _encodable(text: str) -> str:
    """Names may hold bytes that are no text; in JSON they are escaped, in plain text they cannot be."""
    return text.encode("utf-8", "replace").decode("utf-8")


# Reading --------------------------------------------------------------------------------------------------------------


def parse_block(text: str) -> Found | str:
    """The settings and facts of our own JSON, or why it cannot be used at all."""
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        return "Its settings are longer than 64 KB."
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return "Its settings are not valid JSON."
    if _deeper(value, DEEPEST):
        return f"Its settings are nested deeper than {DEEPEST} levels."
    if not isinstance(value, dict) or type(value.get("version")) is not int:
        return "Its settings have no version."
    if value["version"] != VERSION:
        return f"Its settings are of version {value['version']}; this program knows version {VERSION}."
    found = Found(given=_all_at_once(value.get("settings")))
    for part, keep in (("settings", found.take), ("facts", found.note)):
        if part == "settings" and found.given:
            continue
        entries = value.get(part, {})
        if not isinstance(entries, dict):
            found.refuse(f"“{part}” must be a JSON object.")
            continue
        for name, entry in entries.items():
            keep(name, entry)
    return found


def parse_line(text: str) -> Found | str:
    """What a line of parameters, ours or another program's, says that has a meaning here; or why it cannot be used."""
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        return "Its parameters are longer than 64 KB."
    first, _, rest = text.strip("\r\n").rpartition("\n")
    values: dict[str, str] = {}
    for key, value in _pairs(rest):
        values.setdefault(key.casefold(), value)
    found = Found()
    if "steps" not in values:
        return found
    ours = values.get("version", "").startswith("Diffusion Studio")
    if ours and first.strip():
        found.take("class_label", first.strip())
    for key, (name, read) in LINE.items():
        if key in values:
            _take_text(found, name, values[key], read)
    _take_sampler(found, values.get("sampler", ""), values.get("schedule type", ""))
    _note_line(found, values)
    return found


def _all_at_once(values: Any) -> dict[str, Any]:
    """Settings that are all as they should be; nothing where one is not, for then each is looked at by itself.

    A gallery of 20,000 pictures is read twice as fast that way.
    """
    if not isinstance(values, dict) or not is_name(values.get("model", "")):
        return {}
    single = (value for name, value in values.items() if name not in readers(GenerationSettings))
    if any(not isinstance(value, str | int | float | None) or len(str(value)) > LONGEST for value in single):
        return {}
    try:
        settings = GenerationSettings(**values)
    except (UserError, TypeError):
        return {}
    return {name: getattr(settings, name) for name in values}


LINE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "steps": ("steps", int),
    "seed": ("seed", int),
    "cfg scale": ("guidance", float),
    "eta": ("eta", float),
    "model": ("model", str),
}


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """`Key: value, Key: "quoted, value"`, in time linear in the line's length."""
    position = 0
    for _ in range(MOST_PAIRS):
        match = PAIR.match(line, position)
        if match is None:
            return
        key, quoted, plain = match.groups()
        if quoted is not None:
            try:
                plain = str(json.loads(quoted))
            except ValueError:
                plain = quoted.strip('"')
        if key is not None:
            yield key.strip(), (plain or "").strip()
        position = match.end()
        if position >= len(line):
            return


PAIR = re.compile(r'\s{0,9}(?:([^,:"]{1,40}):\s{0,9}(?:("(?:[^"\\]|\\.)*")\s{0,9}(?=,|$))?)?([^,]*)(?:,|$)')


def _take_text(found: Found, name: str, text: str, read: Callable[[str], Any]) -> None:
    try:
        value = read(text)
    except ValueError:
        found.refuse(f"{options(GenerationSettings)[name].label} cannot be “{_short(text)}”.")
    else:
        found.take(name, value)


def _take_sampler(found: Found, name: str, schedule: str) -> None:
    """Older programs wrote "DPM++ 2M Karras", newer ones the schedule by itself."""
    name = name.casefold()
    for word in SCHEDULE_KEYS:
        if name.endswith(f" {word}"):
            name, schedule = name.removesuffix(f" {word}"), word
    if name:
        found.take("sampler", SAMPLER_KEYS.get(name, name))
    if schedule.casefold() in SCHEDULE_KEYS:
        found.take("spacing", SCHEDULE_KEYS[schedule.casefold()])


def _note_line(found: Found, values: Mapping[str, str]) -> None:
    size = re.fullmatch(r"(\d{1,5})x(\d{1,5})", values.get("size", ""))
    if size:
        found.note("width", int(size[1]))
        found.note("height", int(size[2]))
    for key, name in {"model": "model_title", "model hash": "model_hash", "version": "app_version"}.items():
        if values.get(key):
            found.note(name, values[key])


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels <= 0 or any(_deeper(item, levels - 1) for item in inner)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _short(text: Any, length: int = 60) -> str:
    string = str(text)
    return string if len(string) <= length else string[: length - 1] + "…"
