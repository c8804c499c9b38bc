"""The health report of a folder of pictures: what can be used, what can not and why, and what to know before training on it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.events import Checked, Checking, Status
from diffusion_studio.pictures.contents import Refused
from diffusion_studio.pictures.decoding import BACKGROUND, open_picture
from diffusion_studio.pictures.folder_listing import find_pictures, printable
from diffusion_studio.training.dataset import OTHER
from diffusion_studio.training.lookalikes import Lookalikes

TELL_EVERY = 0.25  # seconds
FEW, UNEVEN = 100, 5.0  # pictures; largest class over smallest


@dataclass(kw_only=True)
class Report:
    """Everything found, as plain data. Names are relative to the folder and printable, whatever bytes they are made of."""

    folder: str
    size: int  # pixels at which the pictures would be trained on
    files: int = 0
    usable: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)  # (name, reason)
    sizes: dict[str, int] = field(default_factory=dict)  # "640×480" -> pictures, most frequent first
    aspect_ratios: dict[str, int] = field(default_factory=dict)  # "4:3" -> pictures
    modes: dict[str, int] = field(default_factory=dict)
    formats: dict[str, int] = field(default_factory=dict)
    smallest_side: int = 0
    largest_side: int = 0
    small: list[str] = field(default_factory=list)  # would be enlarged
    rotated: list[str] = field(default_factory=list)  # turned upright by EXIF
    transparent: list[str] = field(default_factory=list)
    background: str = "#{:02x}{:02x}{:02x}".format(*BACKGROUND)
    animated: list[str] = field(default_factory=list)  # only the first frame counts
    duplicates: list[list[str]] = field(default_factory=list)  # the same bytes
    near_duplicates: list[list[str]] = field(default_factory=list)  # look the same
    classes: dict[str, int] = field(default_factory=dict)
    imbalance: float = 1.0  # pictures of the largest class over the smallest's
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def check(folder: Path, *, size: int = 32) -> Iterator[Any]:
    """Look at every picture of `folder`; `Checking` a few times a second, and `Checked` at last. Closing it cancels."""
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise UserError(f"The folder {printable(folder)} is not there.")
    found, told = [], time.monotonic()
    for item in find_pictures(folder):
        found.append(item)
        if time.monotonic() - told > TELL_EVERY:
            yield Status(text=f"Finding the pictures… {len(found)}")
            told = time.monotonic()
    look = Look(folder, size)
    for done, (path, label) in enumerate(found):
        if time.monotonic() - told > TELL_EVERY:
            yield Checking(done=done, total=len(found))
            told = time.monotonic()
        look.at(path, label)
    yield Checking(done=len(found), total=len(found))
    yield Checked(report=look.report().to_dict())


class Look:
    """Collects what the report says, one file at a time; of a picture only a few hundred bytes are kept."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.found = Report(folder=printable(folder), size=size)
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.modes: Counter[str] = Counter()
        self.formats: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.by_hash: dict[bytes, list[str]] = {}
        self.lookalikes = Lookalikes()

    def at(self, path: Path, label: str) -> None:
        name = printable(path.relative_to(self.folder))
        self.found.files += 1
        try:
            picture = open_picture(path)
            digest = _digest(path)
        except Refused as reason:
            self.found.refused.append((name, str(reason)))
            return
        except OSError as error:
            self.found.refused.append((name, f"it can not be read ({error.strerror})"))
            return
        self.found.usable += 1
        self.sizes[picture.size] += 1
        self.modes[picture.mode] += 1
        self.formats[picture.format] += 1
        self.classes[label or OTHER] += 1
        for list_, applies in (
            (self.found.small, min(picture.size) < self.found.size),
            (self.found.rotated, picture.rotated),
            (self.found.transparent, picture.transparent),
            (self.found.animated, picture.frames > 1),
        ):
            if applies:
                list_.append(name)
        same = self.by_hash.setdefault(digest, [])
        same.append(name)
        if len(same) == 1:  # an exact copy needs no second look
            self.lookalikes.add(name, picture.image)

    def report(self) -> Report:
        found = self.found
        found.sizes = {f"{width}×{height}": count for (width, height), count in self.sizes.most_common()}
        found.aspect_ratios = dict(_aspects(self.sizes).most_common())
        found.modes, found.formats = dict(self.modes.most_common()), dict(self.formats.most_common())
        sides = [side for size in self.sizes for side in size]
        found.smallest_side, found.largest_side = min(sides, default=0), max(sides, default=0)
        found.duplicates = [names for names in self.by_hash.values() if len(names) > 1]
        found.near_duplicates = self.lookalikes.groups()
        if len(self.classes) > 1:
            found.classes = {label: self.classes[label] for label in sorted(self.classes)}
            found.imbalance = round(max(found.classes.values()) / min(found.classes.values()), 2)
        found.warnings = list(_warnings(found))
        return found


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return (
            hashlib.file_digest(file, "blake2b").digest()[:16]
            if hasattr(hashlib, "file_digest")
            else _hash(file)
        )


def _hash(file: Any) -> bytes:
    digest = hashlib.blake2b()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.digest()[:16]


ASPECTS = {
    "1:2": 1 / 2,
    "9:16": 9 / 16,
    "2:3": 2 / 3,
    "3:4": 3 / 4,
    "1:1": 1.0,
    "4:3": 4 / 3,
    "3:2": 3 / 2,
    "16:9": 16 / 9,
    "2:1": 2.0,
}


def _aspects(sizes: Mapping[tuple[int, int], int]) -> Counter[str]:
    """Pictures by the nearest usual ratio of width to height, "narrower" and "wider" beyond 1:2 and 2:1."""
    counts: Counter[str] = Counter()
    for (width, height), count in sizes.items():
        ratio = width / height
        if not 0.45 < ratio < 2.2:
            counts["narrower" if ratio < 1 else "wider"] += count
        else:
            counts[min(ASPECTS, key=lambda name: abs(ASPECTS[name] / ratio - 1))] += count
    return counts


def _warnings(found: Report) -> Iterator[str]:
    if not found.usable:
        yield "There is no picture here that can be used (PNG, JPEG, WebP, BMP, GIF or TIFF)."
    elif found.usable == 1:
        yield "There is only one picture: a model can learn to repeat it, and nothing else."
    elif found.usable < FEW:
        yield f"There are only {found.usable} pictures: a model mostly repeats them. A few hundred or more give new ones."
    if found.small:
        yield f"{_pictures(found.small)} smaller than {found.size}×{found.size} and will be enlarged, which makes them soft."
    extra = sum(len(names) - 1 for names in found.duplicates)
    if extra:
        yield f"{extra} are exact copies of others: they will be learned as often as they are there."
    if found.imbalance >= UNEVEN:
        yield f"The largest class has {found.imbalance:g} times as many pictures as the smallest, which will be drawn worse."


def _pictures(names: list[str]) -> str:
    return "One picture is" if len(names) == 1 else f"{len(names)} pictures are"


def as_text(report: Mapping[str, Any], *, most: int = 20) -> str:
    """The report for a terminal: every list at most `most` lines long, with the number of those left out."""
    lines = [f"{report['folder']}: {report['usable']} of {report['files']} pictures can be used."]
    for title, key in (
        ("Sizes", "sizes"),
        ("Shapes", "aspect_ratios"),
        ("Formats", "formats"),
        ("Modes", "modes"),
        ("Classes", "classes"),
    ):
        counts = list(report[key].items())
        if counts:
            more = f", and {len(counts) - 8} more" if len(counts) > 8 else ""
            lines.append(f"{title}: " + ", ".join(f"{name} ({count})" for name, count in counts[:8]) + more)
    lines += [f"! {warning}" for warning in report["warnings"]]
    for title, names in (
        ("Left out", [f"{name}: {reason}" for name, reason in report["refused"]]),
        ("Turned upright, as their EXIF data say", report["rotated"]),
        (f"Transparent, shown over {report['background']}", report["transparent"]),
        ("Animated, only the first frame is used", report["animated"]),
        ("The same file", [" = ".join(names) for names in report["duplicates"]]),
        ("Looks the same", [" ≈ ".join(names) for names in report["near_duplicates"]]),
    ):
        if names:
            lines.append(f"{title} ({len(names)}):")
            lines += [f"  {name}" for name in names[:most]]
            lines += [f"  … and {len(names) - most} more"] if len(names) > most else []
    return "\n".join(lines)
