"""A comparison as one picture: every cell under its labels, small pictures enlarged by whole numbers so that they stay crisp."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from diffusion_studio.settings.axes import Axis, value_label

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

CELL = 176  # pixels a picture is enlarged to, about
LARGEST = 24_000  # pixels the sheet is wide or high before pictures are enlarged less
GAP, MARGIN, PAD = 8, 20, 8
TEXT, SMALL = 15, 13  # pixels of type
LINE = 20
WIDEST_LABEL = 200
IN_ONE_ROW = 6  # cells of a single axis, above which a next row begins
GROUND, INK, FAINT, EMPTY = (255, 255, 255), (32, 33, 36), (104, 108, 114), (238, 238, 236)


class SheetLayout(NamedTuple):
    """Where things lie, in pixels."""

    columns: int
    rows: int
    side: tuple[int, int]  # of a cell
    left: int  # of the first cell
    top: int
    header: int  # height of the labels over a row of cells
    repeated: bool  # whether every row has labels of its own


def lay_out(
    cells: Sequence[tuple[np.ndarray | None, str]], x: Axis, y: Axis | None, footer: str
) -> np.ndarray:
    """(H, W, 3) uint8. `cells`: row by row, the picture or why there is none; `footer`: what all of them share."""
    import numpy as np
    from PIL import Image, ImageDraw

    layout = _layout(cells, x, y)
    width, height = layout.side
    right = layout.left + layout.columns * (width + GAP) - GAP + MARGIN
    row_height = height + GAP + (layout.header if layout.repeated else 0)
    bottom = (
        layout.top
        + layout.rows * row_height
        - (layout.header if layout.repeated else 0)
        + 2 * LINE
        + MARGIN // 2
    )
    page = Image.new("RGB", (max(right, 320), bottom), GROUND)
    draw = ImageDraw.Draw(page)
    for place, (picture, reason) in enumerate(cells):
        row, column = divmod(place, layout.columns)
        corner = (layout.left + column * (width + GAP), layout.top + row * row_height)
        _draw_cell(page, draw, picture, reason, corner, layout.side)
        if row == 0 or layout.repeated:
            label = value_label(x.setting, x.values[place if layout.repeated else column])
            middle = corner[0] + width / 2
            _write(draw, label, (middle, corner[1] - PAD), "ms", width, TEXT, INK, up=True)
        if column == 0 and y is not None:
            label = value_label(y.setting, y.values[row])
            _write(draw, label, (layout.left - PAD, corner[1] + height / 2), "rm", WIDEST_LABEL, TEXT, INK)
    _write(draw, x.label, (layout.left, MARGIN), "lt", page.width - layout.left - MARGIN, SMALL, FAINT)
    if y is not None:
        _write(draw, y.label, (layout.left - PAD, layout.top - PAD), "rs", WIDEST_LABEL, SMALL, FAINT)
    foot = (MARGIN, bottom - 2 * LINE - 2)
    _write(draw, footer, foot, "lt", page.width - 2 * MARGIN, SMALL, FAINT)
    return np.array(page)


def columns_for(count: int) -> int:
    """How many cells of a single axis are in a row: few places empty, and wider than high."""
    if count <= IN_ONE_ROW:
        return count
    root = math.sqrt(count)
    choices = range(math.ceil(root), math.ceil(2 * root) + 1)
    return min(choices, key=lambda columns: (-count % columns, abs(columns - 1.4 * root)))


def _layout(cells: Sequence[tuple[np.ndarray | None, str]], x: Axis, y: Axis | None) -> SheetLayout:
    sizes = [picture.shape[:2] for picture, _ in cells if picture is not None] or [(32, 32)]
    largest = max(max(size) for size in sizes)
    columns = len(x.values) if y is not None else columns_for(len(x.values))
    rows = -(-len(cells) // columns)
    scale = max(round(CELL / largest), 1)
    while scale > 1 and max(columns, rows) * (largest * scale + GAP) > LARGEST:
        scale -= 1
    height, width = (max(size[axis] for size in sizes) * scale for axis in (0, 1))
    header = PAD + max(_lines(value_label(x.setting, value), width, TEXT) for value in x.values) * LINE
    labels = [] if y is None else [y.label, *(value_label(y.setting, value) for value in y.values)]
    beside = max((min(math.ceil(_length(label, TEXT)), WIDEST_LABEL) for label in labels), default=0)
    left = MARGIN + (beside + PAD if labels else 0)
    return SheetLayout(
        columns, rows, (width, height), left, MARGIN + LINE + header, header, y is None and rows > 1
    )


def _draw_cell(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    picture: np.ndarray | None,
    reason: str,
    corner: tuple[int, int],
    side: tuple[int, int],
) -> None:
    from PIL import Image

    from diffusion_studio.pictures.channels import on_checks, shown

    (left, top), (width, height) = corner, side
    if picture is None:
        draw.rectangle((left, top, left + width - 1, top + height - 1), fill=EMPTY)
        middle = (left + width / 2, top + height / 2)
        _write(
            draw, reason, middle, "mm", width - 2 * PAD, SMALL, FAINT, lines=max((height - PAD) // LINE, 1)
        )
        return
    scale = max(min(width // picture.shape[1], height // picture.shape[0]), 1)
    pixels = on_checks(shown(picture).repeat(scale, axis=0).repeat(scale, axis=1))
    page.paste(
        Image.fromarray(pixels),
        (left + (width - pixels.shape[1]) // 2, top + (height - pixels.shape[0]) // 2),
    )


# Text -----------------------------------------------------------------------------------------------------------------


def _write(
    draw: ImageDraw.ImageDraw,
    text: str,
    at: tuple[float, float],
    anchor: str,
    width: float,
    size: int,
    ink: tuple[int, int, int],
    *,
    lines: int = 2,
    up: bool = False,
) -> None:
    """Text in a few lines at most; `up`: its last line is at the place, else its middle or its first."""
    shown = _wrapped(text, width, size, lines)
    x, y = at
    if up:
        y -= (len(shown) - 1) * LINE
    elif anchor[1] == "m":
        y -= (len(shown) - 1) * LINE / 2
    for number, line in enumerate(shown):
        draw.text((x, y + number * LINE), line, fill=ink, font=_font(size), anchor=anchor)


def _wrapped(text: str, width: float, size: int, lines: int) -> list[str]:
    """The words of a text in lines of this width; what does not fit ends in “...”."""
    words, shown = _known(text).split(), [""]
    for number, word in enumerate(words):
        longer = f"{shown[-1]} {word}".strip()
        if _length(longer, size) <= width or not shown[-1]:
            shown[-1] = longer
        elif len(shown) < lines:
            shown.append(word)
        else:
            shown[-1] = f"{shown[-1]} {' '.join(words[number:])}"
            break
    return [_cut(line, width, size) for line in shown]


def _lines(text: str, width: float, size: int) -> int:
    return len(_wrapped(text, width, size, 2))


def _cut(line: str, width: float, size: int) -> str:
    if _length(line, size) <= width:
        return line
    while line and _length(f"{line}...", size) > width:
        line = line[:-1]
    return f"{line.rstrip()}..."


def _known(text: str) -> str:
    """In letters the built-in type has: accents are dropped, what it cannot show becomes a question mark."""
    for sign, plain in {"×": "x", "–": "-", "—": "-", "…": "...", "σ": "sigma", "η": "eta"}.items():
        text = text.replace(sign, plain)
    letters = unicodedata.normalize("NFKD", text[:600])
    kept = (letter for letter in letters if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() or letter in "“”·" else "?" for letter in kept)


def _length(text: str, size: int) -> float:
    length: float = _font(size).getlength(_known(text))
    return length


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The type that comes with Pillow."""
    from PIL import ImageFont

    if size not in _fonts:
        _fonts[size] = ImageFont.load_default(size)
    return _fonts[size]


_fonts: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}
