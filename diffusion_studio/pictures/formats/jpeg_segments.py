"""A JPEG file reduced to the segments that make its pixels; EXIF, profiles and the index of further images are read here."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from diffusion_studio.language import tr
from diffusion_studio.pictures.formats.contents import Contents
from diffusion_studio.pictures.formats.exif_orientation import orientation_in

PROFILE, PAGES = b"ICC_PROFILE\0", b"MPF\0"
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
MOST_PAGES = 10_000


def open_jpeg(file: BinaryIO) -> Contents:
    """Nothing is refused here: whatever cannot be followed is left to the decoder."""
    file.seek(0)
    data = file.read()
    found = Contents(io.BytesIO(), "JPEG")
    kept, parts = [b"\xff\xd8"], []
    place, adobe, inks = 2, False, 0
    while True:
        place = data.find(b"\xff", place)
        while 0 <= place < len(data) - 1 and data[place + 1] == 0xFF:  # padding
            place += 1
        if place < 0 or place + 4 > len(data):
            break
        marker = data[place + 1]
        if marker in ALONE or marker == 0x00:
            place += 2
            continue
        if marker in (0xDA, 0xD9):  # the pixels, and all that follows them
            kept.append(data[place:])
            break
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        segment = data[place : place + 2 + length]
        body = segment[4:]
        if marker == 0xE1 and body[:4] == b"Exif":
            found.orientation = orientation_in(body) if found.orientation == 1 else found.orientation
        elif marker == 0xE2 and body.startswith(PROFILE):
            parts.append(body[len(PROFILE) :])
        elif marker == 0xE2 and body.startswith(PAGES):
            found.pages = _pages(body[len(PAGES) :])
        elif marker == 0xEE and body[:5] == b"Adobe":
            adobe = True
            kept.append(segment)
        elif not (0xE0 <= marker <= 0xEF or marker == 0xFE) or (marker == 0xE0 and body[:5] == b"JFIF\0"):
            kept.append(segment)
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) > 5:
                inks = body[5]
        place += 2 + max(length, 2)
    found.inverted = inks == 4 and adobe
    if parts:
        found.profile = _profile(parts)
        if not found.profile:
            found.notes.append(tr("its colour profile is damaged and was ignored"))
    found.stream = io.BytesIO(b"".join(kept))
    return found


def _profile(parts: list[bytes]) -> bytes:
    """The parts of a profile in their order; b"" where one is missing."""
    numbered = {part[0]: part[2:] for part in parts if len(part) > 2}
    total = parts[0][1] if len(parts[0]) > 1 else 0
    return (
        b"".join(numbered[k] for k in range(1, total + 1))
        if total and set(numbered) == set(range(1, total + 1))
        else b""
    )


def _pages(index: bytes) -> int:
    """How many images a multi-picture file holds (CIPA DC-007, tag 0xB001)."""
    order = {b"II": "<", b"MM": ">"}.get(index[:2])
    if order is None or len(index) < 10:
        return 1
    (start,) = struct.unpack_from(order + "I", index, 4)
    for place in range(start + 2, len(index) - 11, 12):
        tag, _, _, value = struct.unpack_from(order + "HHII", index, place)
        if tag == 0xB001:
            return max(1, min(int(value), MOST_PAGES))
    return 1
