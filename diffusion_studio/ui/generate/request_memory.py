"""The request from one start of the program to the next."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject

from diffusion_studio.errors import UserError
from diffusion_studio.models import cards
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.generate.next_run import NextRun
from diffusion_studio.ui.generate.request import USUAL, GenerationRequest
from diffusion_studio.ui.generate.start.editor import StartEditor

SECTION = "generation"


class RequestMemory(QObject):
    """Keeps what is composed, but neither a branch, which is over with the window, nor a seed that is not locked."""

    def __init__(
        self, context: AppContext, request: GenerationRequest, start: StartEditor, next_run: NextRun
    ) -> None:
        super().__init__(request)
        self._context, self._request, self._start, self._next_run = context, request, start, next_run

    def recall(self) -> None:
        settings = self._context.settings_file.load(SECTION, GenerationSettings)
        if self._request.card is not None and settings == USUAL:
            settings = cards.find("").defaults()  # a first start
        self._request.show(settings)

    def remember(self) -> None:
        """Hand the request to the settings file, which is written later; one whose mask cannot be kept is not handed over."""
        try:
            self._start.settle()
        except UserError:
            return
        kept = self._next_run.before or self._request.state
        settings = kept.settings if kept.locked else replace(kept.settings, seed=None)
        self._context.settings_file.store(SECTION, settings)
