"""The one thing in EXIF that pixels depend on, found whatever else is wrong with the rest of it."""

from __future__ import annotations

import struct

TAG = 0x0112
SIZES = {1: "B", 3: "H", 4: "I"}  # the types of whole numbers
MOST_ENTRIES = 4096


def orientation_in(exif: bytes) -> int:
    """1 to 8 of a block of EXIF, with or without its “Exif” in front; 1 where it says nothing that can be understood."""
    while exif[:4] == b"Exif":  # some programs write it twice
        exif = exif[6:]
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 10:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, start)
    for place in range(start + 2, start + 2 + 12 * min(count, MOST_ENTRIES), 12):
        if place + 12 > len(exif):
            break
        tag, kind, number = struct.unpack_from(order + "HHI", exif, place)
        if tag == TAG and kind in SIZES and number:
            # More than two values are kept elsewhere, and mean nothing.
            value = int(struct.unpack_from(order + SIZES[kind], exif, place + 8)[0])
            return value if 1 <= value <= 8 else 1
    return 1
