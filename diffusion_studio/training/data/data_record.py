"""Which pictures a run learns from, by name, class and hash: whether a folder that moved, or changed, is still the same.

Kept beside the run as pictures.json, and written again whenever a run is resumed with what it learns from then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from diffusion_studio.pictures.folder_listing import printable
from diffusion_studio.storage.atomic import write_atomic
from diffusion_studio.storage.foreign_file import read_foreign_json
from diffusion_studio.training.images import Pictures

NAME = "pictures.json"
LARGEST = 1 << 30  # bytes; a line a picture
MOST_NAMED = 3
Record = Mapping[str, tuple[str, str]]  # name -> (class, digest)


@dataclass(frozen=True)
class Difference:
    """Names of what is not as it was, each sorted. Pictures with another name and the same content are renamed."""

    missing: Sequence[str] = ()
    added: Sequence[str] = ()
    changed: Sequence[str] = ()
    moved: Sequence[str] = ()  # in another class
    renamed: Sequence[str] = ()

    def __bool__(self) -> bool:
        """Whether something else would be learned; another name alone changes nothing."""
        return bool(self.missing or self.added or self.changed or self.moved)

    @property
    def words(self) -> str:
        """“2 missing (a.png, b.png), 1 added (c.png)”."""
        parts = []
        for what in ("missing", "added", "changed", "moved", "renamed"):
            names = getattr(self, what)
            if names:
                shown = ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
                what = "moved to another class" if what == "moved" else what
                parts.append(f"{len(names):,} {what} ({shown})")
        return ", ".join(parts)


def record_of(pictures: Pictures) -> Record:
    return {name: (label, digest) for name, label, digest in _facts(pictures)}


def _facts(pictures: Pictures) -> Iterator[tuple[str, str, str]]:
    for name, row, digest in zip(pictures.names, pictures.labels, pictures.digests, strict=True):
        yield name, pictures.classes[row] if pictures.classes else "", digest


def write_record(run: Path, pictures: Pictures) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b'{"version": 1, "pictures": [')
        for place, (name, label, digest) in enumerate(_facts(pictures)):
            file.write((", " if place else "").encode() + json.dumps([name, label, digest]).encode())
        file.write(b"]}")

    write_atomic(run / NAME, write)


def read_record(run: Path) -> Record | None:
    """None for a run that has none, begun with an earlier version, or where it cannot be read."""
    try:
        value = read_foreign_json(run / NAME, LARGEST)
        return {str(name): (str(label), str(digest)) for name, label, digest in value["pictures"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def compare(before: Record, now: Record) -> Difference:
    gone, new = before.keys() - now.keys(), now.keys() - before.keys()
    renamed = []
    by_content: dict[tuple[str, str], list[str]] = {}
    for name in sorted(gone):
        by_content.setdefault(before[name], []).append(name)
    for name in sorted(new):
        if by_content.get(now[name]):
            gone.discard(by_content[now[name]].pop())
            new.discard(name)
            renamed.append(name)
    both = sorted(before.keys() & now.keys())
    return Difference(
        missing=sorted(gone),
        added=sorted(new),
        changed=[name for name in both if before[name][1] != now[name][1]],
        moved=[name for name in both if before[name][0] != now[name][0] and before[name][1] == now[name][1]],
        renamed=renamed,
    )


def how_it_differs(run: Path, pictures: Pictures, fingerprint: str, begun_with: tuple[int, str]) -> str:
    """How a folder's pictures are not those the run learned from, in words; "" where they are.

    `begun_with`: the number of pictures and their fingerprint at the beginning, all that older runs kept.
    """
    before = read_record(run)
    if before is not None:
        difference = compare(before, record_of(pictures))
        return difference.words if difference else ""
    count, known = begun_with
    if known == fingerprint:
        return ""
    return (
        f"{len(pictures):,} images now and {count:,} at the beginning; which ones differ is not known, because "
        "the run was begun with an earlier version"
    )


def missing_folder(folder: str, run: str) -> str:
    """What to say of a run whose folder is gone."""
    return (
        f"The folder {printable(folder)} of the run “{run}” is not there. If it was moved, say where it is now: "
        f"train NEW_FOLDER --resume {run}, or “Choose Its New Location…” in the window."
    )
