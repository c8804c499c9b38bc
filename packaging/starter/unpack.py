"""Unpack a set of drawings (.npz with images, labels, classes) into folders to learn from and to hold out.

    python packaging/starter/unpack.py avatars-32.npz OUT

writes OUT/learn/<class>/*.png and, of every tenth picture, OUT/held-out/<class>/*.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

HELD_OUT_EVERY = 10


def unpack(source: Path, target: Path) -> None:
    data = np.load(source)
    counts: dict[str, int] = {}
    for picture, label in zip(data["images"], data["labels"], strict=True):
        name = str(data["classes"][label])
        number = counts.get(name, 0)
        counts[name] = number + 1
        folder = target / ("learn" if number % HELD_OUT_EVERY else "held-out") / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{number:05d}.png")
    print(f"{sum(counts.values())} pictures in {len(counts)} classes under {target}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
