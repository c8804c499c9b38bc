"""The texts in EXIF: the few tags that programs write settings into, read within bounds from damaged blocks, too."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from diffusion_studio.pictures.texts.comments import decode_comment, plain_text

MOST_TAGS = 500  # of one directory; a picture has some forty
DIRECTORY, COMMENT, XMP_TAG = 0x8769, 0x9286, 0x02BC
NAMES = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    XMP_TAG: "XMP",
    0x927C: "MakerNote",
    COMMENT: "UserComment",
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
}
SIZES = {1: 1, 2: 1, 7: 1, 129: 1}  # bytes, ASCII, undefined, UTF-8 (Exif 3.0): the types that hold text


def exif_texts(data: bytes) -> dict[str, str]:
    """Tag name -> text of a block that begins with "Exif" or with the order of its bytes; what is damaged is left out."""
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return {}
    found: dict[str, str] = {}
    first = struct.unpack(f"{order}I", data[4:8])[0]
    seen: set[int] = set()
    waiting = [first]
    while waiting and len(seen) < 4:  # the first directory, and the one it names
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        for tag, value in _directory(data, place, order):
            if isinstance(value, int):
                waiting.append(value)
            else:
                text = _text(tag, value)
                if text.strip():
                    found.setdefault(NAMES[tag], text)
    return found


def _directory(data: bytes, place: int, order: str) -> Iterator[tuple[int, bytes | int]]:
    if place + 2 > len(data):
        return
    count = struct.unpack_from(f"{order}H", data, place)[0]
    for number in range(min(count, MOST_TAGS)):
        entry = place + 2 + 12 * number
        if entry + 12 > len(data):
            return
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, entry)
        if tag == DIRECTORY:
            yield tag, struct.unpack_from(f"{order}I", data, entry + 8)[0]
        elif tag in NAMES and kind in SIZES:
            start = entry + 8 if length <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
            yield tag, data[start : start + length]


def _text(tag: int, value: bytes) -> str:
    if tag == COMMENT:
        return decode_comment(value)
    if tag in (0x9C9B, 0x9C9C):
        return value.decode("utf-16-le", "replace").strip("\0")
    return plain_text(value).strip("\0")
