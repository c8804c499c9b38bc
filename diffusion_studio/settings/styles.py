"""Styles: words around a prompt, and more for the negative one. Some come with the program, the user's own are in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import LONGEST_PROMPT, GenerationSettings
from diffusion_studio.settings.options import without_controls
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import data_dir

PLACE = "{prompt}"
LONGEST_NAME = 60  # characters
MOST = 500


@dataclass(frozen=True, slots=True)
class Style:
    """`prompt` has the prompt in place of `{prompt}`, or after it what it says; `negative` likewise."""

    prompt: str = ""
    negative: str = ""

    def applied(self, prompt: str, negative: str) -> tuple[str, str]:
        """Both prompts with this style. Raises `UserError` where they become too long."""
        both = _around(self.prompt, prompt), _around(self.negative, negative)
        GenerationSettings(prompt=both[0], negative=both[1])
        return both

    def removed(self, prompt: str, negative: str) -> tuple[str, str] | None:
        """Both prompts without this style; None where they do not have it."""
        plain, other = _inside(self.prompt, prompt), _inside(self.negative, negative)
        return None if plain is None or other is None else (plain, other)


OWN: Mapping[str, Style] = {
    tr("Photograph"): Style("photograph of {prompt}, natural light, sharp focus", "painting, drawing, blurry"),
    tr("Cinematic"): Style("film still of {prompt}, dramatic light, shallow depth of field", "cartoon, flat light"),
    tr("Oil painting"): Style("oil painting of {prompt}, visible brush strokes, canvas texture", "photograph"),
    tr("Watercolor"): Style("watercolor of {prompt}, soft washes, paper texture", "photograph, hard edges"),
    tr("Pencil drawing"): Style("pencil drawing of {prompt}, fine hatching, white paper", "colors, photograph"),
    tr("Line art"): Style("line art of {prompt}, clean black lines, white background", "shading, colors"),
    tr("Pixel art"): Style("pixel art of {prompt}, few colors, sharp pixels", "blurry, photograph, gradient"),
    tr("3D rendering"): Style("3D rendering of {prompt}, soft studio light", "drawing, photograph, noise"),
}  # fmt: skip


def styles_file() -> Path:
    return data_dir() / "styles.json"


class Styles:
    """Every method reads the file, and every change is written at once. Changes raise `UserError` where that is not possible."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = styles_file() if path is None else path

    def all(self) -> dict[str, Style]:
        """The user's own by name, then those of the program that no own one shadows. What is not allowed is left out."""
        kept = _kept(own_files.read(self.path, check=_fault))
        own = {name: style for name in sorted(kept, key=str.casefold) if (style := _allowed(kept[name]))}
        return {**own, **{name: style for name, style in OWN.items() if name not in own}}

    def own(self) -> list[str]:
        """The names of the user's own."""
        return list(_kept(own_files.read(self.path, check=_fault)))

    def save(self, name: str, style: Style) -> str:
        """Keep a style under a name, replacing what it stood for; returns the name as it was kept."""
        name = check_name(name)
        if not style.prompt.strip() and not style.negative.strip():
            raise UserError(tr("A style needs words for the prompt or the negative prompt."))
        GenerationSettings(prompt=style.prompt, negative=style.negative)

        def add(kept: dict[str, Any]) -> None:
            if name not in kept and len(kept) >= MOST:
                raise UserError(tr("There can be {most} styles at most.", most=MOST))
            kept[name] = {"prompt": style.prompt, "negative": style.negative}

        self._change(add)
        return name

    def remove(self, name: str) -> None:
        self._change(lambda kept: kept.pop(name, None))

    def _change(self, do: Callable[[dict[str, Any]], object]) -> None:
        def change(value: own_files.Values) -> own_files.Values:
            kept = dict(_kept(value))
            do(kept)
            return {**value, "version": own_files.VERSION, "styles": kept}

        own_files.change(self.path, change, check=_fault)


def check_name(name: str) -> str:
    """The name without spaces around it. Raises `UserError` for an empty or a long one."""
    name = " ".join(without_controls(name).split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise UserError(tr("The name of a style must have 1 to {longest} characters.", longest=LONGEST_NAME))
    return name


def _around(words: str, prompt: str) -> str:
    if not words:
        return prompt
    if PLACE in words:
        return (
            words.replace(PLACE, prompt, 1).strip(" ,\n") if not prompt else words.replace(PLACE, prompt, 1)
        )
    return f"{prompt}, {words}" if prompt else words


def _inside(words: str, prompt: str) -> str | None:
    if not words:
        return prompt
    before, place, after = words.partition(PLACE)
    if not place:
        before, after = "", f", {words}"
        if prompt == words:
            return ""
    if prompt.startswith(before) and prompt.endswith(after) and len(prompt) >= len(before) + len(after):
        return prompt[len(before) : len(prompt) - len(after)]
    return None


def _allowed(value: object) -> Style | None:
    if not isinstance(value, dict):
        return None
    parts = [value.get(name, "") for name in ("prompt", "negative")]
    if any(not isinstance(part, str) or len(part) > LONGEST_PROMPT for part in parts) or not any(parts):
        return None
    return Style(*map(without_controls, parts))


def _kept(value: own_files.Values) -> dict[str, Any]:
    part: dict[str, Any] = value.get("styles", {})
    return part


def _fault(value: own_files.Values) -> str:
    return "" if isinstance(value.get("styles", {}), dict) else tr("“{name}” is no object", name="styles")
