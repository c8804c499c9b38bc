"""The signs people write into prompts: (word:1.2) for weight, [word] for less, <lora:name:0.8> for a LoRA.

The grammar is the one that AUTOMATIC1111's web interface made usual: each pair of round brackets counts 1.1 times, each pair of
square ones 1/1.1 times, and a number after a colon counts as itself. Everything is linear in the length of the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from diffusion_studio.language import tr

ROUND, SQUARE = 1.1, 1 / 1.1
LEAST_WEIGHT, LARGEST_WEIGHT = 0.0, 10.0  # of a word; beyond it an encoder's answer means nothing
STEP = 0.1  # of one press of a key
NUMBER = re.compile(r":\s{0,9}([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}))\s{0,9}\)")
ESCAPED = ("\\\\", "\\(", "\\)", "\\[", "\\]")
PIECES = re.compile(r"\\[\\()\[\]]|[()\[\]:]|[^\\()\[\]:]+|\\", re.DOTALL)
TAG = re.compile(
    r"<(?:lora|lyco):([^:<>\n]{1,200})(?::([^:<>\n]{0,20}))?(?::[^<>\n]{0,100})?>", re.IGNORECASE
)
WORD = re.compile(r"[^\s,()\[\]<>|]+")
LONE = re.compile(
    r"\((?P<words>(?:[^()\\]|\\.)*?)(?::\s{0,9}(?P<weight>[+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}))\s{0,9})?\)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class WeightedText:
    """A part of a prompt, without its brackets, and how much it counts; 1 is usual."""

    text: str
    weight: float = 1.0


def weighted_parts(prompt: str) -> list[WeightedText]:
    """The parts of a prompt in order, neighbours of one weight joined. Brackets that close nothing are text; those that are
    left open hold to the end. Weights are cut to `LEAST_WEIGHT` … `LARGEST_WEIGHT`."""
    texts: list[str] = []
    waiting: dict[str, list[int]] = {"(": [], "[": []}  # where brackets opened, as numbers of texts
    spans: dict[str, list[tuple[int, int, float]]] = {"(": [], "[": []}

    def close(bracket: str, factor: float) -> None:
        spans[bracket].append((waiting[bracket].pop(), len(texts), factor))

    place = 0
    while place < len(prompt):
        number = NUMBER.match(prompt, place) if waiting["("] else None
        if number is not None:
            close("(", float(number[1]))
            place = number.end()
            continue
        piece = PIECES.match(prompt, place)
        assert piece is not None
        said, place = piece[0], piece.end()
        if said in waiting:
            waiting[said].append(len(texts))
        elif said == ")" and waiting["("]:
            close("(", ROUND)
        elif said == "]" and waiting["["]:
            close("[", SQUARE)
        else:
            texts.append(said[1] if len(said) == 2 and said in ESCAPED else said)
    for bracket, factor in (("(", ROUND), ("[", SQUARE)):
        while waiting[bracket]:
            close(bracket, factor)
    weights = zip(*(_products(spans[bracket], len(texts)) for bracket in spans), strict=True)
    return _joined(zip(texts, (math.prod(pair) for pair in weights), strict=True))


def _products(spans: list[tuple[int, int, float]], count: int) -> list[float]:
    """For each of `count` texts the product of the spans it is in; of two spans one is inside the other, or they are apart."""
    products, around = [], [(count, 1.0)]
    ordered = sorted(spans, key=lambda span: (span[0], -span[1]))
    place = 0
    for text in range(count):
        while len(around) > 1 and around[-1][0] <= text:
            around.pop()
        while place < len(ordered) and ordered[place][0] <= text:
            _, end, factor = ordered[place]
            place += 1
            if end > text:
                around.append((end, around[-1][1] * factor))
        products.append(around[-1][1])
    return products


def _joined(found: Iterable[tuple[str, float]]) -> list[WeightedText]:
    joined: list[tuple[list[str], float]] = []
    for said, weight in found:
        share = min(max(weight, LEAST_WEIGHT), LARGEST_WEIGHT)
        if joined and abs(joined[-1][1] - share) < 1e-9:
            joined[-1][0].append(said)
        else:
            joined.append(([said], share))
    return [WeightedText("".join(texts), weight) for texts, weight in joined]


def lora_tags(prompt: str) -> list[tuple[str, str]]:
    """(name, weight as it is written) of each tag."""
    return [(name.strip(), (weight or "").strip()) for name, weight in TAG.findall(prompt)]


def without_tags(prompt: str) -> str:
    """The prompt without its tags of LoRAs, and without the space and commas they leave behind."""
    if not TAG.search(prompt):
        return prompt
    plain = TAG.sub("\0", prompt)
    plain = re.sub(r"[ \t]*,?[ \t]*\0", "", plain)
    return re.sub(r"^[ \t]*,[ \t]*", "", plain).strip()


def remarks(prompt: str) -> list[str]:
    """A sentence for each thing in a prompt that will not do what its writer meant; the prompt is used all the same."""
    plain = re.sub(r"\\[\\()\[\]]", "  ", prompt)
    found: list[str] = []
    for opening, closing in ("()", "[]"):
        missing = _unbalanced(plain, opening, closing)
        if missing == opening:
            found.append(
                tr("A bracket “{bracket}” is not closed: it holds to the end of the prompt.", bracket=opening)
            )
        elif missing:
            found.append(tr("A bracket “{bracket}” closes nothing: it is read as text.", bracket=closing))
    beyond = next(
        (n for n in map(float, NUMBER.findall(plain)) if not LEAST_WEIGHT <= n <= LARGEST_WEIGHT), None
    )
    if beyond is not None:
        found.append(
            tr(
                "The weight {weight:g} is beyond {least:g} to {most:g}: the nearest of these is used.",
                weight=beyond,
                least=LEAST_WEIGHT,
                most=LARGEST_WEIGHT,
            )
        )
    return found


def _unbalanced(text: str, opening: str, closing: str) -> str:
    """The first sign without a partner; "" for none."""
    depth = 0
    for letter in text:
        depth += (letter == opening) - (letter == closing)
        if depth < 0:
            return closing
    return opening if depth else ""


def reweighted(prompt: str, start: int, end: int, up: bool) -> tuple[str, int, int]:
    """The prompt with the word at `start`, or everything selected from `start` to `end`, counting a step more or less.

    Returns it with the place of the words in it. Words of weight 1 have no brackets; nothing changes where there is no word.
    """
    held = next((lone for lone in LONE.finditer(prompt) if lone.start() <= start and end <= lone.end()), None)
    if held is not None and held["words"].strip():
        words, first, last = held["words"], held.start(), held.end()
        weight = float(held["weight"]) if held["weight"] else ROUND
    else:
        if start == end:
            word = next((w for w in WORD.finditer(prompt) if w.start() <= start <= w.end()), None)
            if word is None:
                return prompt, start, end
            start, end = word.span()
        words = prompt[start:end]
        start, end = start + len(words) - len(words.lstrip()), end - len(words) + len(words.rstrip())
        words, first, last, weight = prompt[start:end], start, end, 1.0
        if not words:
            return prompt, start, end
    weight = round(min(max(weight + (STEP if up else -STEP), LEAST_WEIGHT), LARGEST_WEIGHT), 4)
    written = words if weight == 1 else f"({words}:{weight:g})"
    begin = first + (0 if weight == 1 else 1)
    return prompt[:first] + written + prompt[last:], begin, begin + len(words)
