"""A WebP file reduced to the chunks that make its pixels."""

from __future__ import annotations

import io
from typing import BinaryIO

from diffusion_studio.pictures.formats.contents import Contents
from diffusion_studio.pictures.formats.exif_orientation import orientation_in

PIXELS = {b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}
ABOUT = 0x20 | 0x08 | 0x04  # the bits of VP8X that promise a profile, EXIF and XMP
LARGEST_ABOUT = 64 << 20


def open_webp(file: BinaryIO) -> Contents:
    """A file whose pixels are cut off goes to the decoder as it is, to be refused there."""
    found, kept = Contents(file, "WEBP"), io.BytesIO()
    file.seek(12)
    frames = 0
    while len(start := file.read(8)) == 8:
        kind, length = start[:4], int.from_bytes(start[4:], "little")
        if kind not in PIXELS and (kind not in (b"VP8X", b"EXIF", b"ICCP") or length > LARGEST_ABOUT):
            file.seek(length + (length & 1), io.SEEK_CUR)
            continue
        data = file.read(length)
        file.seek(length & 1, io.SEEK_CUR)
        if len(data) < length and kind in PIXELS | {b"VP8X"}:
            file.seek(0)
            return found
        if kind == b"VP8X" and data:
            data = bytes([data[0] & ~ABOUT]) + data[1:]
        elif kind == b"EXIF":
            found.orientation = orientation_in(data)
        elif kind == b"ICCP":
            found.profile = data
        if kind in PIXELS | {b"VP8X"}:
            frames += kind == b"ANMF"
            kept.write(kind + length.to_bytes(4, "little") + data + b"\0" * (length & 1))
    found.frames = max(1, frames)
    body = b"WEBP" + kept.getvalue()
    found.stream = io.BytesIO(b"RIFF" + len(body).to_bytes(4, "little") + body)
    return found
