"""A folder of pictures made into one uint8 tensor: what the trainer learns from.

A bad file is skipped, with its name and the reason, and never stops the others.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from diffusion_studio.pictures.channels import COUNTS, seen_as
from diffusion_studio.pictures.decoding import open_picture
from diffusion_studio.pictures.fitting import fit
from diffusion_studio.pictures.folder_listing import find_pictures, printable
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.training.data.found import Found
from diffusion_studio.training.data.prepared import ImagesInMemory, open_prepared, stamp_of
from diffusion_studio.training.data.rows import Column, Row

OTHER = "other"  # the class of files beside the sub-folders
SHARE = 0.25  # of the free memory that the pictures may fill; more are mapped from a file
MANY = 20_000  # images, above which they are prepared in a file: to read them again would take minutes


@dataclass
class Pictures:
    """`images` (N, C, S, S) uint8, or uint16 of deep grey; `labels` (N,) int64 into `classes` (0 without); `skipped`: (name,
    reason) of the rest. RGBA is premultiplied.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    names: Sequence[str]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    digests: Sequence[str] = ()  # of the files, in hexadecimal
    latents: np.ndarray | None = (
        None  # (N, c, s, s) float16: what the network learns instead, where it learns latents
    )
    mirrored: np.ndarray | None = None  # the same of the mirrored images
    covered: list[str] = field(
        default_factory=list
    )  # names of those that are transparent and were laid on white

    def __len__(self) -> int:
        return len(self.images)


def load_pictures(
    folder: Path, size: int, *, classes: bool = True, pad: bool = False, channels: str = "rgb"
) -> Iterator[int | Pictures]:
    """Open every picture of a folder; yields how many were looked at so far, and at last the `Pictures`.

    `channels`: what is seen of them, a key of `COUNTS`. Many images are prepared once in a file of the cache folder, which
    takes no memory. Raises `UserError` where the disk has no room for that.
    """
    found = Found(find_pictures(folder))
    kept: ImagesInMemory | None = None
    for step in _place_for(folder, found, size, channels, pad):
        if isinstance(step, int):
            yield step
        else:
            kept = step
    assert kept is not None
    with closing(kept):
        for path, label in found.after(len(kept.rows)):
            name, stamp = printable(path.relative_to(folder)), stamp_of(path)
            known = kept.known(name, stamp)
            if known is not None:
                kept.add(known[0]._replace(label=label or OTHER), known[1])
                continue
            try:
                opened = open_picture(path, hashed=True, least=size)
                pixels = fit(seen_as(opened, channels), size, pad=pad)
            except Refused as reason:
                kept.add(Row(name, reason=str(reason), stamp=stamp))
            else:
                covered = opened.transparent and channels != "rgba"
                kept.add(Row(name, label or OTHER, opened.digest.hex(), covered, stamp=stamp), pixels)
            if len(kept.rows) % 16 == 0:
                yield len(kept.rows)
    yield _pictures(kept, classes=classes)


def _pictures(kept: ImagesInMemory, *, classes: bool) -> Pictures:
    rows, places, labels = kept.rows, array("q"), array("q")
    codes: dict[str, int] = {}
    skipped, covered = [], []
    for place, row in enumerate(rows):
        if row.reason:
            skipped.append((row.name, row.reason))
            continue
        places.append(place)
        labels.append(codes.setdefault(row.label, len(codes)))
        if row.covered:
            covered.append(row.name)
    known = tuple(sorted(codes)) if classes and len(codes) > 1 else ()
    order = [known.index(label) if known else 0 for label in codes]  # of each code
    found = np.array(places, dtype=np.int64)
    return Pictures(
        kept.images[: kept.usable],
        np.array(order, dtype=np.int64)[np.array(labels, dtype=np.int64)] if len(found) else found,
        known,
        Column(rows, found, "name"),
        skipped,
        Column(rows, found, "digest"),
        covered=covered,
    )


def _place_for(
    folder: Path, found: Found, size: int, channels: str, pad: bool
) -> Iterator[int | ImagesInMemory]:
    """Where the pixels go: into memory or, of many images, into a file that is prepared once and mapped."""
    dtype = np.dtype(np.uint16 if channels == "grey16" else np.uint8)
    shape = (COUNTS[channels], size, size)
    need = len(found) * int(np.prod(shape)) * dtype.itemsize
    if len(found) > MANY or need > psutil.virtual_memory().available * SHARE:
        yield from open_prepared(folder, found, (size, channels, pad), shape, dtype)
    else:
        yield ImagesInMemory(np.empty((len(found), *shape), dtype))
