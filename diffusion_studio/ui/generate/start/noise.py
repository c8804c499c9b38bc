"""The noise of the start image: the levels of the chosen model, and the noise that its seed gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.context import AppContext

if TYPE_CHECKING:  # these bring numpy, which the empty window does without
    import numpy as np

    from diffusion_studio.ui.generate.start.start_picture import Levels, NoiseDraw


class StartNoise(QObject):
    levels_changed = Signal(object)  # Levels of the chosen model
    drawn = Signal(object)  # (height, width, channels) float32, the noise of the settings followed last

    def __init__(self, context: AppContext, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self.levels: Levels | None = None  # of the chosen model
        self._schedule: tuple[Mapping[str, Any], float] | None = None  # those levels are of
        self._draw: NoiseDraw | None = None  # the noise that was reported, or is on its way

    def forget(self) -> None:
        """Another image: it needs its noise reported again."""
        self._draw = None

    def follow(self, card: ModelCard, settings: GenerationSettings) -> None:
        """Have the levels of this model, and the noise of these settings as soon as it is generated."""
        from diffusion_studio.ui.generate.start.start_picture import Levels, NoiseDraw, draw_noise

        shift = settings.shift
        if self._schedule is None or self._schedule[0] is not card.schedule or self._schedule[1] != shift:
            self._schedule = (card.schedule, shift)
            self.levels = Levels.of(card.schedule, tokens=card.size**2, shift=shift)
            self.levels_changed.emit(self.levels)
        shape = (card.channels, card.size, card.size)
        draw = NoiseDraw(
            settings.seed or 0, settings.variation_seed, settings.variation_strength, shape, settings.blend
        )
        if draw != self._draw:
            self._draw = draw
            self._context.run(draw_noise(draw), lambda noise: self._on_drawn(draw, noise))

    def _on_drawn(self, draw: NoiseDraw, noise: np.ndarray) -> None:
        if draw == self._draw:
            self.drawn.emit(noise)
