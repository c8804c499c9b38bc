"""A folder of pictures made into one uint8 tensor: what the trainer learns from.

A bad file is skipped, with its name and the reason, and never stops the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.pictures.channels import COUNTS, seen_as
from diffusion_studio.pictures.decoding import open_picture
from diffusion_studio.pictures.fitting import fit
from diffusion_studio.pictures.folder_listing import find_pictures, printable
from diffusion_studio.pictures.formats.contents import Refused

OTHER = "other"  # the class of files beside the sub-folders
SHARE = 0.8  # of the free memory that the pictures may fill


@dataclass
class Pictures:
    """`images` (N, C, S, S) uint8, or uint16 of deep grey; `labels` (N,) int64 into `classes` (0 without); `skipped`: (name,
    reason) of the rest. RGBA is premultiplied.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    names: list[str]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)  # of the files, in hexadecimal
    covered: list[str] = field(
        default_factory=list
    )  # names of those that are transparent and were laid on white

    def __len__(self) -> int:
        return len(self.images)


def load_pictures(
    folder: Path, size: int, *, classes: bool = True, pad: bool = False, channels: str = "rgb"
) -> Iterator[int | Pictures]:
    """Open every picture of a folder; yields how many were looked at so far, and at last the `Pictures`.

    `channels`: what is seen of them, a key of `COUNTS`. Raises `UserError` where they do not fit into memory.
    """
    found = list(find_pictures(folder))
    images = _room(len(found), size, channels)
    labels: list[str] = []
    names: list[str] = []
    digests: list[str] = []
    skipped: list[tuple[str, str]] = []
    covered: list[str] = []
    for count, (path, label) in enumerate(found, 1):
        name = printable(path.relative_to(folder))
        try:
            opened = open_picture(path, hashed=True, least=size)
            images[len(names)] = fit(seen_as(opened, channels), size, pad=pad)
        except Refused as reason:
            skipped.append((name, str(reason)))
        else:
            labels.append(label or OTHER)
            names.append(name)
            digests.append(opened.digest.hex())
            if opened.transparent and channels != "rgba":
                covered.append(name)
        if count % 16 == 0:
            yield count
    known = tuple(sorted(set(labels)))
    known = known if classes and len(known) > 1 else ()
    index = {label: row for row, label in enumerate(known)}
    rows = np.array([index.get(label, 0) for label in labels], dtype=np.int64)
    yield Pictures(images[: len(names)], rows, known, names, skipped, digests, covered)


def _room(count: int, size: int, channels: str) -> np.ndarray:
    dtype = np.dtype(np.uint16 if channels == "grey16" else np.uint8)
    shape = (count, COUNTS[channels], size, size)
    need = count * COUNTS[channels] * size * size * dtype.itemsize
    if need > psutil.virtual_memory().available * SHARE:
        raise UserError(
            tr(
                "{count} images at {size}×{size} need {need:.1f} GB of memory, more than is free. "
                "Choose a smaller size, or fewer images.",
                count=count,
                size=size,
                need=need / 1e9,
            )
        )
    return np.empty(shape, dtype)
