"""The files of a folder of training images with their classes, a hundred bytes each, since there may be millions."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path


class Found:
    """(file, class) of each, in the order they were given."""

    def __init__(self, files: Iterable[tuple[Path, str]]) -> None:
        self._text, self._ends, self._codes = bytearray(), array("Q", [0]), array("L")
        labels: dict[str, int] = {}
        for path, label in files:
            self._text += os.fsencode(path)
            self._ends.append(len(self._text))
            self._codes.append(labels.setdefault(label, len(labels)))
        self._labels = tuple(labels)

    def __len__(self) -> int:
        return len(self._codes)

    def __iter__(self) -> Iterator[tuple[Path, str]]:
        return self.after(0)

    def after(self, first: int) -> Iterator[tuple[Path, str]]:
        """Those from the `first` on."""
        for number in range(first, len(self)):
            name = bytes(self._text[self._ends[number] : self._ends[number + 1]])
            yield Path(os.fsdecode(name)), self._labels[self._codes[number]]
