"""How the user likes the window: one line per preference, checked like every other setting."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_studio.settings.options import check, option
from diffusion_studio.ui.look.theme import THEMES

SCALINGS = {"crisp": "Crisp pixels", "smooth": "Smooth"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    theme: str = option(
        "system", choices=THEMES, label="Theme", help="light or dark, or as the system has it"
    )
    scaling: str = option(
        "crisp",
        choices=SCALINGS,
        label="Small pictures",
        help="whether enlarged pixels stay squares or are blended",
    )
    metadata: bool = option(
        True,
        label="Settings inside",
        help="whether Save as writes what made a picture into it; off to give nothing away",
    )
    quality: int = option(
        90,
        min=1,
        max=100,
        label="Quality",
        help="of JPEG and WebP: high is large and exact, low is small and blurred",
    )

    def __post_init__(self) -> None:
        check(self)
