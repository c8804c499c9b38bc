"""Faults the user can mend."""

from __future__ import annotations


class UserError(Exception):
    """A fault the user can mend, with a sentence to read; `details` is for those who want to know more."""

    def __init__(self, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.details = details
