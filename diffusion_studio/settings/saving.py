"""How finished images are written: format, metadata, names and place; shared by window and command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.options import check, option

if TYPE_CHECKING:
    from diffusion_studio.settings.generation import GenerationSettings

FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP", "webp-lossless": "WebP, lossless", "tiff": "TIFF"}
ENDINGS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "webp-lossless": ".webp", "tiff": ".tif"}
TOKENS = {
    "date": "the day, as 2026-11-23",
    "time": "the time, as 143005",
    "seed": "the seed",
    "model": "the model's name",
    "sampler": "the sampler",
    "steps": "how many steps",
    "index": "the place of the image in its batch, from 1",
}
LONGEST_PATTERN, LONGEST_NAME = 120, 150  # characters; bytes, which leaves room for an ending and a number
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # what one of the systems allows in no name
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # devices, to Windows
PART = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingSettings:
    format: str = option(
        "png",
        choices=FORMATS,
        label=tr("Format"),
        help=tr(
            "of finished images; PNG, TIFF and lossless WebP keep every pixel as it was generated, PNG and TIFF also all 16 bits "
            "of a grey one"
        ),
    )
    quality: int = option(
        90,
        min=1,
        max=100,
        label=tr("Quality"),
        help=tr("of JPEG and WebP: high means large and exact, low means small and blurred"),
    )
    metadata: bool = option(
        True,
        label=tr("Embed settings"),
        help=tr("write what made an image into its metadata; without, a file contains only pixels"),
    )
    pattern: str = option(
        "{time}-{seed}",
        label=tr("Names"),
        flag="name-pattern",
        help=tr(
            "of finished images, made of text and {tokens}",
            tokens=", ".join(f"{{{name}}}" for name in TOKENS),
        ),
    )
    folder: str = option(
        "", label=tr("Folder"), help=tr("where finished images are saved; empty: in the Pictures folder")
    )

    def __post_init__(self) -> None:
        check(self)
        check_pattern(self.pattern)
        if self.folder and (not Path(self.folder).is_absolute() or "\0" in self.folder):
            raise UserError(
                tr(
                    "The folder of the images must be a full path, not “{folder}”.",
                    folder=self.folder[:60],
                )
            )

    @property
    def ending(self) -> str:
        return ENDINGS[self.format]


def check_pattern(pattern: str) -> None:
    if not pattern.strip() or len(pattern) > LONGEST_PATTERN:
        raise UserError(
            tr(
                "A name pattern must have 1 to {longest_pattern} characters.",
                longest_pattern=LONGEST_PATTERN,
            )
        )
    unknown = [name for name in PART.findall(pattern) if name not in TOKENS]
    if unknown:
        raise UserError(
            tr(
                "Names cannot contain “{{{unknown}}}”; what they can contain: {tokens}.",
                unknown=unknown[0][:40],
                tokens=", ".join(TOKENS),
            )
        )
    rest = PART.sub("", pattern)
    if "{" in rest or "}" in rest:
        raise UserError(tr("A brace in the name pattern is not closed; write it as in {seed}."))
    found = UNSAFE.search(rest)
    if found:
        shown = found[0] if found[0].isprintable() else f"character {ord(found[0])}"
        raise UserError(tr("Names cannot contain “{shown}”, which some systems do not allow.", shown=shown))
    if pattern.startswith("."):
        raise UserError(tr("Names cannot begin with a dot, because such files are hidden."))


def file_name(pattern: str, settings: GenerationSettings, facts: Mapping[str, Any], moment: datetime) -> str:
    """The name a pattern gives an image, without ending; valid on every system, whatever its model is called."""
    batch = facts.get("batch")
    place = batch.get("index", 0) if isinstance(batch, Mapping) else 0
    values = {
        "date": f"{moment:%Y-%m-%d}",
        "time": f"{moment:%H%M%S}",
        "seed": "random" if settings.seed is None else settings.seed,
        "model": settings.model or facts.get("model_title") or "model",
        "sampler": settings.sampler,
        "steps": settings.steps,
        "index": place + 1 if isinstance(place, int) else 1,
    }
    name = PART.sub(lambda match: UNSAFE.sub("-", str(values.get(match[1], ""))), pattern)
    name = name.encode("utf-8", "replace")[:LONGEST_NAME].decode("utf-8", "ignore").strip(" .") or "picture"
    return f"_{name}" if RESERVED.match(name) else name
