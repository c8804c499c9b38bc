"""The samples of a TIFF page exactly as they were stored, of any number of bits and any kind of number.

Pillow opens some of them wrongly without an error (12 bits, signed, 32 bits, white is zero) and others not at all. Bytes that are
packed are unpacked by libtiff, which is shown the page as plain bytes; what they mean is worked out here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from diffusion_studio.language import tr
from diffusion_studio.pictures.formats import tiff_tags as tags
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.pictures.formats.tiff_tags import TiffPage, write_page

PLAIN, LZW = 1, 5
BY_BYTES = {LZW, 8, 32946, 32773, 34925, 50000}  # LZW, deflate, packed bits, LZMA, Zstandard
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
ROWS_AT_ONCE = 256  # when bits are taken apart
CUT = tr("it is damaged: the file ends too early")


def can_read(page: TiffPage) -> bool:
    """Whether the samples can be had one by one; JPEG, fax and WebP inside a TIFF file cannot, and are Pillow's."""
    return page.one(tags.COMPRESSION, PLAIN) in BY_BYTES | {PLAIN} and page.one(tags.PHOTOMETRIC, 1) != 6


def read_samples(data: memoryview, page: TiffPage) -> tuple[np.ndarray, int, int]:
    """(H, W, C) in the machine's byte order, the bits of a sample, and what they are: UNSIGNED, SIGNED or FLOAT.

    Raises `Refused` for pixels that are cut off or of a kind nobody shows.
    """
    width, height = page.size
    count = page.one(tags.SAMPLES, 1)
    bits, formats = set(page.tags.get(tags.BITS, (1,))[:count]), set(page.tags.get(tags.FORMAT, (1,))[:count])
    form = UNSIGNED if formats <= {UNSIGNED, 4} else formats.pop() if len(formats) == 1 else 0
    if len(bits) != 1 or form not in (UNSIGNED, SIGNED, FLOAT) or not 1 <= count <= 32:
        raise Refused(tr("its samples are of a kind that cannot be read"))
    depth = bits.pop()
    usable = (
        depth in (16, 32, 64)
        if form == FLOAT
        else depth in (8, 16, 32, 64) or (form == UNSIGNED and 1 <= depth < 32)
    )
    if not usable:
        raise Refused(tr("its samples of {depth} bits cannot be read", depth=depth))
    planes = count if page.one(tags.PLANAR, 1) == 2 else 1
    own = count // planes  # samples side by side
    parts = [_plane(data, page, plane, planes, own, depth, form) for plane in range(planes)]
    samples = parts[0] if planes == 1 else np.concatenate(parts, axis=2)
    return samples[:height, :width], depth, form


def _plane(
    data: memoryview, page: TiffPage, plane: int, planes: int, own: int, depth: int, form: int
) -> np.ndarray:
    width, height = page.size
    tiled = tags.TILES in page.tags
    if tiled:
        across, down = page.one(tags.TILE_WIDTH, 0), page.one(tags.TILE_HEIGHT, 0)
        if not (0 < across <= 1 << 16 and 0 < down <= 1 << 16):
            raise Refused(tr("it is damaged"))
        columns, rows = -(-width // across), -(-height // down)
    else:
        across, down = width, min(page.one(tags.STRIP_ROWS, height) or height, height)
        columns, rows = 1, -(-height // down)
    offsets = page.tags.get(tags.TILES if tiled else tags.STRIPS, ())
    lengths = page.tags.get(tags.TILE_BYTES if tiled else tags.STRIP_BYTES, ())
    pieces = columns * rows
    row_bytes = -(-across * own * depth // 8)
    if not lengths and page.one(tags.COMPRESSION, PLAIN) == PLAIN:
        lengths = (row_bytes * down,) * len(offsets)
    offsets, lengths = (numbers[plane * pieces : (plane + 1) * pieces] for numbers in (offsets, lengths))
    if len(offsets) < pieces or len(lengths) < pieces or pieces * row_bytes * down > 1 << 33:
        raise Refused(CUT)
    bytes_of = _plain if page.one(tags.COMPRESSION, PLAIN) == PLAIN else _unpacked
    raw = bytes_of(data, page, offsets, lengths, row_bytes, across, down, columns, rows)
    parts = [_numbers(rows_, page, own, depth, form, across) for rows_ in raw]
    if columns == 1:
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    lines = [np.concatenate(parts[k : k + columns], axis=1) for k in range(0, pieces, columns)]
    return np.concatenate(lines)


def _plain(
    data: memoryview, page: TiffPage, offsets: tuple[int, ...], lengths: tuple[int, ...], row_bytes: int, across: int,
    down: int, columns: int, rows: int,
) -> Iterator[np.ndarray]:  # fmt: skip
    """(rows, row_bytes) uint8 of each piece, straight from the file."""
    height, tiled = page.size[1], tags.TILES in page.tags
    for number, offset in enumerate(offsets):
        lines = down if tiled else min(down, height - number * down)
        if offset + lines * row_bytes > len(data):
            raise Refused(CUT)
        piece = np.frombuffer(data, np.uint8, lines * row_bytes, offset).reshape(lines, row_bytes)
        yield REVERSED[piece] if page.one(tags.FILL_ORDER, 1) == 2 else piece


def _unpacked(
    data: memoryview, page: TiffPage, offsets: tuple[int, ...], lengths: tuple[int, ...], row_bytes: int, across: int,
    down: int, columns: int, rows: int,
) -> Iterator[np.ndarray]:  # fmt: skip
    """The same, unpacked by libtiff: every piece is given to it as a page of bytes of its own."""
    height, tiled = page.size[1], tags.TILES in page.tags
    for number, (offset, length) in enumerate(zip(offsets, lengths, strict=True)):
        lines = down if tiled else min(down, height - number * down)
        if offset + length > len(data):
            raise Refused(CUT)
        entries = {
            tags.WIDTH: (row_bytes,), tags.HEIGHT: (lines,), tags.BITS: (8,), tags.PHOTOMETRIC: (1,), tags.SAMPLES: (1,),
            tags.COMPRESSION: (page.one(tags.COMPRESSION, PLAIN),), tags.STRIPS: (8,), tags.STRIP_ROWS: (lines,),
            tags.STRIP_BYTES: (length,), tags.FILL_ORDER: (page.one(tags.FILL_ORDER, 1),),
        }  # fmt: skip
        body = bytes(data[offset : offset + length])
        start = 8 + length + (length & 1)
        file = io.BytesIO(
            b"II*\0"
            + start.to_bytes(4, "little")
            + body
            + b"\0" * (length & 1)
            + b"".join(write_page(entries, start))
        )
        with Image.open(file, formats=("TIFF",)) as image:
            yield np.asarray(image)


def _numbers(raw: np.ndarray, page: TiffPage, own: int, depth: int, form: int, across: int) -> np.ndarray:
    """(rows, across, own) of the bytes of rows, the predictor undone."""
    rows = len(raw)
    predictor = page.one(tags.PREDICTOR, 1) if page.one(tags.COMPRESSION, PLAIN) != PLAIN else 1
    if depth not in (8, 16, 32, 64):
        return _small_numbers(raw, across * own, depth).reshape(rows, across, own)
    order = page.order
    if predictor == 3 and form == FLOAT:
        sums = np.add.accumulate(raw.reshape(rows, -1, own), axis=1, dtype=np.uint8).reshape(
            rows, depth // 8, -1
        )
        raw, order = np.ascontiguousarray(sums.transpose(0, 2, 1)).reshape(rows, -1), ">"
    whole = np.ascontiguousarray(raw).view(f"{order}u{depth // 8}").reshape(rows, across, own)
    if predictor == 2:
        native = whole.astype(whole.dtype.newbyteorder("="))
        whole = np.add.accumulate(native, axis=1, dtype=native.dtype)
        order = "="
    letter = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[form]
    typed = whole.view(f"{order}{letter}{depth // 8}")
    return typed.astype(typed.dtype.newbyteorder("="), copy=False)


def _small_numbers(raw: np.ndarray, count: int, depth: int) -> np.ndarray:
    """(rows, count) of samples that do not fill whole bytes, the highest bit first."""
    values = np.empty((len(raw), count), np.uint16 if depth <= 16 else np.uint32)
    for start in range(0, len(raw), ROWS_AT_ONCE):
        bits = np.unpackbits(raw[start : start + ROWS_AT_ONCE], axis=1, count=count * depth)
        part = values[start : start + ROWS_AT_ONCE]
        part[...] = 0
        for bit in range(depth):
            part <<= 1
            part |= bits[:, bit::depth]
    return values


REVERSED = np.array([int(f"{k:08b}"[::-1], 2) for k in range(256)], np.uint8)
