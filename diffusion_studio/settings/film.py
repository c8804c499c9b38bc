"""What can be asked for of a film. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_studio.language import tr
from diffusion_studio.settings.options import check, option

FILM_VIEWS = {
    "denoised": "Predicted picture",
    "noisy": "Noisy state",
    "both": "Both, side by side",
}
EASINGS = {
    "even": "Even in steps",
    "slow_start": "Slow start",
    "slow_end": "Slow end",
    "change": "Even in change",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmSettings:
    """How the steps of a generation, or the pictures of a walk, become a film."""

    view: str = option(
        "denoised",
        choices=FILM_VIEWS,
        label=tr("Shows"),
        flag="film-view",
        help=tr(
            "the clean picture the model predicts at each step, the noisy state it walks through, or both"
        ),
    )
    picture: int = option(
        0,
        min=0,
        max=64,
        label=tr("Picture"),
        flag="film-picture",
        help=tr("which picture of the batch; 0: all of them as one sheet"),
    )
    seconds: float = option(
        4.0,
        min=0.1,
        max=600.0,
        label=tr("Seconds"),
        flag="film-seconds",
        help=tr("how long the steps are shown in all, without the hold at the end"),
    )
    hold: float = option(
        1.5,
        min=0.0,
        max=60.0,
        label=tr("Hold"),
        flag="film-hold",
        help=tr("how many seconds the last picture stays"),
    )
    easing: str = option(
        "even",
        choices=EASINGS,
        label=tr("Pace"),
        flag="film-easing",
        help=tr(
            "how time is shared among the steps; even in change: in each moment the picture changes as much"
        ),
    )
    frame_rate: int = option(
        25,
        min=1,
        max=50,
        label=tr("Frame rate"),
        flag="film-frame-rate",
        help=tr("moments a second at which another step can be shown"),
    )
    scale: int = option(
        0,
        min=0,
        max=32,
        label=tr("Scale"),
        flag="film-scale",
        help=tr("film pixels for each pixel of the picture; 0: as many as make it about 640 wide or high"),
    )

    def __post_init__(self) -> None:
        check(self)
