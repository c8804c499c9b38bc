"""Foreign text made fit to be shown: names of any bytes, long paths, and text that must not be taken for markup."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from PySide6.QtCore import QUrl

# control characters, and what turns the direction of writing
UNSEEN = re.compile("[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def readable(path: Path | str) -> str:
    """A path as text, the home folder as ~; bytes that are no text become a question mark, what can not be seen a sign."""
    text = str(path).encode("utf-8", "replace").decode("utf-8").replace("\n", " ")
    text = UNSEEN.sub("\ufffd", text)
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
