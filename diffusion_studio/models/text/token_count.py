"""How many tokens a text encoder makes of a prompt, counted without torch or transformers, for people to see while they type.

Those of CLIP are counted here: pairs are joined as in https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py, over
the vocabulary that comes with the program.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from diffusion_studio.models.text.chat_tokenizer import chat_tokenizer
from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.models.text.families import FAMILIES
from diffusion_studio.models.text.vocabulary import CONTEXT, LAST_OF_WORD, byte_letters, clip_merges
from diffusion_studio.settings.prompt_syntax import weighted_parts

ROOM = CONTEXT - 2  # tokens of a prompt that an encoder sees at once
CONTRACTION = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
RUN = re.compile(r"L+|N|S+")  # of the kinds of `_kinds`
SPECIAL = re.compile(r"<\|startoftext\|>|<\|endoftext\|>")
LONGEST_WORD = 200  # letters that are joined as one: a longer one takes a time that grows with the square


def count_tokens(prompt: str) -> int:
    """Without the beginning and the end; the brackets of weights are none."""
    text = "".join(part.text for part in weighted_parts(prompt))
    return sum(map(_tokens_of, _words(text)))


@dataclass(frozen=True)
class Count:
    """Tokens of a prompt. `room`: how many are read at once; `parts`: whether more are read in parts, or else refused."""

    tokens: int
    room: int = ROOM
    parts: bool = True
    template: int = 0  # of them, those of the conversation that the prompt is put into
    exact: bool = True


def count_for(facts: TextFacts | None, prompt: str) -> Count:
    """The tokens of a prompt as a model reads it; those of CLIP where there is none."""
    most = FAMILIES[facts.family].most_tokens if facts is not None and facts.family in FAMILIES else 0
    if facts is None or not most:
        return Count(count_tokens(prompt))
    places = [place / "tokenizer" for place in (facts.source, facts.rest) if place is not None]
    own = next((place for place in places if (place / "tokenizer.json").is_file()), None)
    chat = None if own is None else chat_tokenizer(own)
    if chat is None:  # the same words, in about as many tokens
        return Count(count_tokens(prompt), most, parts=False, exact=False)
    return Count(chat.count(prompt), most, parts=False, template=chat.count(""))


def chunks(count: int) -> int:
    """How many times the encoder reads for so many tokens."""
    return max(1, -(-count // ROOM))


def _words(text: str) -> Iterator[str]:
    """Runs of letters, single digits, runs of signs; lower case, spaces gone."""
    text = " ".join(unicodedata.normalize("NFC", text).split()).lower()
    kinds = "".join(map(_kind, text))
    place = 0
    while place < len(text):
        found = SPECIAL.match(text, place) or CONTRACTION.match(text, place) or RUN.match(kinds, place)
        end = place + 1 if found is None else found.end()
        if found is not None:
            yield from (text[at : min(at + LONGEST_WORD, end)] for at in range(place, end, LONGEST_WORD))
        place = end


def _kind(letter: str) -> str:
    return " " if letter.isspace() else {"L": "L", "N": "N"}.get(unicodedata.category(letter)[0], "S")


@cache
def _ranks() -> dict[tuple[str, str], int]:
    return {pair: rank for rank, pair in enumerate(clip_merges())}


@lru_cache(maxsize=20_000)
def _tokens_of(word: str) -> int:
    if SPECIAL.fullmatch(word):
        return 1
    parts = [byte_letters()[byte] for byte in word.encode()]
    parts[-1] += LAST_OF_WORD
    ranks = _ranks()
    while len(parts) > 1:
        pairs = list(zip(parts, parts[1:], strict=False))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        parts = _joined(parts, best)
    return len(parts)


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    found, place = [], 0
    while place < len(parts):
        if tuple(parts[place : place + 2]) == pair:
            found.append(pair[0] + pair[1])
            place += 2
        else:
            found.append(parts[place])
            place += 1
    return found
