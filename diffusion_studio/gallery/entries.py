"""What the gallery knows about an image, and the order of images."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffusion_studio.language import tr
from diffusion_studio.storage.places import outputs_dir

DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An image file. `settings` and `facts` are those of its metadata, once it was read; None: not read yet."""

    path: Path
    day: str  # 2026-11-23
    settings: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    width: int = 0
    height: int = 0
    stamp: str = ""  # of the file when it was read
    star: bool = False
    tags: frozenset[str] = frozenset()
    albums: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        return key_of(self.path)

    @property
    def model(self) -> str:
        """Name and title of the model, as text to search in."""
        named = (self.settings or {}).get("model", "")
        return " ".join(filter(None, (str(named), str(self.facts.get("model_title", "")))))

    @property
    def loras(self) -> list[str]:
        """The names of the LoRAs that were used."""
        kept = (self.settings or {}).get("loras") or ()
        return [str(lora.get("name", "")) for lora in kept if isinstance(lora, dict)]

    def value(self, name: str) -> Any:
        """A setting; the class that the seed chose, where none was asked for."""
        value = (self.settings or {}).get(name)
        fact = {"class_label": "class", "prompt": "prompt", "negative": "negative_prompt"}.get(name)
        return self.facts.get(fact, "") if fact is not None and not value else value


def key_of(path: Path, base: str | None = None) -> str:
    """How stars and tags name an image: by its place in the outputs folder, so that the folder may be moved.

    `base` is `key_base()`, for callers that ask for many.
    """
    base = key_base() if base is None else base
    text = path.as_posix()
    return text[len(base) :] if text.startswith(base) else text


def key_base() -> str:
    return outputs_dir().as_posix() + "/"


def day_of(path: Path) -> str:
    """The day an image belongs to: that of its folder, else the one on which the file was written."""
    if DAY.fullmatch(path.parent.name):
        return path.parent.name
    try:
        return time.strftime("%Y-%m-%d", time.localtime(path.stat().st_mtime))
    except (OSError, OverflowError, ValueError):
        return "1970-01-01"


def found(paths: Iterable[Path]) -> list[Entry]:
    return [Entry(path=path, day=day_of(path)) for path in paths]


SORTS: dict[str, str] = {
    "newest": tr("Newest first"),
    "oldest": tr("Oldest first"),
    "model": tr("By model"),
    "seed": tr("By seed"),
    "steps": tr("By steps"),
}


def in_order(entries: Iterable[Entry], sort: str) -> list[Entry]:
    """Sorted; entries come newest first, and stay so among equals."""
    listed = list(entries)
    if sort == "newest":
        return listed
    if sort == "oldest":
        return listed[::-1]
    keys: dict[str, Callable[[Entry], Any]] = {
        "model": lambda entry: entry.model.casefold() or "\uffff",
        "seed": lambda entry: _number(entry.value("seed")),
        "steps": lambda entry: _number(entry.value("steps")),
    }
    return sorted(listed, key=keys[sort])


def group_of(entry: Entry, sort: str) -> str:
    """The heading of the group of an entry."""
    if sort == "model":
        return str(entry.facts.get("model_title") or entry.value("model") or tr("Unknown model"))
    if sort in ("seed", "steps"):
        return ""
    return entry.day


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("inf")
