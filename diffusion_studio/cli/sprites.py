"""`sprites`: cut a sheet of sprites into its cells to train on, and put images together as a sheet."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from diffusion_studio.cli.output import say, tell
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr


def sprites(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace, Stop], int]:
    actions = parser.add_subparsers(metavar="ACTION", title=tr("actions"), required=True)
    cut = actions.add_parser("cut", help=tr("cut a sheet into its cells; empty ones are left out"))
    cut.add_argument("sheet", metavar="SHEET", type=Path, help=tr("the image that holds the sprites"))
    cut.add_argument(
        "--cell",
        metavar="WxH",
        default="",
        help=tr("size of a cell in pixels, such as 16x16, or 16 (default: as it is found)"),
    )
    for name, words in (
        ("--margin", tr("with --cell: pixels around all cells (default: 0)")),
        ("--spacing", tr("with --cell: pixels between two cells (default: 0)")),
    ):
        cut.add_argument(name, metavar="N", type=int, default=0, help=words)
    cut.add_argument(
        "--to", metavar="FOLDER", type=Path, required=True, help=tr("where the sprites are saved")
    )
    cut.set_defaults(run=run_cut)
    sheet = actions.add_parser(
        "sheet", help=tr("put images of one size together without gaps, with a JSON file of their places")
    )
    sheet.add_argument("images", metavar="IMAGE", type=Path, nargs="+", help=tr("the images, row by row"))
    sheet.add_argument("--to", metavar="FILE.png", type=Path, required=True, help=tr("the sheet to write"))
    sheet.add_argument(
        "--columns", type=int, default=0, metavar="N", help=tr("cells in a row; 0: about a square")
    )
    sheet.set_defaults(run=run_sheet)
    return lambda arguments, stop: int(arguments.run(arguments))


def run_cut(arguments: argparse.Namespace) -> int:
    from diffusion_studio.pictures.pixel_art.sheet_grid import find_cell
    from diffusion_studio.pictures.pixel_art.sprite_sheet import Cells, cut, read_cell

    around = arguments.margin, arguments.spacing
    if any(around) and not arguments.cell:
        raise UserError(tr("Give --cell with --margin and --spacing."))
    if min(around) < 0:
        raise UserError(tr("Margin and spacing are 0 or more pixels."))
    cell = Cells(*read_cell(arguments.cell), *around) if arguments.cell else find_cell(arguments.sheet)
    written = sum(1 for _ in cut(arguments.sheet, cell, arguments.to))
    tell(
        plural(
            "{count} sprite of {width}×{height} was saved in {folder}.",
            "{count} sprites of {width}×{height} were saved in {folder}.",
            written,
            width=cell.width,
            height=cell.height,
            folder=arguments.to,
        )
    )
    return 0


def run_sheet(arguments: argparse.Namespace) -> int:
    from diffusion_studio.pictures.pixel_art.sprite_sheet import write_sheet

    if arguments.to.suffix.lower() != ".png":
        raise UserError(tr("A sheet of sprites is a PNG; {path} does not end in .png.", path=arguments.to))
    if arguments.columns < 0:
        raise UserError(tr("The columns of a sheet are 0 or more, not {columns}.", columns=arguments.columns))
    if arguments.to.exists():
        raise UserError(tr("{target} is there already; choose another name.", target=arguments.to))
    places = write_sheet(arguments.images, arguments.to, arguments.columns)
    say(str(arguments.to))
    say(str(places))
    return 0
