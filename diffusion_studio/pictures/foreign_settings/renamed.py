"""Settings that one program wrote in the manner of another."""

from __future__ import annotations

from dataclasses import replace

from diffusion_studio.pictures.foreign_settings.foreign import ForeignSettings


def renamed(settings: ForeignSettings | None, program: str) -> ForeignSettings | None:
    """The same under the name of the program that wrote them."""
    return replace(settings, program=program) if settings is not None else None
