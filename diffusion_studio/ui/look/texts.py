"""Foreign text made fit to be shown: names of any bytes, long paths, and text that must not be taken for markup."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from PySide6.QtCore import QUrl

# control characters, and what turns the direction of writing
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def readable(path: Path | str) -> str:
    """A path as text, the home folder as ~; bytes that are no text become a question mark, what cannot be seen a sign."""
    text = str(path).encode("utf-8", "replace").decode("utf-8").replace("\n", " ")
    text = UNSEEN.sub("\ufffd", text)
    home = os.path.expanduser("~")
    return "~" + text[len(home) :] if isinstance(path, Path) and text.startswith(home + os.sep) else text


def shorten(text: str, length: int = 90) -> str:
    """A long text with its middle left out."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


def readable_text(text: str) -> str:
    """Foreign text of one or several lines: what cannot be seen or turns the direction of writing becomes a sign."""
    lines = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").split("\n")
    return "\n".join(UNSEEN.sub("\ufffd", line.replace("\t", " ")) for line in lines)


def one_line(text: str) -> str:
    """Foreign text for a row of a list or a line that is painted."""
    return readable_text(text).replace("\n", " ")


def escaped(text: str) -> str:
    """Text for a place that takes markup, or guesses it and would load what it names: shown as it is, line by line."""
    return f"<qt>{html.escape(readable_text(text)).replace(chr(10), '<br>')}</qt>"


def tooltip(text: str) -> str:
    """A tooltip that shows text as it is; none for no text."""
    return escaped(text) if text else ""


def action_text(text: str) -> str:
    """Foreign text for a menu, a button or a tab, where a single & underlines the letter after it."""
    return one_line(text).replace("&", "&&")


def title_text(text: str) -> str:
    """Foreign text for a window's title, where [*] is a mark of changes."""
    return one_line(text).replace("[*]", "[*][*]")


def file_url(path: Path) -> QUrl:
    return QUrl.fromEncoded(path.absolute().as_uri().encode())


def first_upper(sentence: str) -> str:
    """A help text of the command line as a sentence of the window."""
    return sentence[:1].upper() + sentence[1:] + "."


def class_title(name: str) -> str:
    """“long_hair” as it is read: “Long hair”."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:60]
