"""The note under the seed that Generate would make the image that it made last."""

from __future__ import annotations

from PySide6.QtCore import QObject

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.running import Generation
from diffusion_studio.ui.look.labels import plain_label


class RepeatNote(QObject):
    def __init__(self, request: GenerationRequest, generation: Generation) -> None:
        super().__init__(request)
        self._request, self._generation = request, generation
        self._last: GenerationSettings | None = None  # what was generated last
        self.label = plain_label(tr("Same seed and settings: Generate repeats the last image."), "small")
        self.label.setWordWrap(True)
        self.label.hide()
        request.changed.connect(self._follow)
        generation.ended.connect(self._follow)

    def remember(self, settings: GenerationSettings | None) -> None:
        """What is generated now; None where it is not to be compared with."""
        self._last = settings

    def _follow(self) -> None:
        try:
            value = self._request.value()
        except UserError:
            value = None
        same = value is not None and value == self._last
        self.label.setVisible(same and self._request.locked and not self._generation.running)
