"""The report on a folder of pictures: what can be used, what cannot and why, and what to know before training on it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from diffusion_studio.events import CheckEvent, Status
from diffusion_studio.language import plural, tr
from diffusion_studio.pictures.channels import all_of, shown
from diffusion_studio.pictures.decoding import BACKGROUND, DecodedImage, open_picture
from diffusion_studio.pictures.file_kinds import READABLE
from diffusion_studio.pictures.folder_listing import (
    CLOSED,
    HIDDEN,
    IN_A_LOOP,
    OTHER_KIND,
    REPEATED,
    FolderItem,
    list_folder,
    picture_folder,
    printable,
)
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.pictures.pixel_art.native_grid import Changes
from diffusion_studio.pictures.pixel_art.sheet_grid import SheetGrid, sheet_grid
from diffusion_studio.training.data.choose_channels import common_kind, kind_of
from diffusion_studio.training.data.lookalikes import Lookalikes
from diffusion_studio.training.images import OTHER
from diffusion_studio.training_events import Checked, Checking

REPORT_EVERY = 0.25  # seconds
MOST_SIZES = 32  # that are looked at for the grid of pixel art
MOST_LOOKED = 100  # images that are looked at as sheets of sprites, while none was found
FEW, UNEVEN = 100, 5.0  # pictures; largest class over smallest


@dataclass(kw_only=True)
class FolderReport:
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
    pages: list[str] = field(default_factory=list)  # “x.tif: first of 3 pages”
    dark: list[tuple[str, str]] = field(
        default_factory=list
    )  # (name, “nearly black” or “one colour everywhere”)
    notes: list[tuple[str, str]] = field(default_factory=list)  # (name, what was odd and did not matter)
    others: dict[str, int] = field(default_factory=dict)  # files of other kinds: “HEIC” -> number
    hidden: int = 0  # files and folders whose names begin with a dot
    repeated: list[list[str]] = field(
        default_factory=list
    )  # links to a picture that is there under its first name
    loops: list[str] = field(
        default_factory=list
    )  # links to a folder that was looked at, or that holds this one
    two_classes: list[list[str]] = field(default_factory=list)  # one picture in folders of different classes
    duplicates: list[list[str]] = field(default_factory=list)  # the same bytes
    near_duplicates: list[list[str]] = field(default_factory=list)  # look the same
    classes: dict[str, int] = field(default_factory=dict)
    imbalance: float = 1.0  # pictures of the largest class over the smallest's
    channels: str = "rgb"  # what a training learns of them where that is not chosen
    native: dict[str, str] = field(default_factory=dict)  # "32×32" -> “16×16, drawn at 2×”, of pixel art
    native_size: int = 0  # the side of the grid that all were drawn on; 0: not pixel art, or of several sizes
    sheets: list[dict[str, Any]] = field(default_factory=list)  # name and `SheetGrid` of sheets of sprites
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def check(folder: Path, *, size: int = 32) -> Iterator[CheckEvent]:
    """Look at every picture of `folder`; `Checking` a few times a second, and `Checked` at last. Closing it cancels."""
    folder = picture_folder(folder)
    found, reported = [], time.monotonic()
    look = Look(folder, size)
    for item in list_folder(folder):
        if look.is_picture(item):
            found.append(item)
        if time.monotonic() - reported > REPORT_EVERY:
            yield Status(text=tr("Finding the images… {count}", count=len(found)))
            reported = time.monotonic()
    for done, item in enumerate(found):
        if time.monotonic() - reported > REPORT_EVERY:
            yield Checking(done=done, total=len(found))
            reported = time.monotonic()
        look.at(item.path, item.label)
    yield Checking(done=len(found), total=len(found))
    yield Checked(report=look.report().to_dict())


class Look:
    """Collects what the report says, one file at a time; of a picture only a few hundred bytes are kept."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.found = FolderReport(folder=printable(folder), size=size)
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.modes: Counter[str] = Counter()
        self.formats: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.by_hash: dict[bytes, list[tuple[str, str]]] = {}  # digest -> (name, class)
        self.linked: dict[str, list[tuple[str, str]]] = {}  # name -> (name, class) of links to it
        self.lookalikes = Lookalikes()
        self.kinds: list[str] = []
        self.changes: dict[tuple[int, int], Changes] = {}

    def is_picture(self, item: FolderItem) -> bool:
        """Whether it is to be opened; what is not is counted."""
        found, name = self.found, self._name(item.path)
        if item.what == OTHER_KIND:
            found.others[item.kind] = found.others.get(item.kind, 0) + 1
        elif item.what == HIDDEN:
            found.hidden += 1
        elif item.what == IN_A_LOOP:
            found.loops.append(name)
        elif item.what == REPEATED and item.first is not None:
            first = self._name(item.first)
            group = self.linked.setdefault(first, [(first, item.first_label or OTHER)])
            group.append((name, item.label or OTHER))
        elif item.what == CLOSED:
            found.refused.append((name, "the folder cannot be read"))
        else:
            return True
        return False

    def _name(self, path: Path) -> str:
        return printable(path.relative_to(self.folder))

    def at(self, path: Path, label: str) -> None:
        name = self._name(path)
        self.found.files += 1
        try:
            picture = open_picture(path, hashed=True)
        except Refused as reason:
            self.found.refused.append((name, str(reason)))
            return
        self._count(name, label or OTHER, picture)
        same = self.by_hash.setdefault(picture.digest, [])
        same.append((name, label or OTHER))
        if len(same) == 1:  # an exact copy needs no second look
            self.lookalikes.add(name, picture.image)

    def _count(self, name: str, label: str, picture: DecodedImage) -> None:
        found = self.found
        found.usable += 1
        self.kinds.append(kind_of(picture))
        image = picture.image if picture.uncovered is None else picture.uncovered
        if image.size in self.changes or len(self.changes) < MOST_SIZES:
            self.changes.setdefault(image.size, Changes(image.size)).add(image)
        if found.sheets or found.usable <= MOST_LOOKED:
            grid = sheet_grid(shown(all_of(picture)))
            if grid is not None:
                found.sheets.append({"name": name, **asdict(grid)})
        self.sizes[picture.size] += 1
        self.modes[picture.mode] += 1
        self.formats[picture.format] += 1
        self.classes[label] += 1
        for list_, applies in (
            (found.small, min(picture.size) < found.size),
            (found.rotated, picture.rotated),
            (found.transparent, picture.transparent),
            (found.animated, picture.frames > 1),
        ):
            if applies:
                list_.append(name)
        if picture.pages > 1:
            found.pages.append(tr("{name}: first of {pages} pages", name=name, pages=picture.pages))
        if picture.darkness:
            found.dark.append((name, picture.darkness))
        found.notes += [(name, note) for note in picture.notes]

    def report(self) -> FolderReport:
        found = self.found
        found.sizes = {f"{width}×{height}": count for (width, height), count in self.sizes.most_common()}
        found.aspect_ratios = dict(_aspects(self.sizes).most_common())
        found.modes, found.formats = dict(self.modes.most_common()), dict(self.formats.most_common())
        sides = [side for size in self.sizes for side in size]
        found.smallest_side, found.largest_side = min(sides, default=0), max(sides, default=0)
        copies = [group for group in self.by_hash.values() if len(group) > 1]
        links = list(self.linked.values())
        found.duplicates, found.repeated = (
            [_names(group) for group in copies],
            [_names(group) for group in links],
        )
        found.two_classes = [
            _names(group) for group in (*copies, *links) if len({label for _, label in group}) > 1
        ]
        found.others = dict(sorted(found.others.items(), key=lambda item: (-item[1], item[0])))
        found.near_duplicates = self.lookalikes.groups()
        if len(self.classes) > 1:
            found.classes = {label: self.classes[label] for label in sorted(self.classes)}
            found.imbalance = round(max(found.classes.values()) / min(found.classes.values()), 2)
        found.channels = common_kind(self.kinds)
        grids = {size: changes.grid() for size, changes in self.changes.items()}
        found.native = {f"{size[0]}×{size[1]}": grid.words for size, grid in grids.items() if grid}
        drawn = {(grid.width, grid.height) if grid else (0, 1) for grid in grids.values()}
        if len(drawn) == 1 and len(self.sizes) == len(grids):
            width, height = drawn.pop()
            found.native_size = width if width == height else 0
        if sum(sheet["sprites"] for sheet in found.sheets) <= found.usable - len(found.sheets):
            found.sheets = []  # a folder of images, of which some look like sheets
        found.warnings = list(_warnings(found))
        return found


def _names(group: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in group]


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


def _warnings(found: FolderReport) -> Iterator[str]:
    if not found.usable:
        yield tr("There is no image here that can be used ({readable}).", readable=READABLE)
    elif found.usable == 1:
        yield tr("There is only one image: a model can learn to repeat it, and nothing else.")
    elif found.usable < FEW:
        yield tr(
            "There are only {count} images: a model mostly repeats them. A few hundred or more give new ones.",
            count=found.usable,
        )
    if found.small:
        yield plural(
            "One image is smaller than {size}×{size} and will be enlarged, which makes it soft.",
            "{count} images are smaller than {size}×{size} and will be enlarged, which makes them soft.",
            len(found.small),
            size=found.size,
        )
    extra = sum(len(names) - 1 for names in found.duplicates)
    if extra:
        yield plural(
            "One is an exact copy of another: it is learned twice as often.",
            "{count} are exact copies of others: they are learned as often as they are there.",
            extra,
        )
    if found.two_classes:
        yield plural(
            "One image is in two classes: each class learns from it.",
            "{count} images are in two classes: each class learns from them.",
            len(found.two_classes),
        )
    if found.dark:
        yield plural(
            "One image is nearly black or of one colour everywhere.",
            "{count} images are nearly black or of one colour everywhere.",
            len(found.dark),
        )
    if found.imbalance >= UNEVEN:
        yield tr(
            "The largest class has {times:g} times as many images as the smallest, which will be learned less well.",
            times=found.imbalance,
        )


def grid_of(sheet: Mapping[str, Any]) -> SheetGrid:
    """The grid of an entry of the report's `sheets`."""
    return SheetGrid(**{name: int(sheet.get(name, 0)) for name in SheetGrid.__slots__})


def others_in_words(others: Mapping[str, int], most: int = 12) -> str:
    """“12 other files: 9 PSD, 3 HEIC”."""
    total = sum(others.values())
    kinds = [f"{count:,} {kind}" for kind, count in list(others.items())[:most]]
    left = len(others) - most
    if left > 0:
        kinds.append(plural("and one more kind", "and {count} more kinds", left))
    return plural(
        "{count:,} other file: {kinds}", "{count:,} other files: {kinds}", total, kinds=", ".join(kinds)
    )


def as_text(report: Mapping[str, Any], *, most: int = 20) -> str:
    """The report for a terminal: every list at most `most` lines long, with the number of those left out."""
    lines = [
        tr(
            "{folder}: {usable} of {files} images can be used.",
            **{key: report[key] for key in ("folder", "usable", "files")},
        )
    ]
    if report["others"]:
        lines.append(f"{others_in_words(report['others'])}.")
    if report["hidden"]:
        lines.append(
            plural(
                "One hidden file or folder was left out.",
                "{count} hidden files or folders were left out.",
                report["hidden"],
            )
        )
    for title, key in (
        (tr("Sizes"), "sizes"),
        (tr("Shapes"), "aspect_ratios"),
        (tr("Formats"), "formats"),
        (tr("Modes"), "modes"),
        (tr("Classes"), "classes"),
    ):
        found = list(report[key].items())
        if found:
            named = [f"{name} ({count})" for name, count in found[:8]]
            if len(found) > 8:
                named.append(tr("and {count} more", count=len(found) - 8))
            lines.append(f"{title}: {', '.join(named)}")
    lines += [
        tr("Pixel art: {size} is {words}", size=size, words=words) for size, words in report["native"].items()
    ]
    if report["native_size"]:
        lines.append(
            tr(
                "Train at --size {size}, or with --native, where every drawn pixel is one pixel.",
                size=report["native_size"],
            )
        )
    lines += [
        tr(
            "{name} is a sheet of {sprites}. To train on them, cut it first: sprites cut {name} --to FOLDER",
            name=sheet["name"],
            sprites=grid_of(sheet).words,
        )
        for sheet in report["sheets"][:most]
    ]
    count = len(report["transparent"])
    if count:
        words = plural("One image with transparency", "{count} images with transparency", count)
        kept = report["channels"] == "rgba"
        lines.append(
            tr("{words}: it is learned (--channels rgba).", words=words)
            if kept
            else tr("{words}: laid on white, unless --channels rgba is given.", words=words)
        )
    elif report["channels"] != "rgb":
        lines.append(
            tr("All images are grey: that is learned (--channels {channels}).", channels=report["channels"])
        )
    lines += [f"! {warning}" for warning in report["warnings"]]
    for title, names in (
        (tr("Left out"), [f"{name}: {reason}" for name, reason in report["refused"]]),
        (tr("Turned upright, as their EXIF data say"), report["rotated"]),
        (tr("Transparent"), report["transparent"]),
        (tr("Animated, only the first frame is used"), report["animated"]),
        (tr("Several pages, only the first is used"), report["pages"]),
        (tr("Nothing to see"), [f"{name}: {words}" for name, words in report["dark"]]),
        (tr("Notes"), [f"{name}: {note}" for name, note in report["notes"]]),
        (tr("In two classes"), [" = ".join(names) for names in report["two_classes"]]),
        (tr("Links to the same file, used once"), [" = ".join(names) for names in report["repeated"]]),
        (tr("Links to a folder that is there already, or that this one is in"), report["loops"]),
        (tr("The same file"), [" = ".join(names) for names in report["duplicates"]]),
        (tr("Looks the same"), [" ≈ ".join(names) for names in report["near_duplicates"]]),
    ):
        if names:
            lines.append(f"{title} ({len(names)}):")
            lines += [f"  {name}" for name in names[:most]]
            lines += ["  … " + tr("and {count} more", count=len(names) - most)] if len(names) > most else []
    return "\n".join(lines)
