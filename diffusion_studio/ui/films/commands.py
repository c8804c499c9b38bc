"""The actions that make films: of the steps of a generation, and of a morph between seeds."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.pictures.canvas import Canvas


class FilmCommands(QObject):
    def __init__(
        self, context: AppContext, request: GenerationRequest, canvas: Canvas, steering: Steering
    ) -> None:
        super().__init__(canvas)
        self._context, self._request, self._canvas, self._steering = context, request, canvas, steering
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
        canvas.view_changed.connect(self._follow)
        steering.generation.changed.connect(self._follow)
        self._follow()

    @property
    def entries(self) -> list[QAction | None]:
        return [self.export_action, self.morph_action]

    def _follow(self) -> None:
        steering = self._steering
        filmable = steering.run is not None and steering.run.newest >= 0 and not steering.elsewhere
        self.export_action.setEnabled(filmable and not steering.generation.running)

    def _export(self) -> None:
        run = self._steering.run
        if run is None or run.newest < 0:
            return
        from diffusion_studio.ui.films.dialog import FilmDialog

        place = self._canvas.opened if self._canvas.opened is not None else self._canvas.selected
        picture = 0 if place is None else place + 1
        self._open(FilmDialog(self._context, run.trajectory, self._canvas.window(), picture=picture))

    def _morph(self) -> None:
        try:
            settings = self._request.value()
        except UserError as error:
            self._context.show_fault(str(error))
            return
        if self._request.card is None:
            return
        from diffusion_studio.ui.films.morph_dialog import MorphDialog

        worker, model = self._steering.generation.worker, self._request.card.name
        dialog = MorphDialog(self._context, worker, replace(settings, model=model), self._canvas.window())
        dialog.starting.connect(self._steering.make_room)
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
