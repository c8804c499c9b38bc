"""Prompts as people write them: weights in brackets, breaks between parts, several prompts blended. No torch.

(word:1.2) gives a weight, (word) 1.1, [word] 1 / 1.1; brackets nest and multiply, and one never closed reaches to the end.
A backslash before a bracket, as in \\(, makes it an ordinary one. BREAK, in capitals, begins a new part of 75 tokens. A whole
prompt of the form ("a", "b").blend(0.3, 0.7) lies between several. A1111's grammar, and compel's for the last.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

ROUND, SQUARE = 1.1, 1 / 1.1
LARGEST_WEIGHT = 10.0
MOST_BLENDED = 16
_PIECE = re.compile(
    r"""
    (?P<escaped> \\[\\()\[\]] ) | (?P<open> [(\[] ) |
    : \s* (?P<weight> [+-]?(?:\d+\.?\d*|\.\d+) ) \s* \) |
    (?P<close> [)\]] ) | (?P<text> [^\\()\[\]:]+ | [:\\] )
    """,
    re.VERBOSE,
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_QUOTED = re.compile(r'\\(["\\])')
_STRING = r'"(?:[^"\\]|\\.)*"'
_BLEND = re.compile(
    rf"\s*\(\s*({_STRING}(?:\s*,\s*{_STRING})+)\s*\)\s*\.\s*blend\s*\(\s*([-\d.,\s]+)\)\s*", re.DOTALL
)


class Fragment(NamedTuple):
    """Some words of a prompt with one weight."""

    text: str
    weight: float = 1.0


Part = list[Fragment]  # between two BREAKs


def parts_of(prompt: str) -> list[Part]:
    """The fragments of a prompt, part by part; at least one part, which may be empty.

    Raises `UserError` for a weight that is too large.
    """
    fragments: list[list[str | float]] = []  # [text, weight]
    opened: list[tuple[str, int]] = []  # the bracket, and how many fragments were before it

    def weigh(begin: int, factor: float) -> None:
        for fragment in fragments[begin:]:
            fragment[1] = float(fragment[1]) * factor

    for piece in _PIECE.finditer(prompt):
        kind = piece.lastgroup
        text = piece.group()
        if kind == "open":
            opened.append((text, len(fragments)))
        elif kind == "weight" and opened and opened[-1][0] == "(":
            weigh(opened.pop()[1], float(piece["weight"]))
        elif kind == "close" and opened and opened[-1][0] == {")": "(", "]": "["}[text]:
            bracket, begin = opened.pop()
            weigh(begin, ROUND if bracket == "(" else SQUARE)
        else:
            fragments.append([text[1:] if kind == "escaped" else text, 1.0])
    for bracket, begin in reversed(opened):
        weigh(begin, ROUND if bracket == "(" else SQUARE)
    return _joined([Fragment(str(text), float(weight)) for text, weight in fragments])


def _joined(fragments: list[Fragment]) -> list[Part]:
    """Neighbours of one weight together, cut where it says BREAK."""
    parts: list[Part] = [[]]
    for text, weight in fragments:
        if abs(weight) > LARGEST_WEIGHT or not math.isfinite(weight):
            raise UserError(
                tr(
                    "The weight {weight} of “{text}” in the prompt is too large; {most} is the most.",
                    weight=f"{weight:g}",
                    text=text.strip()[:40],
                    most=f"{LARGEST_WEIGHT:g}",
                )
            )
        for number, words in enumerate(_BREAK.split(text)):
            if number:
                parts.append([])
            if parts[-1] and math.isclose(parts[-1][-1].weight, weight):
                parts[-1][-1] = Fragment(parts[-1][-1].text + words, weight)
            elif words:
                parts[-1].append(Fragment(words, weight))
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
    if len(texts) != len(shares) or len(texts) > MOST_BLENDED:
        raise UserError(
            tr(
                "A blend needs a weight for each of its prompts, at most {most} of them: {example}.",
                most=MOST_BLENDED,
                example='("a cat", "a dog").blend(0.5, 0.5)',
            )
        )
    return [(text, share) for text, share in zip(texts, shares, strict=True) if share]


def blend_of(first: str, second: str, share: float) -> str:
    """The prompt that lies between two, at `share` in [0, 1] of the way; one of them at its ends."""
    if share in (0, 1) or first == second:
        return second if share else first
    quoted = ", ".join('"' + re.sub(r'(["\\])', r"\\\1", text) + '"' for text in (first, second))
    return f"({quoted}).blend({1 - share:g}, {share:g})"
