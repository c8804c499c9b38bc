"""`presets`: the named settings of the window, for `generate --preset NAME`."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable
from typing import Any

from diffusion_studio.cli.options import flag
from diffusion_studio.cli.output import plain, say, say_json, tell
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.settings.presets import Presets


def presets(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    parser.epilog = tr("The window saves presets; generate --preset NAME generates with one.")
    parser.add_argument("--json", action="store_true", help=tr("print one preset per line as JSON"))
    return run


def run(arguments: argparse.Namespace, _: Stop) -> int:
    known = Presets().all()
    for name, values in known.items():
        if arguments.json:
            say_json({"name": name, "settings": values})
        else:
            say(f"{plain(name)}  {' '.join(words(values))}".rstrip())
    if not known:
        tell(tr("There are no presets. The window saves what is set under Presets."))
    return 0


def words(values: dict[str, Any]) -> list[str]:
    """The options that set these values; those that are as usual are left out."""
    usual, known = GenerationSettings(), options(GenerationSettings)
    return [
        f"{flag(name, known[name])} {plain(str(value))}"
        for name, value in values.items()
        if value != getattr(usual, name)
    ]


def preset_named(name: str) -> dict[str, Any]:
    """The settings of a preset. Raises `UserError` where there is none of that name."""
    known = Presets().all()
    same = [other for other in known if other.casefold() == " ".join(name.split()).casefold()]
    if name not in known and len(same) != 1:
        near = difflib.get_close_matches(name, known, n=1)
        hint = tr(" Did you mean “{near}”?", near=near[0]) if near else ""
        raise UserError(
            tr("There is no preset “{name}”; `presets` lists them.{hint}", name=name[:60], hint=hint)
        )
    return dict(known[name if name in known else same[0]])


def fitting(values: dict[str, Any], card: ModelCard) -> dict[str, Any]:
    """What of a preset the model can follow: a class or the autoguidance of another model is left out, and said."""
    if values.get("autoguidance", 1) != 1 and not card.keeps_early:
        tell(
            tr(
                "{title} keeps no weights from early in its training; the preset’s autoguidance is left out.",
                title=card.title,
            )
        )
        values = {name: value for name, value in values.items() if name != "autoguidance"}
    label = values.get("class_label")
    if label and label not in card.classes:
        tell(
            tr(
                "{title} has no class “{label}”; the preset’s class is left out.",
                title=card.title,
                label=label,
            )
        )
        return {name: value for name, value in values.items() if name != "class_label"}
    return values
