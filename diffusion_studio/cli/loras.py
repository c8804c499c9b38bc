"""--lora FILE:0.8, as often as there are LoRAs: found by name or by path, and named in the settings by name and hash."""

from __future__ import annotations

import argparse
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.loras import (
    LARGEST_WEIGHT,
    LEAST_WEIGHT,
    check_weight,
    read_loras,
    split_weight,
)

NONE = "none"


def add_loras(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--lora",
        dest="loras",
        action="append",
        type=_typed,
        metavar="FILE:WEIGHT",
        help=tr(
            "add a LoRA, by its name in the LoRA folder or by its path, with a weight from {least:g} to {most:g} (default: 1); "
            "may be repeated; “{none}”: without those of --like",
            least=LEAST_WEIGHT,
            most=LARGEST_WEIGHT,
            none=NONE,
        ),
    )


def typed_loras(arguments: argparse.Namespace) -> dict[str, Any]:
    """The setting `loras` where LoRAs were typed. Raises `UserError` for one that is not there, or typed twice."""
    if arguments.loras is None:
        return {}
    wanted = [typed for typed in arguments.loras if typed[0] != NONE]
    if not wanted:
        return {"loras": ()}
    from diffusion_studio.models.text.loras import find

    return {"loras": read_loras([find(word).setting(weight) for word, weight in wanted])}


def _typed(text: str) -> tuple[str, float]:
    word, weight = split_weight(text)
    if not word.strip():
        raise argparse.ArgumentTypeError(tr("{value!r} names no LoRA", value=text[:60]))
    try:
        return word, check_weight(weight, word)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
