"""The colour profile that a BMP file holds (BITMAPV5HEADER); its pixels are left to the decoder as they are."""

from __future__ import annotations

import struct
from typing import BinaryIO

from diffusion_studio.language import tr
from diffusion_studio.pictures.formats.contents import Contents

FILE_HEADER, V5 = 14, 124  # bytes of the file's header, and of the longest kind of the header after it
COLOUR_SPACE, PROFILE = (
    FILE_HEADER + 56,
    FILE_HEADER + 112,
)  # where the kind of profile, and its place and length are
EMBEDDED = b"DEBM"  # PROFILE_EMBEDDED; a profile that is named by a path (PROFILE_LINKED) is never opened
LARGEST_PROFILE = 64 << 20


def open_bmp(file: BinaryIO) -> Contents:
    """The whole file, and the ICC profile embedded in it; one that does not lie in the file counts as none, and is noted."""
    found = Contents(file, "BMP")
    file.seek(0)
    head = file.read(FILE_HEADER + V5)
    if len(head) < FILE_HEADER + V5 or struct.unpack_from("<I", head, FILE_HEADER)[0] < V5:
        return found
    if head[COLOUR_SPACE : COLOUR_SPACE + 4] != EMBEDDED:
        return found
    start, length = struct.unpack_from("<2I", head, PROFILE)
    file.seek(FILE_HEADER + start)
    profile = file.read(min(length, LARGEST_PROFILE))
    if len(profile) < length or length < 128:  # the head of a profile alone has 128 bytes
        found.notes.append(tr("its colour profile is damaged and was ignored"))
    else:
        found.profile = profile
    return found
