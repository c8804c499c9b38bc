"""At the start of the window: a training that its last end, or a power cut, broke off can be gone on with in one click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffusion_studio.language import tr
from diffusion_studio.ui.train.records import RunRow, find_interrupted

if TYPE_CHECKING:
    from diffusion_studio.ui.window.contents import Interior


def offer_to_resume(interior: Interior) -> None:
    """Look for such a run off the window's thread, and tell of it in the banner."""
    interior.context.run(find_interrupted(), lambda row: _tell(interior, row))


def _tell(interior: Interior, row: RunRow) -> None:
    interior.context.tell_notice(
        tr(
            "“{title}” was still being trained when the window closed, {fraction:.0%} of the way. "
            "What it had learned is kept.",
            title=row.title,
            fraction=min(row.fraction, 1),
        ),
        action="Resume",
        lasting=True,
        do=lambda: _resume(interior, row),
    )


def _resume(interior: Interior, row: RunRow) -> None:
    from diffusion_studio.ui.train.page import TrainPage

    interior.visit(next(k for k, entry in enumerate(interior.entries) if entry.label == "Train"))
    page = interior.page
    assert isinstance(page, TrainPage)
    page.resume(row)
