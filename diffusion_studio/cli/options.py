"""Arguments made from the settings dataclasses, the only place of names, ranges, choices, defaults and help."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.options import Option, options, show_number, value_types

METAVARS = {int: "N", float: "X", str: "NAME"}


def add_options(parser: argparse._ActionsContainer, kind: type, *, leave_out: Collection[str] = ()) -> None:
    """An argument for each option of a settings class; those under "More" in the window are a group of their own."""
    more = None
    for name, facts in options(kind).items():
        if name in leave_out:
            continue
        if facts.more and more is None:
            more = parser.add_argument_group("more")
        group = more if facts.more and more is not None else parser
        group.add_argument(
            flag(name, facts),
            dest=name,
            default=argparse.SUPPRESS,
            help=_help(facts, getattr(kind(), name)),
            **_reading(kind, name, facts),
        )


def given(arguments: argparse.Namespace, kind: type) -> dict[str, Any]:
    """What was given on the command line, by field; nothing else."""
    return {name: getattr(arguments, name) for name in options(kind) if hasattr(arguments, name)}


def flag(name: str, facts: Option) -> str:
    return f"--{(facts.flag or name).replace('_', '-')}"


def _reading(kind: type, name: str, facts: Option) -> dict[str, Any]:
    plain, _ = value_types(kind)[name]
    if plain is bool:
        return {"action": argparse.BooleanOptionalAction}
    if facts.choices is not None:
        return {"choices": list(facts.choices), "metavar": "NAME", "type": _completer(facts.choices)}
    metavar = facts.form or ("TEXT" if facts.lines else METAVARS[plain])
    return {"type": _reader(kind, name, plain), "metavar": metavar}


def _completer(choices: Collection[str]) -> Callable[[str], str]:
    """A choice may be abbreviated where that is unambiguous: “flow” for flow_prediction."""

    def complete(text: str) -> str:
        found = [choice for choice in choices if text and choice.startswith(text)]
        return found[0] if text not in choices and len(found) == 1 else text

    return complete


def _reader(kind: type, name: str, plain: type) -> Callable[[str], object]:
    """Reads a value and checks it as the settings do, so that a wrong one is a usage error."""

    def read(text: str) -> object:
        try:
            value = plain(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                tr("{value!r} is not a whole number", value=text[:60])
                if plain is int
                else tr("{value!r} is not a number", value=text[:60])
            ) from None
        try:
            kind(**{name: value})
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return value

    return read


def _help(facts: Option, default: object) -> str:
    parts = [facts.help]
    if facts.choices is not None:
        parts.append(tr("one of {choices}", choices=", ".join(facts.choices)))
    elif facts.min is not None and facts.max is not None:
        parts.append(tr("{least} to {most}", least=show_number(facts.min), most=show_number(facts.max)))
    text = "; ".join(parts)
    if isinstance(default, bool):
        text += f" (default: {'yes' if default else 'no'})"
    elif default is None:
        text += " (default: random)"
    elif default != "":
        text += f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
    return text.replace("%", "%%")
