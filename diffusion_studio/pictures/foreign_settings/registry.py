"""Who can read what: one reader a program, asked in this order. To add a program is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from diffusion_studio.language import tr
from diffusion_studio.pictures.foreign_settings.a1111 import read_parameters
from diffusion_studio.pictures.foreign_settings.comfyui import read_comfyui
from diffusion_studio.pictures.foreign_settings.draw_things import read_draw_things
from diffusion_studio.pictures.foreign_settings.easy_diffusion import read_easy_diffusion
from diffusion_studio.pictures.foreign_settings.fooocus import read_fooocus
from diffusion_studio.pictures.foreign_settings.foreign import ForeignSettings, encodable, load_object
from diffusion_studio.pictures.foreign_settings.invokeai import read_invokeai
from diffusion_studio.pictures.foreign_settings.makers import read_maker, read_midjourney
from diffusion_studio.pictures.foreign_settings.novelai import read_novelai
from diffusion_studio.pictures.foreign_settings.plain_names import read_plain_names
from diffusion_studio.pictures.foreign_settings.swarmui import read_swarmui
from diffusion_studio.pictures.texts.text_chunks import MOST_TEXTS, PictureTexts

MOST_RAW = 64 * 1024  # characters that are shown
Reader = Callable[[PictureTexts], ForeignSettings | None]
LINES = ("parameters", "Parameters", "UserComment", "Comment", "ImageDescription", "XPComment", "Description")
CHUNKS = {
    "parameters",
    "prompt",
    "workflow",
    "Dream",
    "sd-metadata",
    "invokeai_metadata",
    "invokeai_graph",
    "Comment",
}
QUIET = ("Make", "Model", "Software", "Artist", "MakerNote", "XMP")  # cameras write these, too


def read_a1111(texts: PictureTexts) -> ForeignSettings | None:
    """A line of parameters in any of the places where one is written."""
    return next(
        filter(None, (read_parameters(texts.items[name]) for name in LINES if name in texts.items)), None
    )


READERS: tuple[Reader, ...] = (
    read_swarmui,
    read_fooocus,
    read_invokeai,
    read_novelai,
    read_draw_things,
    read_comfyui,
    read_easy_diffusion,
    read_a1111,
    read_plain_names,
    read_midjourney,
    read_maker,
)


def read_foreign(texts: PictureTexts) -> ForeignSettings | None:
    """What another program says in a picture's texts; None where they say nothing at all."""
    _spread(texts)
    for reader in READERS:
        found = reader(texts)
        if found is not None:
            return _with_raw(found, texts)
    raw = _all(texts)
    return _with_raw(ForeignSettings(program="", raw=raw), texts) if raw else None


def _spread(texts: PictureTexts) -> None:
    """Chunks of a PNG that came into the comment of another format as one JSON object, each under its name."""
    together = load_object(texts.items.get("UserComment"))
    if CHUNKS & set(together) and all(isinstance(value, str) for value in together.values()):
        for name, said in list(together.items())[:MOST_TEXTS]:
            texts.add(name[:79], said)


def _with_raw(settings: ForeignSettings, texts: PictureTexts) -> ForeignSettings:
    """The raw text as it can be shown, and a sentence where that is not all of it."""
    raw, reasons = settings.raw or _all(texts), list(settings.left_out)
    if len(raw) > MOST_RAW or texts.cut:
        reasons.append(tr("Its text is longer than what is shown here."))
    return replace(settings, raw=encodable(raw[:MOST_RAW]), left_out=tuple(reasons))


def _all(texts: PictureTexts) -> str:
    return "\n".join(f"{name}: {said}" for name, said in texts.items.items() if name not in QUIET)
