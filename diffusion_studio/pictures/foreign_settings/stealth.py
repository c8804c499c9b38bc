"""Text hidden in the lowest bits of the pixels, column by column: in alpha (as NovelAI does), or in red, green and blue.

Fifteen letters say which, 32 bits how many bits follow; then come UTF-8 or, where the letters end in "comp", gzip.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from diffusion_studio.pictures.foreign_settings.foreign import load
from diffusion_studio.pictures.texts.text_chunks import MOST_TEXT, PictureTexts

if TYPE_CHECKING:
    import numpy as np

MARKS = {
    b"stealth_pnginfo": (True, False),
    b"stealth_pngcomp": (True, True),
    b"stealth_rgbinfo": (False, False),
    b"stealth_rgbcomp": (False, True),
}
LENGTH = 15  # letters of a mark
MOST_PIXELS = 1 << 24  # that are decoded to look for it


def hidden_text(pixels: np.ndarray) -> str | None:
    """The text in (H, W, 3 or 4) uint8, None where there is none. What it unpacks to is bounded before it is unpacked."""
    planes = [pixels[..., 3:]] if pixels.shape[-1] == 4 else []
    for plane in (*planes, pixels[..., :3]):
        head = _bytes(plane, 0, LENGTH + 4)
        alpha, packed = MARKS.get(head[:LENGTH], (None, False))
        if alpha is None or alpha != (plane.shape[-1] == 1):
            continue
        bits = int.from_bytes(head[LENGTH:], "big")
        data = _bytes(plane, LENGTH + 4, min(bits // 8, MOST_TEXT))
        return _unpacked(data) if packed else data.decode("utf-8", "replace")
    return None


def add_hidden(texts: PictureTexts, said: str | None) -> None:
    """Put a hidden text among the others, each part under its name: JSON with names, or a line of parameters."""
    if said is None:
        return
    value = load(said)
    if not isinstance(value, dict):
        texts.add("parameters", said)
        return
    for name, entry in value.items():
        texts.add(name[:79], entry if isinstance(entry, str) else json.dumps(entry))


def _bytes(plane: np.ndarray, start: int, count: int) -> bytes:
    """`count` bytes from `start` on of the bits of (H, W, C), from the top of the first column down."""
    import numpy as np

    height, _, channels = plane.shape
    a_column = height * channels
    first, last = 8 * start // a_column, -(-8 * (start + count) // a_column)
    bits = (plane[:, first:last].transpose(1, 0, 2) & 1).reshape(-1)
    begin = 8 * start - first * a_column
    return np.packbits(bits[begin : begin + 8 * count]).tobytes()


def _unpacked(data: bytes) -> str | None:
    stream: Any = zlib.decompressobj(31)
    try:
        return stream.decompress(data, MOST_TEXT).decode("utf-8", "replace") or None
    except zlib.error:
        return None
