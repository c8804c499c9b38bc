"""How the user likes the application: one line per preference, checked like every other setting."""

from __future__ import annotations

import os
from dataclasses import dataclass

from diffusion_studio.language import tr
from diffusion_studio.settings.options import DEVICES, PRECISIONS, check, option
from diffusion_studio.settings.previews import LARGEST_SHARE, PREVIEWS
from diffusion_studio.ui.look.theme import SCALES, THEMES

SCALINGS = {"crisp": tr("Sharp"), "smooth": tr("Smooth")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    theme: str = option("system", choices=THEMES, label=tr("Theme"), help=tr("light, dark, or as the system"))
    scale: str = option(
        "100",
        choices=SCALES,
        label=tr("Interface size"),
        help=tr("how large text and controls are; in force after a restart"),
    )
    scaling: str = option(
        "crisp",
        choices=SCALINGS,
        label=tr("Upscaling"),
        help=tr("keeps enlarged pixels square, or blends them"),
    )
    reduced_motion: bool = option(
        False, label=tr("Reduce motion"), help=tr("panels and messages appear without moving")
    )
    device: str = option(
        "auto",
        choices=DEVICES,
        label=tr("Device"),
        help=tr("where images are generated and models are trained, unless chosen otherwise there"),
    )
    precision: str = option(
        "auto",
        choices=PRECISIONS,
        label=tr("Precision"),
        help=tr(
            "used wherever Automatic is chosen; float32 is the most exact, the shorter formats can be faster"
        ),
    )
    threads: int = option(
        0,
        min=0,
        max=max(os.cpu_count() or 1, 1),
        label=tr("CPU threads"),
        help=tr("0 uses as many as the processor has; takes effect after a restart"),
    )
    previews: str = option(
        "fast",
        choices=PREVIEWS,
        label=tr("Step previews"),
        help=tr(
            "for models of latents: Fast estimates the colours, Sharp decodes the steps with a small autoencoder (TAESD) "
            "in at most {share:.0%} of the time",
            share=LARGEST_SHARE,
        ),
    )
    notifications: bool = option(
        True,
        label=tr("When work is done"),
        help=tr("shows a notification when long work is done and the window is not in front"),
    )
    metadata: bool = option(
        True,
        label=tr("Embed settings"),
        help=tr("writes how an image was made into the file; off to disclose nothing"),
    )
    quality: int = option(
        90,
        min=1,
        max=100,
        label=tr("Quality"),
        help=tr("of JPEG and WebP: higher is larger and more exact"),
    )
    toured: bool = option(False, label=tr("Tour"), help=tr("whether the tour of the window was shown"))

    def __post_init__(self) -> None:
        check(self)
