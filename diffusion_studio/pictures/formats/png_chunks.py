"""A PNG file reduced to the chunks that make its pixels; all others are read here, or not at all.

Of what a PNG says of its colours an embedded ICC profile counts. sRGB is what is shown anyway. gAMA and cHRM alone are not
applied, as in Pillow and most programs that read training images: too many files carry wrong ones. A gamma that would
make a visible difference is noted.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO

from diffusion_studio.language import tr
from diffusion_studio.pictures.formats.contents import Contents, Refused
from diffusion_studio.pictures.formats.exif_orientation import orientation_in

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST_PROFILE = 16 << 20  # bytes unpacked; profiles of printers have one or two
LARGEST_CHUNK_READ = 64 << 20  # of a chunk that is about the pixels without being pixels
MOST_CHUNKS = 1_000_000
USUAL_GAMMA = 45455


def open_png(file: BinaryIO) -> Contents:
    """Raises `Refused` for pixels whose checksum is wrong. Whatever is wrong with another chunk is at most noted."""
    file.seek(len(SIGNATURE))
    found = Contents(io.BytesIO(), "PNG")
    kept = io.BytesIO()
    kept.write(SIGNATURE)
    header, gamma, standard, frames = b"", 0, False, 1
    seen_pixels, apart = False, None  # apart: the image that a film does not begin with
    for _ in range(MOST_CHUNKS):
        start = file.read(8)
        if len(start) < 8 or start[4:] == b"IEND":
            kept.write(_chunk(b"IEND", b""))
            break
        length, kind = int.from_bytes(start[:4], "big"), start[4:]
        pixels = kind in (b"IHDR", b"PLTE", b"IDAT")
        if not pixels and (kind not in READ or length > LARGEST_CHUNK_READ):
            file.seek(length + 4, io.SEEK_CUR)
            continue
        data = file.read(length)
        if len(data) < length:
            if pixels:
                raise Refused(tr("it is damaged: the file ends too early"))
            continue
        checksum = file.read(4)
        if pixels:
            if kind == b"IHDR" and header:
                continue
            # Pillow does not look at the checksum of pixels; a missing one ends the file, after all of them.
            if len(checksum) == 4 and int.from_bytes(checksum, "big") != zlib.crc32(data, zlib.crc32(kind)):
                raise Refused(tr("it is damaged"))
            kept.write(start + data + zlib.crc32(data, zlib.crc32(kind)).to_bytes(4, "big"))
        if kind == b"IHDR":
            header = data
        elif kind == b"tRNS":
            _transparency(data, header, found, kept)
        elif kind == b"eXIf":
            found.orientation = orientation_in(data)
        elif kind in (b"tEXt", b"zTXt"):
            _raw_profile(kind, data, found)
        elif kind == b"iCCP":
            found.profile = _profile(data, found)
        elif kind == b"sRGB":
            standard = True
        elif kind == b"gAMA" and length == 4:
            gamma = int.from_bytes(data, "big")
        elif kind == b"acTL" and length >= 4:
            frames = int.from_bytes(data[:4], "big")
        elif kind == b"fcTL" and apart is None:
            apart = seen_pixels
        elif kind == b"IDAT":
            seen_pixels = True
    else:
        raise Refused(tr("it is damaged: it is made of more than a million pieces"))
    if gamma and not standard and not found.profile and abs(gamma / USUAL_GAMMA - 1) > 0.05:
        found.notes.append(tr("its gamma of {gamma:.3g} is not applied", gamma=gamma / 100000))
    found.frames = max(1, min(frames, 1 << 20)) + bool(apart)
    found.depth = header[8] if len(header) == 13 else 8
    kept.seek(0)
    found.stream = kept
    return found


READ = {b"tRNS", b"eXIf", b"tEXt", b"zTXt", b"iCCP", b"sRGB", b"gAMA", b"acTL", b"fcTL"}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _transparency(data: bytes, header: bytes, found: Contents, kept: BinaryIO) -> None:
    """Alpha of a palette is left to Pillow. A transparent colour is kept apart: Pillow compares it after it was scaled."""
    colour = header[9] if len(header) == 13 else -1
    if colour == 3:
        kept.write(_chunk(b"tRNS", data))
    elif colour in (0, 2) and len(data) >= (2 if colour == 0 else 6):
        found.key = struct.unpack(">H" if colour == 0 else ">HHH", data[: 2 if colour == 0 else 6])


def _profile(data: bytes, found: Contents) -> bytes:
    packed = data.partition(b"\0")[2]
    unpacked = _inflate(packed[1:], LARGEST_PROFILE)
    if unpacked is None:
        found.notes.append(tr("its colour profile is damaged and was ignored"))
    return unpacked or b""


def _raw_profile(kind: bytes, data: bytes, found: Contents) -> None:
    """EXIF as ImageMagick wrote it before there was eXIf: hexadecimal digits after a line with their number."""
    if not data.startswith((b"Raw profile type exif\0", b"Raw profile type APP1\0")):
        return
    text = data.partition(b"\0")[2]
    plain = text if kind == b"tEXt" else _inflate(text[1:], LARGEST_PROFILE)
    try:
        digits = b"".join((plain or b"").split(b"\n")[3:])
        found.orientation = orientation_in(bytes.fromhex(digits.decode("ascii")))
    except ValueError:
        found.notes.append(tr("its EXIF data are damaged and were ignored"))


def _inflate(packed: bytes, limit: int) -> bytes | None:
    """Unpacked, at most `limit` bytes; None where it is damaged or more."""
    try:
        packer = zlib.decompressobj()
        unpacked = packer.decompress(packed, limit)
        return unpacked if packer.eof else None
    except zlib.error:
        return None
