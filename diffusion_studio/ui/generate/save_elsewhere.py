"""Images that could not be saved: why, and the offer to save them in another folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from diffusion_studio.errors import not_saved
from diffusion_studio.events import NotSaved
from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.pictures import commands
from diffusion_studio.ui.pictures.saved import save_in


class SaveElsewhere(QObject):
    def __init__(self, context: AppContext, page: QWidget) -> None:
        super().__init__(page)
        self._context, self._page = context, page

    def offer(self, events: Sequence[NotSaved], total: int) -> None:
        """Say why these images, of `total` that were generated, could not be saved, and offer another folder."""
        reasons = [event.reason for event in events]
        self._context.show_fault(
            not_saved(
                reasons,
                max(len(events), total),
                [tr("seed {seed}", seed=event.settings.seed) for event in events],
            ),
            "\n".join(reasons),
            action=tr("Save elsewhere…"),
            do=lambda: self._save(events),
        )

    def _save(self, events: Sequence[NotSaved]) -> None:
        folder = commands.ask_folder(self._page)
        if folder is not None:
            self._context.run(save_in(folder, events), self._on_saved)

    def _on_saved(self, event: Path | list[NotSaved]) -> None:
        if isinstance(event, list):  # what failed again can be saved elsewhere again
            self.offer(event, len(event))
        else:
            self._context.show_status(tr("Saved to {path}", path=readable(event)))
