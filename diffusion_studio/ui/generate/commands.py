"""The menu entries of the Generate page that start, queue and stop generations and choose their seed."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.generate.request import GenerationRequest


class GenerateCommands(QObject):
    """Entries with their keys. Those of the seed act on the request; the page connects the others."""

    def __init__(self, request: GenerationRequest, page: QWidget) -> None:
        super().__init__(page)
        self.generate = make_action(
            page, tr("Generate"), "Ctrl+Return or Ctrl+Enter", tip=tr("Generate an image")
        )
        self.queue = make_action(
            page,
            tr("Add to queue"),
            "Ctrl+Shift+Return or Ctrl+Shift+Enter",
            tip=tr("Generate this after everything that waits"),
        )
        self.jobs = make_action(
            page, tr("Show queue"), "Ctrl+J", tip=tr("Reorder, cancel or retry what waits to be generated")
        )
        self.stop = make_action(page, tr("Stop"), "Esc", tip=tr("Stop after this step; again: discard"))
        self.lock = make_action(page, tr("Lock seed"), "Ctrl+L", tip=tr("Keep the seed"), checkable=True)
        self.dice = make_action(page, tr("New seed"), "Ctrl+D", tip=tr("Choose another random seed"))
        self.lock.triggered.connect(request.lock)
        self.dice.triggered.connect(request.draw_seed)
        request.changed.connect(lambda: self.lock.setChecked(request.locked))
