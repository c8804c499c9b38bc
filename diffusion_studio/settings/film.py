"""What can be asked for of a film. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_studio.language import tr
from diffusion_studio.settings.options import check, option

FILM_VIEWS = {
    "denoised": tr("Preview"),
    "noisy": tr("Noisy image"),
    "both": tr("Both, side by side"),
}
EASINGS = {
    "even": tr("Even"),
    "slow_start": tr("Slow start"),
    "slow_end": tr("Slow end"),
    "change": tr("Even change"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmSettings:
    """How the steps of a generation, or the images of a morph, become a film."""

    view: str = option(
        "denoised",
        choices=FILM_VIEWS,
        label=tr("Shows"),
        flag="film-view",
        help=tr("the clean image predicted at each step, the noisy image the sampler works on, or both"),
    )
    picture: int = option(
        0,
        min=0,
        max=64,
        label=tr("Image"),
        flag="film-picture",
        help=tr("which image of the batch; 0: all of them in one grid"),
    )
    seconds: float = option(
        4.0,
        min=0.1,
        max=600.0,
        label=tr("Seconds"),
        flag="film-seconds",
        help=tr("how long the steps are shown in total, not counting the last frame held at the end"),
    )
    hold: float = option(
        1.5,
        min=0.0,
        max=60.0,
        label=tr("Hold last frame (s)"),
        flag="film-hold",
        help=tr("how many seconds the last frame stays"),
    )
    easing: str = option(
        "even",
        choices=EASINGS,
        label=tr("Timing"),
        flag="film-easing",
        help=tr(
            "how time is divided among the steps; with even change, each moment changes the image equally"
        ),
    )
    frame_rate: int = option(
        25,
        min=1,
        max=50,
        label=tr("Frame rate"),
        flag="film-frame-rate",
        help=tr("frames per second"),
    )
    scale: int = option(
        0,
        min=0,
        max=32,
        label=tr("Scale"),
        flag="film-scale",
        help=tr("film pixels for each pixel of the image; 0: enlarged to about 640 pixels"),
    )

    def __post_init__(self) -> None:
        check(self)
