"""The start image on the canvas, with the noise it starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from diffusion_studio.language import tr
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import Picture

if TYPE_CHECKING:  # it brings numpy, which the empty window does without
    from diffusion_studio.ui.generate.start.start_picture import Levels, StartPicture

SEEN = tr("Your image with the noise that Generate starts from. Move Strength to preview noising.")
SEEN_MASKED = tr("The area inside the outline is regenerated from this noise; the rest is kept.")


class StartView(QObject):
    def __init__(self, canvas: Canvas, steering: Steering) -> None:
        super().__init__(canvas)
        self._canvas, self._steering = canvas, steering
        self._given: Picture | None = None  # what the canvas was given last

    @property
    def shown(self) -> bool:
        """Whether the canvas shows the start image."""
        pictures = self._canvas.pictures
        return self._given is not None and bool(pictures) and pictures[0] is self._given

    def show(self, start: StartPicture, levels: Levels, strength: float, *, plain: bool) -> None:
        """Show it noised to a strength; `plain`: as it is, without noise or mask."""
        self._given = _noised(start, levels, strength, plain=plain)
        self._steering.show_elsewhere(self._given)
        self._explain(start, plain=plain)

    def refresh(self, start: StartPicture, levels: Levels, strength: float, *, plain: bool) -> None:
        """Show it as it is now, if it is shown; a run that has begun may take its place at any time."""
        if self.shown:
            self._given = _noised(start, levels, strength, plain=plain)
            self._canvas.show_pictures([self._given])
            self._explain(start, plain=plain)

    def answer(self, picture: Picture) -> None:
        """Show what was generated from it in its place; strokes still change its mask."""
        if self.shown:
            self._given = picture
            self._canvas.show_pictures([picture])

    def _explain(self, start: StartPicture, *, plain: bool) -> None:
        if self._steering.elsewhere:
            masked = not plain and not start.mask.empty
            self._steering.timeline.sentence.setText(SEEN_MASKED if masked else SEEN)


def _noised(start: StartPicture, levels: Levels, strength: float, *, plain: bool) -> Picture:
    return Picture({"denoised": start.fitted if plain else start.seen(levels, strength)})
