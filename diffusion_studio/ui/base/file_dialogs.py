"""Where dialogs that ask for files begin."""

from __future__ import annotations

from PySide6.QtCore import QStandardPaths


def pictures() -> str:
    """The user's own pictures."""
    return QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
