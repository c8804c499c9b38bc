"""Options of settings classes: what a form, a parser, metadata and a check need to know about one, and the check of all.

A settings class is a frozen dataclass whose fields come from `option()`; a field from `carried()` has no row in a form, a
parser or a table, and only travels with the others.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

DEVICES = {"auto": tr("Automatic"), "cpu": "CPU", "cuda": "CUDA", "mps": tr("Apple GPU (MPS)")}
PRECISIONS = {"auto": tr("Automatic"), "float32": "float32", "bfloat16": "bfloat16", "float16": "float16"}
UNREADABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
)  # all but tabs and line breaks
LARGEST_SEED = 2**32 - 1  # fits every generator in use elsewhere, and a spin box of doubles


class Settings(Protocol):
    """Any settings class: a frozen dataclass whose fields all have a default."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Kind = TypeVar("Kind", bound=Settings)


@dataclass(frozen=True, slots=True)
class Option:
    """Everything a form, a parser and a check need to know about one setting."""

    label: str
    help: str
    min: float | None = None
    max: float | None = None
    choices: Mapping[str, str] | None = None  # value -> what the user reads
    more: bool = False  # belongs under "More" in the window
    flag: str | None = None  # command-line name where it differs from the field's
    longest: int | None = None  # characters of a text
    lines: bool = False  # a text for people, of one or several lines
    multiple: int | None = None  # a whole number must be one of this, or 0
    form: str | None = None  # how a text is written, in a few capitals


def option(default: object, *, label: str, help: str, **facts: Any) -> Any:
    return field(default=default, metadata={"option": Option(label, help, **facts)})


def carried(default: object, read: Callable[[Any], object]) -> Any:
    """A field that is no option: `read` makes its value from what was given or read from a file, or raises `UserError`."""
    return field(default=default, metadata={"read": read})


@cache
def options(kind: type) -> dict[str, Option]:
    """The options of a settings class by field name, in order."""
    return {f.name: f.metadata["option"] for f in dataclasses.fields(kind) if "option" in f.metadata}


@cache
def readers(kind: type) -> dict[str, Callable[[Any], object]]:
    """What reads each carried field."""
    return {f.name: f.metadata["read"] for f in dataclasses.fields(kind) if "read" in f.metadata}


@cache
def value_types(kind: type) -> dict[str, tuple[type, bool]]:
    """Field name -> (plain type, whether None is allowed)."""
    result = {}
    for name, hint in typing.get_type_hints(kind).items():
        if name not in options(kind):
            continue
        parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        plain = next(part for part in parts if part is not type(None))
        result[name] = (plain, type(None) in parts)
    return result


def check(settings: Settings) -> None:
    """Raise `UserError` naming the first option whose type, range or choice is wrong; ints given for floats are converted."""
    owner: type = type(settings)
    for name, read in readers(owner).items():
        object.__setattr__(settings, name, read(getattr(settings, name)))
    for name, (kind, optional) in value_types(owner).items():
        value, facts = getattr(settings, name), options(owner)[name]
        if value is None and optional:
            continue
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            with suppress(OverflowError):  # a whole number no float can hold is refused below
                value = float(value)
                object.__setattr__(settings, name, value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise UserError(
                tr(
                    "{label} must be {kind_name}, not {short}.",
                    label=facts.label,
                    kind_name=_kind_name(kind),
                    short=_short(repr(value)),
                )
            )
        if facts.choices is not None and value not in facts.choices:
            raise UserError(
                tr(
                    "{label} “{short}” is not known; choose one of: {choices}.",
                    label=facts.label,
                    short=_short(value),
                    choices=", ".join(facts.choices),
                )
            )
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            _check_range(facts, value)
        elif isinstance(value, str) and facts.choices is None:
            object.__setattr__(settings, name, _checked_text(facts, value))


def with_values(settings: Kind, **values: object) -> Kind:
    """`dataclasses.replace`, but the same object, without checking everything again, where nothing differs."""
    if all(getattr(settings, name) == value for name, value in values.items()):
        return settings
    return dataclasses.replace(settings, **values)


def _check_range(facts: Option, value: float) -> None:
    low, high = facts.min, facts.max
    finite = isinstance(value, int) or math.isfinite(value)  # a whole number may be too large to ask that of
    if facts.multiple is not None and value == 0:
        return
    if not finite or (low is not None and value < low) or (high is not None and value > high):
        raise UserError(
            tr(
                "{label} must be between {least} and {most}, not {value}.",
                label=facts.label,
                least=show_number(low),
                most=show_number(high),
                value=show_number(value),
            )
        )

    if facts.multiple is not None and value % facts.multiple:
        below = int(value // facts.multiple) * facts.multiple
        raise UserError(
            tr(
                "{label} must be a multiple of {multiple}, not {value}; the nearest are {below} and {above}.",
                label=facts.label,
                multiple=facts.multiple,
                value=show_number(value),
                below=below,
                above=below + facts.multiple,
            )
        )


def _checked_text(facts: Option, text: str) -> str:
    """The text, with plain line breaks where it may have several lines. Raises `UserError` for what is no text for people."""
    if facts.longest is not None and len(text) > facts.longest:
        raise UserError(
            tr(
                "{label} must have at most {longest:,} characters, not {length:,}.",
                label=facts.label,
                longest=facts.longest,
                length=len(text),
            )
        )
    if not facts.lines:
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    wrong = UNREADABLE.search(text)
    if wrong is not None:
        raise UserError(
            tr(
                "{label} must not contain control characters; character {place:,} is U+{code:04X}.",
                label=facts.label,
                place=wrong.start() + 1,
                code=ord(wrong[0]),
            )
        )
    return text


def without_controls(text: str) -> str:
    """A text of others as one that is allowed: control characters and halves of surrogate pairs become spaces."""
    return UNREADABLE.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))


def show_number(value: float | None) -> str:
    """Whole numbers with all their digits, as long as that can be read."""
    return _short(value) if isinstance(value, int) or value is None else f"{value:g}"


def _kind_name(kind: type) -> str:
    return {int: tr("a whole number"), float: tr("a number"), str: tr("text"), bool: tr("yes or no")}[kind]


def _short(text: object, length: int = 60) -> str:
    string = str(text)
    return string if len(string) <= length else string[: length - 1] + "…"


def to_dict(settings: Settings) -> dict[str, Any]:
    return dataclasses.asdict(settings)


def from_dict(kind: type[Kind], values: Mapping[str, Any]) -> tuple[Kind, list[str]]:
    """Settings from foreign data: each bad or unknown value falls back by itself; the second result says which, and why."""
    known, refused = options(kind), list[str]()
    good: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known and name not in readers(kind):
            refused.append(tr("“{name}” is not a setting.", name=_short(name)))
            continue
        try:
            kind(**{name: value})
        except UserError as error:
            refused.append(str(error))
        else:
            good[name] = value
    return kind(**good), refused


def changed(settings: Settings) -> dict[str, Any]:
    """Only what differs from the defaults: what preferences and command lines have to contain."""
    defaults = type(settings)()
    return {k: v for k, v in to_dict(settings).items() if v != getattr(defaults, k)}
