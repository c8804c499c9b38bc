"""What every verb does with a file that exists: it is refused before any work, or replaced where that was asked for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

FREE_NAMES = "a name that is taken gets a number, nothing is overwritten"


def add_overwrite(parser: Any) -> None:
    """--overwrite"""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help=tr("replace a file that exists; without this, the command refuses before it does any work"),
    )


def check_free(path: Path, arguments: argparse.Namespace) -> None:
    """Raises `UserError` where `path` exists and was not said to be replaced."""
    if os.path.lexists(path) and not arguments.overwrite:
        raise UserError(
            tr("{path} exists already. Choose another name, or replace it with --overwrite.", path=path)
        )
