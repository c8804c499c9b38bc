"""What the card of a text model says besides what every card says. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TextFacts:
    """A model that generates from prompts: its family, and where its files are, which may be anywhere on the computer."""

    family: str  # a name of families.FAMILIES
    pipeline: str  # the class of diffusers that holds its parts
    source: Path  # the folder or the `.safetensors` file
    registered: bool = False  # whether it is listed by its place, its files left where they are
    prediction: str = ""  # what its network predicts, where the user said so
    rest: Path | None = None  # another model, from which the parts that are not in `source` are taken
    parameters: Mapping[str, int] = field(default_factory=dict)  # of each part
    disk: int = 0  # bytes of the files, of `rest` not counted
    fault: str = ""  # a sentence for why it cannot be opened now: it was moved
    changed: bool = False  # whether its files are others than those that were registered
