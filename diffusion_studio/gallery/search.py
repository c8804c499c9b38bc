"""The search language: `model:avatars steps>=20 seed:7 -sampler:heun star tag:cat words`, every term of which must hold."""

from __future__ import annotations

import difflib
import operator
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options, value_types

Test = Callable[[Entry], bool]

TERM = re.compile(r'([-!]?)(?:([A-Za-z_-]+)\s*(>=|<=|!=|[:=<>])\s*)?("[^"]*"|[^\s"]+)')
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
ALIASES = {"class": "class_label", "schedule": "spacing", "noise": "spacing", "init": "source"}
OWN = ("model", "lora", "tag", "album", "day", "width", "height", "name", "is")
IS = {"starred", "branch", "variation", "inpainted", "stopped"}
STARRED = ("star", "starred", "★")
EXAMPLE = "model:avatars steps>=20 seed:7 sampler:heun star tag:cat"


def parse(text: str) -> Test:
    """The test that an image must pass. Raises `UserError` for an unknown key, or for text where a number is needed."""
    tests = [_term(*match.groups()) for match in TERM.finditer(text.strip()) if match[0].strip()]
    return lambda entry: all(test(entry) for test in tests)


def term_of(text: str, key: str) -> str:
    """The first term of a search that asks for `key` and is not excluded; "" for none. "star" is a key of its own."""
    return next((m[0].strip() for m in TERM.finditer(text) if _asks_for(m, key)), "")


def with_term(text: str, key: str, term: str) -> str:
    """The search with `term` in place of all its terms that ask for `key`; "" only removes them."""
    kept = [m[0].strip() for m in TERM.finditer(text.strip()) if not _asks_for(m, key)]
    return " ".join(filter(None, [*kept, term]))


def folded(text: str) -> str:
    """A text as texts are searched: whatever its capitals, and however its accents are composed (NFC)."""
    return unicodedata.normalize("NFC", text).casefold()


def quoted(value: str) -> str:
    """A value as it is written in a search."""
    value = value.replace('"', "")
    return f'"{value}"' if not value or any(letter.isspace() for letter in value) else value


def _asks_for(match: re.Match[str], key: str) -> bool:
    minus, found, _, value = match.groups()
    if key == "star":
        return not minus and found is None and folded(value) in STARRED
    return not minus and found is not None and folded(found) == key


def keys() -> list[str]:
    """Everything that can stand before a colon."""
    names = [name for name in options(GenerationSettings) if name not in ("class_label", *OWN)]
    return [*OWN, "class", *names]


def _term(minus: str, key: str | None, sign: str | None, value: str) -> Test:
    word = folded(value.strip('"'))
    test = _words(word) if key is None else _keyed(folded(key).replace("-", "_"), sign or ":", word)
    if sign == "!=":
        minus = "" if minus else "!"
    return (lambda entry: not test(entry)) if minus else test


def _words(word: str) -> Test:
    if word in STARRED:
        return lambda entry: entry.star
    return lambda entry: word in _all_text(entry)


def _keyed(key: str, sign: str, word: str) -> Test:
    key = ALIASES.get(key, key)
    if key == "tag":
        return lambda entry: any(word in folded(tag) for tag in entry.tags)
    if key == "album":
        return lambda entry: any(word == folded(album) for album in entry.albums)
    if key == "day":
        return lambda entry: COMPARE[sign](entry.day, word) if sign in COMPARE else entry.day.startswith(word)
    if key == "name":
        return lambda entry: word in folded(entry.path.name)
    if key == "model":
        if sign == "=":  # the whole name or title, where “:” finds a part of it
            return lambda entry: word in _names(entry)
        return lambda entry: word in folded(entry.model)
    if key == "lora":
        return lambda entry: any(word in folded(name) for name in entry.loras)
    if key == "is":
        return _is(word)
    if key in ("width", "height"):
        return _number(key, sign, word, lambda entry: getattr(entry, key) or None)
    kinds = value_types(GenerationSettings)
    if key not in kinds:
        close = difflib.get_close_matches(key, keys(), n=1)
        meant = f"; did you mean “{close[0]}:”?" if close else f"; for example: {EXAMPLE}"
        raise UserError(tr("Images cannot be searched by “{key}”{meant}", key=key[:40], meant=meant))
    if kinds[key][0] in (int, float):
        return _number(key, sign, word, lambda entry: entry.value(key))
    if sign in COMPARE:
        raise UserError(tr("“{key}” is text; it can be compared only with “:”.", key=key))
    return lambda entry: _text_holds(entry, key, word, whole=sign == "=")


def _names(entry: Entry) -> tuple[str, str]:
    return folded(str(entry.value("model") or "")), folded(str(entry.facts.get("model_title", "")))


def _text_holds(entry: Entry, key: str, word: str, *, whole: bool) -> bool:
    value = folded(str(entry.value(key) or ""))
    choices = options(GenerationSettings)[key].choices or {}
    label = folded(str(choices.get(value, "")))
    if whole or value == "":
        return word in (value, label) if label else word == value
    return word in value or word in label


def _number(key: str, sign: str, word: str, value_of: Callable[[Entry], object]) -> Test:
    try:
        wanted = float(word)
    except ValueError:
        raise UserError(
            tr("“{key}” is a number, so it cannot be “{word}”.", key=key, word=word[:40])
        ) from None
    compare: Callable[[Any, Any], bool] = COMPARE.get(sign, operator.eq)

    def test(entry: Entry) -> bool:
        value = value_of(entry)
        return isinstance(value, int | float) and compare(float(value), wanted)

    return test


def _is(word: str) -> Test:
    if word not in IS:
        raise UserError(
            tr(
                "“is:” can be followed by {known}, not by “{word}”.",
                known=", ".join(sorted(IS)),
                word=word[:40],
            )
        )
    tests: dict[str, Test] = {
        "starred": lambda entry: entry.star,
        "branch": lambda entry: bool(entry.value("history")),
        "variation": lambda entry: bool(entry.value("variation_strength")),
        "inpainted": lambda entry: bool(entry.value("mask")),
        "stopped": lambda entry: bool(entry.value("until")),
    }
    return tests[word]


def _all_text(entry: Entry) -> str:
    named = (entry.value("class_label"), entry.value("prompt"), entry.facts.get("prompt"))
    words = [str(value) for value in named if value]
    parts = [entry.path.name, entry.model, *words, *entry.loras, *entry.tags, *entry.albums]
    return folded(" ".join(parts))
