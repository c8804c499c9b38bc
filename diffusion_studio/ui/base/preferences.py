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
        help=tr("whether enlarged pixels stay squares or are blended"),
    )
    reduced_motion: bool = option(
        False, label=tr("Reduce motion"), help=tr("whether panels and messages appear without moving")
    )
    device: str = option(
        "auto",
        choices=DEVICES,
        label=tr("Device"),
        help=tr("what Automatic means, where the device is there: for generating and for training"),
    )
    precision: str = option(
        "auto",
        choices=PRECISIONS,
        label=tr("Precision"),
        help=tr("what Automatic means; float32 is the most exact, the shorter formats can be faster"),
    )
    threads: int = option(
        0,
        min=0,
        max=max(os.cpu_count() or 1, 1),
        label=tr("CPU threads"),
        help=tr("how many threads the CPU uses, 0 for as many as it has; in force after a restart"),
    )
    previews: str = option(
        "fast",
        choices=PREVIEWS,
        label=tr("Step previews"),
        help=tr(
            "of models that work on latents: Fast estimates the colors, Sharp decodes the steps with a small autoencoder (TAESD) "
            "and takes at most {share:.0%} of the time",
            share=LARGEST_SHARE,
        ),
    )
    notifications: bool = option(
        True,
        label=tr("When work is done"),
        help=tr("whether a notification is shown when long work is done and the window is not in front"),
    )
    metadata: bool = option(
        True,
        label=tr("Embed settings"),
        help=tr("whether Save as writes how an image was made into it; off to disclose nothing"),
    )
    quality: int = option(
        90,
        min=1,
        max=100,
        label=tr("Quality"),
        help=tr("of JPEG and WebP: high is large and exact, low is small and blurred"),
    )
    toured: bool = option(False, label=tr("Tour"), help=tr("whether the tour of the window was shown"))

    def __post_init__(self) -> None:
        check(self)
