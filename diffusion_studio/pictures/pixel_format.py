"""What the channels of a model's images mean, as its card says. Nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_COLOURS = 256  # of a palette that is kept


@dataclass(frozen=True, kw_only=True)
class PixelFormat:
    """What a model's channels mean beside their number, as card.json has it under "pixels"."""

    premultiplied: bool = False  # the colours of RGBA
    binary_alpha: bool = False  # every pixel it learned from is opaque or transparent
    depth: int = 8  # bits of a sample
    palette: tuple[
        str, ...
    ] = ()  # "#rrggbb": all colours it learned from, where they are few; frequent ones first

    def to_dict(self) -> dict[str, Any]:
        """Only what is not usual."""
        said = {
            "premultiplied": self.premultiplied,
            "binary_alpha": self.binary_alpha,
            "depth": self.depth if self.depth != 8 else 0,
            "palette": list(self.palette),
        }
        return {name: value for name, value in said.items() if value}

    @staticmethod
    def from_dict(values: object) -> PixelFormat:
        """From what a file says; what it says wrong counts as usual."""
        said = values if isinstance(values, Mapping) else {}
        palette = said.get("palette")
        colours = palette if isinstance(palette, list) else []
        return PixelFormat(
            premultiplied=said.get("premultiplied") is True,
            binary_alpha=said.get("binary_alpha") is True,
            depth=16 if said.get("depth") == 16 else 8,
            palette=tuple(str(colour) for colour in colours[:MOST_COLOURS] if _is_colour(colour)),
        )


USUAL = PixelFormat()


def _is_colour(text: object) -> bool:
    if not isinstance(text, str) or len(text) != 7 or text[0] != "#":
        return False
    return all(digit in "0123456789abcdef" for digit in text[1:])
