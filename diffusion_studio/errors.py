"""Errors that the user can correct."""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """An error that the user can correct, with a sentence to read; `details` is for those who want to know more."""

    def __init__(self, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.details = details


def not_saved(reasons: Sequence[str], total: int, names: Sequence[str] = ()) -> str:
    """One sentence for the images of `total` that were not saved: which, and why, every reason once and three at most."""
    different, count = list(dict.fromkeys(reasons)), len(reasons)
    if total == 1:
        who = "The image was"
    else:
        listed = ", ".join(names[:5]) + ("…" if len(names) > 5 else "")
        who = f"{count} of {total} images {f'({listed}) ' if listed else ''}{'was' if count == 1 else 'were'}"
    more = f" ({len(different) - 3} more.)" if len(different) > 3 else ""
    return f"{who} not saved: {' '.join(different[:3])}{more}"
