"""What every command checks of its targets before any work: that a folder can be written, and no file is replaced unasked."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.paths import check_path

FREE_NAMES = tr("a name that is taken gets a number, nothing is overwritten")


def add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=tr(
            "where to save (default: the folder that `doctor` names); {free_names}", free_names=FREE_NAMES
        ),
    )


def add_overwrite(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """--overwrite"""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help=tr("replace a file that exists; without this, the command stops before it does any work"),
    )


def check_free(path: Path, arguments: argparse.Namespace) -> None:
    """Raises `UserError` where `path` exists and may not be replaced."""
    if os.path.lexists(path) and not arguments.overwrite:
        raise UserError(
            tr("{path} exists already. Choose another name, or replace it with --overwrite.", path=path)
        )


def check_folder(folder: Path) -> None:
    """Raises `UserError` before the work, and not after it, where no image can be saved in a folder."""
    check_path(folder)
    whole = folder.absolute()
    place = next((part for part in (whole, *whole.parents) if os.path.exists(part)), whole)
    if not place.is_dir():
        raise UserError(tr("{place} is not a folder, so nothing can be saved there.", place=place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(
            tr(
                "Nothing can be saved in {folder} because {place} is read-only. Choose another folder.",
                folder=folder,
                place=place,
            )
        )
