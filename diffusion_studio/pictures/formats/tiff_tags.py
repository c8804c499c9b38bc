"""The tags of a TIFF file, classic or Big, read without trusting any of them (TIFF 6.0, Adobe 1992)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from diffusion_studio.language import tr
from diffusion_studio.pictures.formats.contents import Refused

SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_BYTES, PLANAR, PREDICTOR = 273, 274, 277, 278, 279, 284, 317
COLORS, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, EXTRA, FORMAT = 320, 322, 323, 324, 325, 338, 339
PROFILE, DNG, RAW = 34675, 50706, 32803
WANTED = {
    SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS,
    STRIP_BYTES, PLANAR, PREDICTOR, COLORS, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, EXTRA, FORMAT, DNG,
}  # fmt: skip
MOST_PAGES, MOST_VALUES = 10_000, 10_000_000


@dataclass
class TiffPage:
    """One image of the file. `tags` holds the whole numbers of the tags that pixels depend on."""

    order: str  # "<" or ">"
    tags: dict[int, tuple[int, ...]] = field(default_factory=dict)
    profile: bytes = b""

    def one(self, tag: int, otherwise: int) -> int:
        values = self.tags.get(tag, ())
        return values[0] if values else otherwise

    @property
    def size(self) -> tuple[int, int]:
        return self.one(WIDTH, 0), self.one(HEIGHT, 0)

    @property
    def reduced(self) -> bool:
        """Whether this is a smaller copy of another page, such as a thumbnail."""
        return bool(self.one(SUBFILE, 0) & 1)


def read_pages(data: memoryview) -> list[TiffPage]:
    """The pages of a file, smaller copies and masks left out. Raises `Refused` where there is none."""
    order = "<" if bytes(data[:2]) == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    pages: list[TiffPage] = []
    seen: set[int] = set()
    if len(data) < (16 if big else 8):
        raise Refused(tr("it is damaged: the file ends too early"))
    start = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    while 0 < start < len(data) - 2 and start not in seen and len(pages) < MOST_PAGES:
        seen.add(start)
        page, start = _read_page(data, start, order, big)
        pages.append(page)
    if not pages:
        raise Refused(tr("it is damaged: the file ends too early"))
    return [page for page in pages if not page.reduced] or pages[:1]


def _read_page(data: memoryview, start: int, order: str, big: bool) -> tuple[TiffPage, int]:
    page = TiffPage(order)
    count, head, width = (
        (_at(data, order + "Q", start), 8, 20) if big else (_at(data, order + "H", start), 2, 12)
    )
    place = start + head
    for place in range(start + head, start + head + width * min(count, 65_535), width):
        if place + width > len(data):
            break
        tag, kind = struct.unpack_from(order + "HH", data, place)
        number = _at(data, order + ("Q" if big else "I"), place + 4)
        where, room = (place + 12, 8) if big else (place + 8, 4)
        length = number * SIZES.get(kind, 0)
        if length > room:
            where = _at(data, order + ("Q" if big else "I"), where)
        if not length or where + length > len(data) or number > MOST_VALUES:
            continue
        if tag == PROFILE:
            page.profile = bytes(data[where : where + length])
        elif tag in WANTED and kind in LETTERS:
            page.tags[tag] = struct.unpack_from(f"{order}{number}{LETTERS[kind]}", data, where)
    end = start + head + width * count
    following = _at(data, order + ("Q" if big else "I"), end) if end + (8 if big else 4) <= len(data) else 0
    return page, following


def _at(data: memoryview, letter: str, place: int) -> int:
    return int(struct.unpack_from(letter, data, place)[0])


def write_page(entries: Mapping[int, tuple[int, ...]], start: int) -> Iterator[bytes]:
    """The tags of a classic little-endian page that will lie at `start`; longer values follow it."""
    place = start + 2 + 12 * len(entries) + 4
    values = b""
    yield struct.pack("<H", len(entries))
    for tag, numbers in sorted(entries.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        yield struct.pack("<HHI", tag, 4, len(numbers))
        if len(packed) == 4:
            yield packed
        else:
            yield struct.pack("<I", place + len(values))
            values += packed
    yield struct.pack("<I", 0)
    yield values
