"""LoRAs of a request: small changes to a model's weights, named by file name and hash, each with a weight."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

MOST = 20
LONGEST_NAME = 200  # characters
LEAST_WEIGHT, LARGEST_WEIGHT = -10.0, 10.0
DIGEST = re.compile(r"[0-9a-f]{6,64}")
# a name may hold “@” and “:”, so the hash and the weight are read from the end
WRITTEN = re.compile(
    r"(?P<name>.+?)(?:@(?P<digest>[0-9a-fA-F]{6,64}))?(?::(?P<weight>[-+]?(?:\d{1,6}(?:\.\d{0,9})?|\.\d{1,9})))?",
    re.DOTALL,
)
FORBIDDEN = {"/", "\\"}


@dataclass(frozen=True, slots=True)
class Lora:
    """One LoRA: the name of its file without folder and ending, its sha256 or the beginning of it, and how much it counts.

    Raises `UserError` for a name that is a path, a hash that is none, or a weight out of range.
    """

    name: str
    digest: str = ""  # 6 to 64 hexadecimal digits; "" where only the name is known
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 1 <= len(self.name) <= LONGEST_NAME:
            raise UserError(
                tr("The name of a LoRA must have 1 to {longest} characters.", longest=LONGEST_NAME)
            )
        if set(self.name) & FORBIDDEN or not self.name.isprintable() or self.name.startswith("."):
            raise UserError(tr("“{name}” is not the name of a LoRA.", name=_readable(self.name)))
        if not isinstance(self.digest, str) or (self.digest and not DIGEST.fullmatch(self.digest)):
            raise UserError(
                tr(
                    "LoRA {name}: “{value}” is not a hash of 6 to 64 digits.",
                    name=self.name[:60],
                    value=_readable(str(self.digest)),
                )
            )
        object.__setattr__(self, "weight", check_weight(self.weight, self.name))

    def __str__(self) -> str:
        """As `parse_lora` reads it: “name@0123abcd:0.8”."""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{digest}:{self.weight:g}"


def check_weight(weight: object, name: str) -> float:
    """The weight as a number. Raises `UserError` where it is none, or out of range."""
    number = weight if isinstance(weight, int | float) and not isinstance(weight, bool) else math.nan
    if not LEAST_WEIGHT <= number <= LARGEST_WEIGHT:
        raise UserError(
            tr(
                "The weight of LoRA {name} must be between {least:g} and {most:g}, not {value}.",
                name=name[:60],
                least=LEAST_WEIGHT,
                most=LARGEST_WEIGHT,
                value=str(weight)[:20],
            )
        )
    return float(number)


def split_weight(text: str) -> tuple[str, float]:
    """What was typed before the last colon, and the weight after it: “style.safetensors:0.8”; without a number 1."""
    before, colon, after = text.rpartition(":")
    if colon and before:
        try:
            return before, float(after)
        except ValueError:
            pass
    return text, 1.0


def parse_lora(text: str) -> Lora:
    """“name”, “name:0.8”, “name@0123abcd:0.8”. Raises `UserError`."""
    found = WRITTEN.fullmatch(text.strip())
    if found is None:
        raise UserError(tr("“{name}” is not the name of a LoRA.", name=_readable(text)))
    weight = float(found["weight"]) if found["weight"] else 1.0
    return Lora(found["name"], (found["digest"] or "").lower(), weight)


def read_loras(value: object) -> tuple[Lora, ...]:
    """LoRAs from what a caller gave or a file says: LoRAs, their texts, or objects with name, digest and weight."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > MOST:
        raise UserError(tr("There can be a list of at most {most} LoRAs.", most=MOST))
    loras = tuple(map(_read, value))
    names = [lora.name for lora in loras]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(tr("LoRA {name} is given twice.", name=twice[:60]))
    return loras


def _read(entry: object) -> Lora:
    if isinstance(entry, Lora):
        return entry
    if isinstance(entry, str):
        return parse_lora(entry)
    if isinstance(entry, Mapping) and "name" in entry and set(entry) <= {"name", "digest", "weight"}:
        return Lora(**entry)
    raise UserError(tr("A LoRA must have a name, and may have a hash and a weight."))


def weighted(loras: Sequence[Lora], weight: float) -> tuple[Lora, ...]:
    """The same with the first one at this weight. Raises `UserError` where there is none."""
    if not loras:
        raise UserError(tr("There is no LoRA whose weight could be compared."))
    first = Lora(loras[0].name, loras[0].digest, weight)
    return (first, *loras[1:])


def _readable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in text[:60])
