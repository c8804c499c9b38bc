"""How the user likes the window: one line per preference, checked like every other setting."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_studio.language import tr
from diffusion_studio.settings.options import check, option
from diffusion_studio.ui.look.theme import THEMES

SCALINGS = {"crisp": tr("Crisp pixels"), "smooth": tr("Smooth")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    theme: str = option(
        "system", choices=THEMES, label=tr("Theme"), help=tr("light or dark, or as the system has it")
    )
    scaling: str = option(
        "crisp",
        choices=SCALINGS,
        label=tr("Small pictures"),
        help=tr("whether enlarged pixels stay squares or are blended"),
    )
    metadata: bool = option(
        True,
        label=tr("Settings inside"),
        help=tr("whether Save as writes what made a picture into it; off to give nothing away"),
    )
    quality: int = option(
        90,
        min=1,
        max=100,
        label=tr("Quality"),
        help=tr("of JPEG and WebP: high is large and exact, low is small and blurred"),
    )

    def __post_init__(self) -> None:
        check(self)
