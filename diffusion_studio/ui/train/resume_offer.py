"""At the start of the window: a training that was interrupted can be resumed with one click."""

from __future__ import annotations

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.requests import ResumeRun
from diffusion_studio.ui.train.records import RunRow, find_interrupted


def offer_to_resume(context: AppContext) -> None:
    """Look for such a run off the window's thread, and show a notice."""
    context.run(find_interrupted(), lambda row: _show(context, row))


def _show(context: AppContext, row: RunRow) -> None:
    context.show_notice(
        tr(
            "“{title}” was still being trained when the window closed, {fraction:.0%} of the way. "
            "What it had learned is kept.",
            title=row.title,
            fraction=min(row.fraction, 1),
        ),
        action="Resume",
        lasting=True,
        do=lambda: context.go_to("train", ResumeRun(row.path)),
    )
