"""What every command does with a file that exists: it refuses before any work, or replaces it if that was asked for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

FREE_NAMES = tr("a name that is taken gets a number, nothing is overwritten")


def add_overwrite(parser: Any) -> None:
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
