"""Where in an image's file its settings are: PNG text, and EXIF in JPEG and WebP."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from diffusion_studio.pictures.foreign_settings.a1111 import write_parameters
from diffusion_studio.pictures.foreign_settings.comfyui import NAMED
from diffusion_studio.pictures.foreign_settings.foreign import ForeignSettings
from diffusion_studio.pictures.metadata import SOFTWARE, block, parameters_line
from diffusion_studio.pictures.texts.text_chunks import PictureTexts
from diffusion_studio.settings.generation import GenerationSettings

OWN, LINE = "diffusion_studio", "parameters"
EXIF, COMMENT, NOTE, SOFTWARE_TAG = 0x8769, 0x9286, 0x927C, 0x0131
MOST_EXIF = 65_000  # bytes that JPEG has for all of it
MOST_LETTERS = 16_000  # of the line there, each of two or four bytes
MARK = f', {OWN}: "'  # in a comment of the first version our JSON is the last, quoted parameter of the line


def png_options(line: str, own: str | None) -> dict[str, Any]:
    """What `Image.save` is given so that a PNG carries the texts."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(LINE, line)
    if own is not None:
        info.add_text(OWN, own)
    info.add_text("Software", SOFTWARE)
    return {"pnginfo": info}


def exif_options(line: str, own: str | None) -> dict[str, Any]:
    """The same for JPEG and WebP: the line is the comment, our JSON the note of the maker."""
    comment = b"UNICODE\0" + _shortened(line).encode("utf-16-be", "replace")
    note = f"{OWN}\0{own}".encode() if own is not None else b""
    if len(comment) + len(note) > MOST_EXIF:  # the line says the most in the least room
        note = b""
    return {"exif": _exif(SOFTWARE, comment, note)}


def _shortened(line: str) -> str:
    """The line with its words cut where they leave no room: the settings, which are at the end, stay whole."""
    words, end, settings = line.rpartition("\n")
    room = MOST_LETTERS - len(settings) - 1
    return line[:MOST_LETTERS] if room < 0 else words[:room] + end + settings


def options(kind: str, settings: GenerationSettings, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What `Image.save` is given so that a file of this kind ("PNG", "JPEG", "WEBP") says how it was made."""
    return carry(kind, parameters_line(settings, facts), block(settings, facts))


def carry(kind: str, line: str, own: str | None = None) -> dict[str, Any]:
    return (png_options if kind == "PNG" else exif_options)(line, own)


def carry_foreign(kind: str, texts: PictureTexts, said: ForeignSettings) -> dict[str, Any]:
    """The same of another program's texts as they are; where a JPEG has no room for them, what was understood."""
    from PIL.PngImagePlugin import PngInfo

    items = dict(_as_chunk(*item) for item in texts.items.items() if item[0] not in ("C2PA", "MakerNote"))
    if kind == "PNG":
        info = PngInfo()
        for name, text in items.items():
            info.add_text("XML:com.adobe.xmp" if name == "XMP" else name, text)
        return {"pnginfo": info}
    items.pop("XMP", None)
    together = json.dumps(items, ensure_ascii=False)
    comment = items[LINE] if LINE in items and not {"prompt", "workflow"} & items.keys() else together
    data = b"UNICODE\0" + comment.encode("utf-16-be", "replace")
    if kind == "JPEG" and len(data) > MOST_EXIF:
        summary = write_parameters(said)[: MOST_EXIF // 4]
        data = b"UNICODE\0" + summary.encode("utf-16-be", "replace")
    return {"exif": _exif(said.program or SOFTWARE, data, b"")}


def foreign_line(facts: Mapping[str, Any]) -> str:
    """What is known of another program's picture without its file, as a line of parameters."""
    said = ForeignSettings(
        program=str(facts["made_with"]),
        prompt=str(facts.get("prompt", "")),
        negative=str(facts.get("negative_prompt", "")),
        width=facts.get("width"),
        height=facts.get("height"),
        model=str(facts.get("model_title", "")),
        model_hash=str(facts.get("model_hash", "")),
    )
    return write_parameters(said)


def _as_chunk(name: str, text: str) -> tuple[str, str]:
    """A text of EXIF under the keyword that programs look for in a PNG."""
    named = NAMED.match(text) if name in ("Make", "Model", "ImageDescription") else None
    if named is not None:
        return named[1].lower(), text[named.end() :]
    return {"UserComment": LINE, "ImageDescription": "Description"}.get(name, name), text


def own_texts(texts: PictureTexts) -> tuple[str | None, str | None]:
    """(our own JSON, the line of parameters) of a picture's texts, unchecked."""
    items = texts.items
    note = items.get("MakerNote", "")
    own = items.get(OWN) or (note.removeprefix(f"{OWN}\0") if note.startswith(f"{OWN}\0") else None)
    line = items.get(LINE) or items.get("UserComment")
    if own is None and line is not None:
        before, mark, rest = line.rpartition(MARK)
        if mark:  # as the first version wrote it
            try:
                return str(json.loads(f'"{rest}')), before
            except ValueError:
                pass
    return own, line


def _exif(software: str, comment: bytes, note: bytes) -> bytes:
    """The software's name, the comment and perhaps a note, of type UNDEFINED as the standard has it (Pillow writes BYTE)."""
    name = software.encode("ascii", "replace") + b"\0"
    padding = b"\0" * (len(name) % 2)
    tags = [(NOTE, note), (COMMENT, comment)] if note else [(COMMENT, comment)]
    first, second = 8, 8 + 2 + 2 * 12 + 4
    end = second + 2 + 12 * len(tags) + 4
    place = end + len(name + padding)
    entries = []
    for tag, data in tags:
        entries.append(struct.pack(">HHII", tag, 7, len(data), place))
        place += len(data)
    return b"".join((
        b"Exif\0\0MM\0*",
        struct.pack(">I", first),
        struct.pack(">H", 2),
        struct.pack(">HHII", SOFTWARE_TAG, 2, len(name), end),
        struct.pack(">HHII", EXIF, 4, 1, second),
        struct.pack(">I", 0),
        struct.pack(">H", len(tags)),
        *entries,
        struct.pack(">I", 0),
        name + padding,
        *(data for _, data in tags),
    ))  # fmt: skip
