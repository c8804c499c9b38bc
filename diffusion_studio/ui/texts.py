"""Foreign text made fit to be shown: names of any bytes, long paths, and text that must not be taken for markup."""

from __future__ import annotations

import html
import os
from pathlib import Path

from PySide6.QtCore import QUrl


def readable(path: Path | str) -> str:
    """A path as text, the home folder as ~; bytes that are no text become a question mark."""
    text = str(path).encode("utf-8", "replace").decode("utf-8").replace("\n", " ")
    home = os.path.expanduser("~")
    return "~" + text[len(home) :] if isinstance(path, Path) and text.startswith(home + os.sep) else text


def shorten(text: str, length: int = 90) -> str:
    """A long text with its middle left out."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


def tooltip(text: str) -> str:
    """Text that a tooltip shows as it is: tooltips guess rich text, and would load what it names."""
    return f"<qt>{html.escape(text)}</qt>"


def file_url(path: Path) -> QUrl:
    return QUrl.fromEncoded(path.absolute().as_uri().encode())


def first_upper(sentence: str) -> str:
    """A help text of the command line as a sentence of the window."""
    return sentence[:1].upper() + sentence[1:] + "."
