"""Settings of another program as plain values, and the narrow way from a stranger's values to them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.settings.loras import LARGEST_WEIGHT, LEAST_WEIGHT, MOST, Lora

MOST_LORAS = MOST
LONGEST_PROMPT, LONGEST_NAME = 10_000, 300  # characters
LARGEST = 2**64 - 1  # seeds of other programs have up to 64 bits
LARGEST_JSON = 1 << 20  # characters
DEEPEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSettings:
    """What a picture of another program says: "" and None for what it does not say. `left_out`: a sentence each."""

    program: str
    version: str = ""
    prompt: str = ""
    negative: str = ""
    seed: int | None = None
    steps: int | None = None
    sampler: str = ""
    schedule: str = ""
    guidance: float | None = None
    eta: float | None = None
    denoise: float | None = None  # share of the noise that an image to image run begins with
    width: int | None = None
    height: int | None = None
    model: str = ""
    model_hash: str = ""
    loras: tuple[Lora, ...] = ()
    clip_skip: int | None = None
    class_label: str = ""  # which only this program writes
    raw: str = ""  # the text as it is in the file
    left_out: tuple[str, ...] = ()

    @property
    def says_how(self) -> bool:
        """Whether there are settings, also such as could not be read, and not only the name of a program."""
        said = (self.prompt, self.seed is not None, self.steps, self.sampler, self.model, self.guidance)
        return any(said) or bool(self.program and self.left_out)


def load(text: str | None) -> object:
    """The value of a JSON text within the bounds, None for what is none; NaN and infinities become None."""
    if not text or len(text) > LARGEST_JSON:
        return None
    try:
        value = json.loads(text.strip("\0 \r\n\t\ufeff"), parse_constant=lambda _: None, strict=False)
    except (ValueError, RecursionError):
        return None
    return None if _too_deep(value) else value


def load_object(text: str | None) -> dict[str, Any]:
    """The same where it is an object; else an empty one. Some programs write JSON text into JSON text."""
    value = load(text)
    if isinstance(value, str):
        value = load(value)
    return value if isinstance(value, dict) else {}


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def first(values: Mapping[str, Any], *names: str) -> object:
    """The first of these that is there and says something."""
    return next((values[name] for name in names if values.get(name) not in (None, "", [], {})), None)


def text(value: object, longest: int = LONGEST_NAME) -> str:
    """A text, cut where it is too long; "" for everything else."""
    return (
        encodable(value[: 2 * longest]).replace("\0", "").strip()[:longest] if isinstance(value, str) else ""
    )


def encodable(value: str) -> str:
    """Halves of a surrogate pair, which JSON can name and no file can hold, become question marks."""
    return value.encode("utf-8", "replace").decode("utf-8")


def prompt(value: object) -> str:
    """A prompt: a text, or texts in a list, each by itself or under "prompt"."""
    if isinstance(value, list):
        parts = [entry.get("prompt") if isinstance(entry, dict) else entry for entry in value[:100]]
        return text("\n".join(part for part in parts if isinstance(part, str)), LONGEST_PROMPT)
    return text(value, LONGEST_PROMPT)


def whole(value: object, low: int = 0, high: int = LARGEST) -> int | None:
    """A whole number in the range, also where it is written as text or with a point; else None."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}\s*", value, re.ASCII):
        value = int(value)
    elif isinstance(value, str | float):
        value = number(value)
        value = int(value) if value is not None and value == int(value) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None


def number(value: object) -> float | None:
    """A finite number, also as text and with a decimal comma; else None."""
    if isinstance(value, str):
        if not re.fullmatch(r"\s*-?\d{0,20}[.,]?\d{0,20}(?:[eE]-?\d{1,3})?\s*", value, re.ASCII):
            return None
        value = value.replace(",", ".")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def size(value: object) -> tuple[int | None, int | None]:
    """(width, height) of "512x768", "(512, 768)", [512, 768]; (None, None) for what is no size."""
    if isinstance(value, list) and len(value) == 2:
        return side(value[0]), side(value[1])
    found = re.fullmatch(r"\D{0,3}(\d{1,5})\s{0,3}[x×*,]\s{0,3}(\d{1,5})\D{0,3}", str(value)[:40], re.ASCII)
    return (side(found[1]), side(found[2])) if found else (None, None)


def side(value: object) -> int | None:
    return whole(value, 1, 65_535)


def model_name(value: object) -> str:
    """A model's name without the folders and the ending of its file."""
    name = re.split(r"[\\/]", text(value))[-1]
    return re.sub(r"\.(?:safetensors|ckpt|pt|pth|bin|gguf|sft)$", "", name, flags=re.IGNORECASE)


def lora(name: object, weight: object = None, digest: object = "") -> Lora | None:
    """A LoRA by the name of its file; without a weight that is allowed, of weight 1. None: it is none."""
    named, share = model_name(name), number(weight)
    if share is None or not LEAST_WEIGHT <= share <= LARGEST_WEIGHT:
        share = 1.0
    try:
        return Lora(named, hexadecimal(digest), share)
    except UserError:
        return None


def loras(found: Iterable[Lora | None]) -> tuple[Lora, ...]:
    """Those that are LoRAs, each once, no more than are read."""
    by_name: dict[str, Lora] = {}
    for entry in found:
        if entry is not None and len(by_name) < MOST_LORAS:
            by_name.setdefault(entry.name, entry)
    return tuple(by_name.values())


def hexadecimal(value: object) -> str:
    """The digits of a hash, without the name of the kind of hash before them."""
    digits = text(value).rpartition(":")[2]
    return digits.lower() if re.fullmatch(r"[0-9a-fA-F]{6,64}", digits) else ""


def _too_deep(value: object) -> bool:
    layer, depth = [value], 0
    while layer:
        depth += 1
        if depth > DEEPEST:
            return True
        layer = [
            entry
            for item in layer
            if isinstance(item, dict | list)
            for entry in (item.values() if isinstance(item, dict) else item)
            if isinstance(entry, dict | list)
        ]
    return False
