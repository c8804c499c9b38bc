"""The menu entries of the start image: open one from a file, or take the one that the canvas shows."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.generate.start.view import StartView
from diffusion_studio.ui.pictures.canvas import Canvas


class StartCommands(QObject):
    use_wanted = Signal(object)  # Picture, as the start image

    def __init__(self, canvas: Canvas, view: StartView) -> None:
        super().__init__(canvas)
        self._canvas, self._view = canvas, view
        self.open_action = make_action(
            canvas,
            tr("Open image…"),
            "Ctrl+O",
            tip=tr("Start from an image of your own instead of full noise"),
        )
        self.use_action = make_action(
            canvas,
            tr("Use as start image"),
            "Ctrl+Shift+I",
            tip=tr("Start the next generation from this image instead of full noise"),
        )
        self.use_action.setEnabled(False)
        self.use_action.triggered.connect(self._use)
        canvas.view_changed.connect(self._follow)

    def _follow(self) -> None:
        self.use_action.setEnabled(bool(self._canvas.pictures) and not self._view.shown)

    def _use(self) -> None:
        picture = self._canvas.chosen or (self._canvas.pictures[0] if self._canvas.pictures else None)
        if picture is not None and not self._view.shown:
            self.use_wanted.emit(picture)
