"""Where in a picture's file its settings stand: PNG text, and EXIF in JPEG and WebP."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from diffusion_studio.pictures.metadata import MOST_BYTES, SOFTWARE, block, parameters_line
from diffusion_studio.settings.generation import GenerationSettings

if TYPE_CHECKING:
    from PIL.Image import Image

OWN, LINE = "diffusion_studio", "parameters"
EXIF, COMMENT, SOFTWARE_TAG = 0x8769, 0x9286, 0x0131
MARK = f', {OWN}: "'  # in a comment our JSON is the last, quoted parameter of the line
MOST_TRAILING = 1 << 24  # pixels that are decoded to look for text behind them


def png_options(line: str, own: str | None) -> dict[str, Any]:
    """What `Image.save` is told so that a PNG carries the texts."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(LINE, line)
    if own is not None:
        info.add_text(OWN, own)
    info.add_text("Software", SOFTWARE)
    return {"pnginfo": info}


def exif_options(line: str, own: str | None) -> dict[str, Any]:
    """The same for JPEG and WebP."""
    full = line + (f", {OWN}: {json.dumps(own)}" if own is not None else "")
    if len(full) > MOST_BYTES // 4:  # JPEG has 64 KB for all of EXIF, at two bytes a letter
        full = line[: MOST_BYTES // 4]
    return {"exif": _exif(SOFTWARE, b"UNICODE\0" + full.encode("utf-16-be", "replace"))}


def options(kind: str, settings: GenerationSettings, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What `Image.save` is told so that a file of this kind ("PNG", "JPEG", "WEBP") says how it was made."""
    return carry(kind, parameters_line(settings, facts), block(settings, facts))


def carry(kind: str, line: str, own: str | None = None) -> dict[str, Any]:
    return (png_options if kind == "PNG" else exif_options)(line, own)


def texts(image: Image) -> tuple[str | None, str | None]:
    """(our own JSON, the line of parameters) of an opened picture, unchecked. Damaged files raise anything."""
    if image.format == "PNG":
        found = _png_texts(image)
        if found != (None, None) or "exif" not in image.info:
            return found
    return _comment_texts(image)


def _png_texts(image: Image) -> tuple[str | None, str | None]:
    found = image.info
    if not {OWN, LINE} & found.keys() and image.width * image.height <= MOST_TRAILING:
        # reads to the end of the file: some programs write text behind the pixels
        found = getattr(image, "text", {})
    own, line = found.get(OWN), found.get(LINE)
    return (str(own) if isinstance(own, str) else None), (str(line) if isinstance(line, str) else None)


def _comment_texts(image: Image) -> tuple[str | None, str | None]:
    exif = image.getexif()
    comment = exif.get_ifd(EXIF).get(COMMENT)
    text = decode_comment(comment) if isinstance(comment, bytes) else comment
    if not isinstance(text, str) or not text.strip():
        return None, None
    line, mark, rest = text.rpartition(MARK)
    if mark:
        try:
            return str(json.loads(f'"{rest}')), line
        except ValueError:
            pass
    return None, text


def decode_comment(comment: bytes) -> str:
    """An EXIF UserComment: its first eight bytes name the encoding, though not the order of UTF-16's bytes."""
    kind, body = comment[:8], comment[8:]
    if kind == b"UNICODE\0":
        if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return body.decode("utf-16", "replace")
        little = body[1::2].count(0) > body[0::2].count(0)  # mostly Latin letters: their zero comes second
        return body.decode("utf-16-le" if little else "utf-16-be", "replace")
    return (body if kind in (b"ASCII\0\0\0", b"\0" * 8) else comment).decode("utf-8", "replace").strip("\0")


def _exif(software: str, comment: bytes) -> bytes:
    """Two tags, the comment with type UNDEFINED as the standard has it (Pillow would write BYTE)."""
    name = software.encode("ascii", "replace") + b"\0"
    padding = b"\0" * (len(name) % 2)
    first, second, end = 8, 8 + 2 + 2 * 12 + 4, 8 + 2 + 2 * 12 + 4 + 2 + 12 + 4
    return b"".join((
        b"Exif\0\0MM\0*",
        struct.pack(">I", first),
        struct.pack(">H", 2),
        struct.pack(">HHII", SOFTWARE_TAG, 2, len(name), end),
        struct.pack(">HHII", EXIF, 4, 1, second),
        struct.pack(">I", 0),
        struct.pack(">H", 1),
        struct.pack(">HHII", COMMENT, 7, len(comment), end + len(name + padding)),
        struct.pack(">I", 0),
        name + padding,
        comment,
    ))  # fmt: skip
