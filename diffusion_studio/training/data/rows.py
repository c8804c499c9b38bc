"""What became of each file of a folder of training images: a line of JSON each, kept as text, since there may be millions.

A million `Row`s take 1.4 GB as objects, and a tenth of that as the lines they are written as.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, overload

import numpy as np


class Row(NamedTuple):
    """One file: its pixels are the next image, unless there is a `reason` why it was left out."""

    name: str
    label: str = ""
    digest: str = ""  # of the file
    covered: bool = False  # transparent, and laid on white
    reason: str = ""
    check: str = ""  # hash of the pixels
    stamp: str = ""  # size and time of the file when it was read


class Rows(Sequence[Row]):
    """Rows that can be added to, each made again whenever it is requested."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._text, self._ends = bytearray(), array("Q", [0])
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> bytes:
        """Returns the line, with its end."""
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        self._text += line
        self._ends.append(len(self._text))
        return line

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = place + len(self) if place < 0 else place
        if not 0 <= number < len(self):
            raise IndexError(place)
        row = read_row(bytes(self._text[self._ends[number] : self._ends[number + 1]]))
        assert row is not None
        return row


class Column(Sequence[str]):
    """One text of some rows, such as their names."""

    def __init__(self, rows: Rows, places: np.ndarray, field: str) -> None:
        self._rows, self._places, self._number = rows, places, Row._fields.index(field)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        return str(self._rows[int(self._places[place])][self._number])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def read_row(line: bytes) -> Row | None:
    """A row as it is written; None where it is none."""
    try:
        values: Any = json.loads(line)
        row = Row(*values)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (row.name, row.label, row.digest, row.reason, row.check, row.stamp)
    return row if isinstance(row.covered, bool) and all(isinstance(text, str) for text in texts) else None
