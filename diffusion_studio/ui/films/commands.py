"""The actions that make films: of the steps of a generation, and of a morph between seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog

from diffusion_studio.errors import UserError
from diffusion_studio.generation.trajectory import Trajectory
from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.pictures.canvas import Canvas


class FilmCommands(QObject):
    """`worker`: the thread that generates; `filmable` returns the steps that can be filmed now, if there are any."""

    room_wanted = Signal()  # a morph is about to wait for that thread

    def __init__(
        self,
        context: AppContext,
        request: GenerationRequest,
        canvas: Canvas,
        worker: Worker,
        filmable: Callable[[], Trajectory | None],
    ) -> None:
        super().__init__(canvas)
        self._context, self._request, self._canvas = context, request, canvas
        self._worker, self._filmable = worker, filmable
        self.dialog: QDialog | None = None
        self.export_action = make_action(
            canvas, tr("Export film…"), "Ctrl+E", tip=tr("The steps of this image as APNG, WebP, GIF or MP4")
        )
        self.morph_action = make_action(
            canvas,
            tr("Morph between seeds…"),
            "Ctrl+Shift+W",
            tip=tr("A film of the images between two or more seeds"),
        )
        self.export_action.triggered.connect(self._export)
        self.morph_action.triggered.connect(self._morph)
        canvas.view_changed.connect(self.follow)
        self.follow()

    @property
    def entries(self) -> list[QAction | None]:
        return [self.export_action, self.morph_action]

    def follow(self) -> None:
        """Enable what is possible; to be called when a generation begins or ends."""
        self.export_action.setEnabled(self._filmable() is not None)

    def _export(self) -> None:
        trajectory = self._filmable()
        if trajectory is None:
            return
        from diffusion_studio.ui.films.dialog import FilmDialog

        place = self._canvas.opened if self._canvas.opened is not None else self._canvas.selected
        picture = 0 if place is None else place + 1
        self._open(FilmDialog(self._context, trajectory, self._canvas.window(), picture=picture))

    def _morph(self) -> None:
        try:
            settings = self._request.value()
        except UserError as error:
            self._context.show_fault(str(error))
            return
        if self._request.card is None:
            return
        from diffusion_studio.ui.films.morph_dialog import MorphDialog

        settings = replace(settings, model=self._request.card.name)
        dialog = MorphDialog(self._context, self._worker, settings, self._canvas.window())
        dialog.starting.connect(self.room_wanted)
        self._open(dialog)

    def _open(self, dialog: QDialog) -> None:
        if self.dialog is not None:
            self.dialog.close()
        self.dialog = dialog
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.destroyed.connect(self._forget)
        dialog.open()

    def _forget(self) -> None:
        self.dialog = None
