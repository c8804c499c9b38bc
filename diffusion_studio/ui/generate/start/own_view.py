"""The start picture on the canvas, with the noise it starts from; and which pictures there have its mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from diffusion_studio.language import tr
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import Picture

if TYPE_CHECKING:
    from diffusion_studio.ui.generate.start.own_picture import OwnPicture
    from diffusion_studio.ui.generate.start.start_picture import Levels, StartPicture

SEEN = tr("Your picture with the noise that Generate draws on from: move Strength to see it drown.")
SEEN_MASKED = tr("Inside the outline the picture is drawn anew, from this noise; the rest is kept as it is.")


class OwnView(QObject):
    def __init__(self, own: OwnPicture, canvas: Canvas, steering: Steering) -> None:
        super().__init__(own)
        self._own, self._canvas, self._steering = own, canvas, steering
        self._given: Picture | None = None  # what the canvas was given last

    @property
    def shown(self) -> bool:
        """Whether the canvas shows the start picture."""
        pictures = self._canvas.pictures
        return self._given is not None and bool(pictures) and pictures[0] is self._given

    def look(self) -> None:
        """Show it."""
        own = self._own
        start, levels = own.start, own.levels
        if start is None or levels is None:
            return
        self._given = self._drawn(start, levels)
        self._steering.show_elsewhere(self._given)
        self._explain(start)

    def refresh(self) -> None:
        """Show it as it is now, if it is shown; a run that has begun may take its place at any time."""
        own = self._own
        if self.shown and own.start is not None and own.levels is not None:
            self._given = self._drawn(own.start, own.levels)
            self._canvas.show_pictures([self._given])
            self._explain(own.start)

    def _drawn(self, start: StartPicture, levels: Levels) -> Picture:
        strength = self._own.panel.form.carried.strength
        return Picture({"denoised": start.seen(levels, strength) if self._own.tools.shown else start.fitted})

    def _explain(self, start: StartPicture) -> None:
        if self._steering.elsewhere:
            masked = self._own.tools.shown and not start.mask.empty
            self._steering.timeline.sentence.setText(SEEN_MASKED if masked else SEEN)

    @property
    def masked(self) -> Sequence[int]:
        """The places of the pictures on the canvas that have the mask as it stands."""
        start, wanted = self._own.start, self._own.digests
        if start is None or start.mask.empty:
            return ()
        if self.shown:
            return (0,)
        if not wanted[1]:
            return ()
        settings = [picture.settings for picture in self._canvas.pictures]
        return [
            place
            for place, own in enumerate(settings)
            if own is not None and (own.source, own.mask) == wanted
        ]
