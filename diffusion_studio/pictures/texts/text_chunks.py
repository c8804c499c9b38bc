"""The texts a picture's file carries, read from the file itself: PNG chunks, and EXIF, XMP and comments of JPEG and WebP.

No pixel is decoded, and a text of any size costs no more than the bounds here: texts that are longer come cut, with a note.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from diffusion_studio.pictures.texts.comments import plain_text
from diffusion_studio.pictures.texts.exif_text import exif_texts

MOST_TEXT = 1 << 20  # bytes of one text
MOST_IN_ALL = 4 << 20  # bytes of all texts of a picture
MOST_TEXTS = 200
PIECE = 4096  # bytes unpacked at a time
MOST_CHUNKS = 100_000  # headers passed by on the way through a file
PNG = b"\x89PNG\r\n\x1a\n"
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass
class PictureTexts:
    """Texts by name: a PNG keyword, an EXIF tag, "XMP", "Comment" or "C2PA"; and the names of those cut and damaged."""

    items: dict[str, str] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, name: str, text: str, *, cut: bool = False) -> None:
        """Keep the first text of a name, within the bounds."""
        text = text.strip("\0")
        if not text.strip() or name in self.items or len(self.items) >= MOST_TEXTS:
            return
        room = min(MOST_TEXT, MOST_IN_ALL - self.size)
        if cut or len(text) > room:
            self.cut.append(name)
        if room > 0:
            self.items[name] = text[:room]
            self.size += len(self.items[name])


def read_texts(file: BinaryIO) -> PictureTexts:
    """What an opened picture says, from its first byte on. A damaged file gives what is before the damage."""
    found = PictureTexts()
    file.seek(0)
    head = file.read(12)
    if head[:8] == PNG:
        file.seek(8)
        _png(file, found)
    elif head[:2] == b"\xff\xd8":
        file.seek(2)
        _jpeg(file, found)
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        _webp(file, found)
    elif head[:4] in (b"II*\0", b"MM\0*"):
        file.seek(0)
        _exif(file.read(MOST_IN_ALL), found)
    return found


# PNG ------------------------------------------------------------------------------------------------------------------


def _png(file: BinaryIO, found: PictureTexts) -> None:
    for kind, length in _chunks(file):
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            data = file.read(min(length, MOST_TEXT + 1000))
            _png_text(kind, data, len(data) < length, found)
        elif kind == b"eXIf":
            _exif(file.read(min(length, MOST_TEXT)), found)
        elif kind == b"caBX":
            found.add("C2PA", _letters(file.read(min(length, MOST_TEXT))))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        after = file.tell() + length + 4
        yield kind, length
        if kind == b"IEND":
            return
        file.seek(after)


def _png_text(kind: bytes, data: bytes, cut: bool, found: PictureTexts) -> None:
    """A keyword, a zero and Latin-1; zTXt: a method and deflated; iTXt: flag, method, two names and UTF-8 (PNG 3, 11.3.3)."""
    keyword, zero, rest = data.partition(b"\0")
    name = keyword[:79].decode("latin-1")
    if not zero or not name:
        return
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
        if len(parts) < 3:
            return
        rest = parts[2]
    elif packed:
        rest = rest[1:]
    if packed:
        rest, more, damaged = _unpack(rest)
        if damaged and not cut:
            found.damaged.append(name)
        cut = cut or more
    if name in (
        "Raw profile type exif",
        "Raw profile type APP1",
    ):  # of ImageMagick: a name, a length and hexadecimal digits
        _exif(_digits(rest), found)
        return
    found.add("XMP" if name == "XML:com.adobe.xmp" else name, _png_letters(kind, rest), cut=cut)


def _png_letters(kind: bytes, data: bytes) -> str:
    """Latin-1 by the standard; some programs write UTF-8 all the same, which is hardly ever anything else."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")


def _digits(data: bytes) -> bytes:
    words = data.split(maxsplit=2)
    try:
        return bytes.fromhex(words[2].decode("ascii")) if len(words) == 3 else b""
    except ValueError:
        return b""


def _unpack(data: bytes) -> tuple[bytes, bool, bool]:
    """At most `MOST_TEXT` bytes of what a deflated text unpacks to, whether there is more, and whether it is damaged."""
    stream, text = zlib.decompressobj(), b""
    for start in range(0, len(data), PIECE):
        try:
            text += stream.decompress(data[start : start + PIECE], MOST_TEXT - len(text))
        except zlib.error:
            return text, False, True
        if len(text) >= MOST_TEXT:
            return text, True, False
    return text, False, not stream.eof


# JPEG and WebP ----------------------------------------------------------------------------------------------------------


def _jpeg(file: BinaryIO, found: PictureTexts) -> None:
    manifest = b""
    for _ in range(MOST_CHUNKS):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xD9, 0xDA):  # the end, or the pixels
            break
        if head[1] == 0xFF:  # filling between two segments
            file.seek(-3, os.SEEK_CUR)
            continue
        length = max(int.from_bytes(head[2:4], "big") - 2, 0)
        after = file.tell() + length
        if head[1] in (0xE1, 0xEB, 0xFE):
            data = file.read(length)
            if head[1] == 0xFE:
                found.add("Comment", plain_text(data))
            elif data.startswith(b"Exif\0"):
                _exif(data, found)
            elif data.startswith(XMP_HEAD):
                found.add("XMP", data[len(XMP_HEAD) :].decode("utf-8", "replace"))
            elif head[1] == 0xEB and len(manifest) < MOST_TEXT:
                manifest += data
        file.seek(after)
    if b"c2pa" in manifest:
        found.add("C2PA", _letters(manifest))


def _webp(file: BinaryIO, found: PictureTexts) -> None:
    file.seek(12)
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head)
        after = file.tell() + length + length % 2
        if kind == b"EXIF":
            _exif(file.read(min(length, MOST_IN_ALL)), found)
        elif kind == b"XMP ":
            found.add("XMP", file.read(min(length, MOST_TEXT)).decode("utf-8", "replace"))
        elif kind == b"C2PA":
            found.add("C2PA", _letters(file.read(min(length, MOST_TEXT))))
        file.seek(after)


def _exif(data: bytes, found: PictureTexts) -> None:
    for name, text in exif_texts(data).items():
        found.add(name, text)


def _letters(data: bytes) -> str:
    """Of a binary manifest, what can be read: runs of printable text."""
    words = bytes(byte if 32 <= byte < 127 or byte >= 128 else 10 for byte in data)
    lines = (line for line in words.split(b"\n") if len(line) >= 4)
    return b"\n".join(lines).decode("utf-8", "replace")
