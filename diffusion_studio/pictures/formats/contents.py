"""What a file was taken apart into: the stream that holds the pixels, and what is said about them.

Text, thumbnails, editing histories and maker notes never reach a decoder, so that nothing wrong with them can stop it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np


class Refused(Exception):
    """Why one file is not among the images, in half a sentence: “it is damaged”."""


@dataclass
class Contents:
    """`stream` decodes into the pixels; all else is what the file says of them."""

    stream: BinaryIO
    format: str
    orientation: int = 1  # of EXIF, 1 to 8
    profile: bytes = b""  # ICC
    frames: int = 1  # of an animation
    pages: int = 1  # of a file that holds several images
    notes: list[str] = field(default_factory=list)  # what was wrong and did not matter, each half a sentence
    key: tuple[int, ...] = ()  # PNG: the samples of the one transparent colour
    depth: int = 8  # PNG: bits a sample
    inverted: bool = False  # a CMYK JPEG that holds 255 - ink
    light: np.ndarray | None = None  # (H, W) uint16 of a grey image whose samples have more than eight bits
