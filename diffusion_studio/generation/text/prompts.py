"""Prompts as an encoder reads them: weighted words, cut where it says BREAK, and several prompts blended. No torch.

BREAK, in capitals, begins a new chunk of 75 tokens. A whole prompt of the form ("a", "b").blend(0.3, 0.7) lies between several,
as compel has it. Weights are as in `prompt_syntax`.
"""

from __future__ import annotations

import math
import re

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.prompt_syntax import WeightedText, weighted_parts, without_tags

MOST_BLENDED = 16
LARGEST_SHARE = 10.0
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_QUOTED = re.compile(r'\\(["\\])')
_STRING = r'"(?:[^"\\]|\\.)*"'
_BLEND = re.compile(
    rf"\s*\(\s*({_STRING}(?:\s*,\s*{_STRING})+)\s*\)\s*\.\s*blend\s*\(\s*([-\d.,\s]+)\)\s*", re.DOTALL
)

Part = list[WeightedText]  # between two BREAKs


def parts_of(prompt: str) -> list[Part]:
    """The words of a prompt with their weights, part by part; at least one part, which may be empty."""
    parts: list[Part] = [[]]
    for text, weight in ((piece.text, piece.weight) for piece in weighted_parts(without_tags(prompt))):
        for number, words in enumerate(_BREAK.split(text)):
            if number:
                parts.append([])
            if words:
                parts[-1].append(WeightedText(words, weight))
    return parts


def blended(prompt: str) -> list[tuple[str, float]]:
    """The prompts that one lies between, with their shares: itself with 1, unless it is of the form of a blend.

    Raises `UserError` for as many weights as there are no prompts.
    """
    match = _BLEND.fullmatch(prompt)
    if match is None:
        return [(prompt, 1.0)]
    texts = [_QUOTED.sub(r"\1", text[1:-1]) for text in re.findall(_STRING, match[1])]
    try:
        shares = [float(share) for share in match[2].split(",") if share.strip()]
    except ValueError:
        shares = []
    if len(texts) != len(shares) or len(texts) > MOST_BLENDED or not all(map(_allowed, shares)):
        raise UserError(
            tr(
                "A blend needs a weight for each of its prompts, at most {most} of them: {example}.",
                most=MOST_BLENDED,
                example='("a cat", "a dog").blend(0.5, 0.5)',
            )
        )
    return [(text, share) for text, share in zip(texts, shares, strict=True) if share]


def _allowed(share: float) -> bool:
    return math.isfinite(share) and abs(share) <= LARGEST_SHARE


def blend_of(first: str, second: str, share: float) -> str:
    """The prompt that lies between two, at `share` in [0, 1] of the way; one of them at its ends."""
    if share in (0, 1) or first == second:
        return second if share else first
    quoted = ", ".join('"' + re.sub(r'(["\\])', r"\\\1", text) + '"' for text in (first, second))
    return f"({quoted}).blend({1 - share:g}, {share:g})"
