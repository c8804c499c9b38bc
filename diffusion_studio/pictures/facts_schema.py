"""The schema of what a picture's metadata says besides the settings: each fact by its name, with the test a value must pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from diffusion_studio.errors import UserError
from diffusion_studio.settings.axes import LORA_WEIGHT, Axis
from diffusion_studio.settings.film import FilmSettings
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import LARGEST_SEED, from_dict, options

LONGEST_PROMPT = 10_000  # characters
LONGEST = 500  # characters of one text, entries of one list


def _whole(low: int, high: int = 2**53) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST


def _prompt(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_PROMPT


def _hash(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{6,64}", value) is not None


def _time(value: object) -> bool:
    try:
        return isinstance(value, str) and len(value) <= LONGEST and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _batch(value: object) -> bool:
    known = {"seed": _whole(0), "count": _whole(1, 64), "index": _whole(0, 63)}
    return isinstance(value, dict) and all(key in known and known[key](entry) for key, entry in value.items())


def _film(value: object) -> bool:
    return isinstance(value, dict) and not from_dict(FilmSettings, value)[1]


def _walk(value: object) -> bool:
    """The seeds a film walks along, with so many frames from one to the next."""
    if not isinstance(value, dict) or set(value) - {"prompts"} != {"seeds", "frames", "loop"}:
        return False
    prompts = value.get("prompts", [])
    if not isinstance(prompts, list) or len(prompts) > LONGEST or not all(map(_prompt, prompts)):
        return False
    seeds, seed = value["seeds"], _whole(0, LARGEST_SEED)
    named = isinstance(seeds, list) and 2 <= len(seeds) <= LONGEST and all(seed(entry) for entry in seeds)
    return named and _whole(1, 65_535)(value["frames"]) and isinstance(value["loop"], bool)


def _compare(value: object) -> bool:
    """The one or two axes of a sheet: which setting, and its values from left to right or from top to bottom."""
    return isinstance(value, list) and len(value) in (1, 2) and all(map(_axis, value))


def _axis(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"setting", "values"}:
        return False
    name, values = value["setting"], value["values"]
    if name == LORA_WEIGHT:
        return _allowed_axis(name, values)
    known = isinstance(name, str) and name in options(GenerationSettings) and isinstance(values, list)
    if not known or (name == "model" and not all(map(is_name, values))):
        return False
    most = options(GenerationSettings)[name].longest or LONGEST
    short = all(isinstance(entry, str | int | float) and len(str(entry)) <= most for entry in values)
    if not short or not 1 <= len(values) <= LONGEST:
        return False
    return not any(from_dict(GenerationSettings, {name: entry})[1] for entry in values)


def _allowed_axis(name: str, values: object) -> bool:
    try:
        return isinstance(values, list) and bool(Axis(name, tuple(values)))
    except UserError:
        return False


FACTS: dict[str, Callable[[object], bool]] = {
    "model_title": _text,
    "model_hash": _hash,
    "class": _text,
    "width": _whole(1, 65535),
    "height": _whole(1, 65535),
    "batch": _batch,
    "sheet": lambda value: isinstance(value, bool),
    "film": _film,
    "walk": _walk,
    "compare": _compare,
    "time": _time,
    "device": _text,
    "precision": _text,
    "threads": _whole(1, 65535),
    "torch": _text,
    "app_version": _text,
    "made_with": _text,  # another program
    "prompt": _prompt,
    "negative_prompt": _prompt,
}


def is_name(value: object) -> bool:
    """Whether this can be the name of an installed model: never a path."""
    if not isinstance(value, str) or len(value) > LONGEST or value.startswith("."):
        return False
    return not set(value) & {"/", "\\", "\0", "\n", "\r"}
