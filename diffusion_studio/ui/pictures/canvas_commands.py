"""The menu entries that act on a canvas: save, copy, reveal, zoom, and the menu under the right mouse button."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPoint
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu

from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action, fill_menu
from diffusion_studio.ui.pictures import commands
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.picture import LAYERS, Picture

if TYPE_CHECKING:
    import numpy as np


class CanvasCommands(QObject):
    """A command is about the selected image; where none of several is selected, about all of them as one sheet."""

    def __init__(self, context: AppContext, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._context, self._canvas = context, canvas
        self.save_as = action(canvas, tr("Save as…"), "Ctrl+S", tip=tr("Save the image as PNG, JPEG or WebP"))
        self.copy = action(canvas, tr("Copy"), "Ctrl+C", tip=tr("Copy the image"))
        self.copy_settings = action(
            canvas, tr("Copy settings"), "Ctrl+Shift+C", tip=tr("Copy what generates this image again")
        )
        self.reveal = action(
            canvas, tr("Reveal in folder"), "Ctrl+Shift+R", tip=tr("Show the file in its folder")
        )
        self.fit = action(
            canvas, tr("Fit"), "F or Ctrl+0", tip=tr("Show everything, as large as the canvas allows")
        )
        self.zoom_in = action(canvas, tr("Zoom in"), "Ctrl++ or Ctrl+=")
        self.zoom_out = action(canvas, tr("Zoom out"), "Ctrl+-")
        self.layers = {name: action(canvas, text, checkable=True) for name, text in LAYERS.items()}
        self.tile = action(
            canvas,
            tr("Tile 3×3"),
            "Ctrl+T",
            tip=tr("Show the image beside itself, to see whether it has seams; one tile is saved"),
            checkable=True,
        )
        self._group = QActionGroup(self)
        for number, (name, entry) in enumerate(self.layers.items(), start=1):
            entry.setShortcut(f"Alt+{number}")
            entry.triggered.connect(lambda _=False, layer=name: canvas.show_layer(layer))
            self._group.addAction(entry)
        self.save_as.triggered.connect(self._save_as)
        self.copy.triggered.connect(self._copy)
        self.copy_settings.triggered.connect(self._copy_settings)
        self.reveal.triggered.connect(self._reveal)
        self.fit.triggered.connect(canvas.fit)
        self.tile.triggered.connect(canvas.set_tiled)
        self.zoom_in.triggered.connect(lambda: canvas.zoom(1))
        self.zoom_out.triggered.connect(lambda: canvas.zoom(-1))
        self.page_entries: list[QAction] = []  # what the page can do with a picture that has settings
        self.own_entries: list[QAction] = []  # what it can do with any; they enable themselves
        canvas.view_changed.connect(self._update)
        canvas.menu_wanted.connect(self._show_menu)
        canvas.drag_wanted.connect(self._drag)
        self._update()

    @property
    def view_entries(self) -> list[QAction | None]:
        return [*self.layers.values(), None, self.zoom_in, self.zoom_out, self.fit, self.tile]

    @property
    def picture_entries(self) -> list[QAction | None]:
        """The menu under the right mouse button."""
        own = [*self.page_entries, *self.own_entries]
        return [self.save_as, self.copy, self.copy_settings, None, *own, None, self.tile, self.reveal]

    def _update(self) -> None:
        canvas, subject = self._canvas, self.subject
        for entry in (self.save_as, self.copy, self.fit, self.zoom_in, self.zoom_out, self.tile):
            entry.setEnabled(bool(canvas.pictures))
        for entry in (self.copy_settings, *self.page_entries):
            entry.setEnabled(subject is not None and subject.settings is not None)
        self.tile.setChecked(canvas.tiled)
        self.reveal.setEnabled(subject is not None and subject.path is not None)
        for name, entry in self.layers.items():
            entry.setEnabled(name in canvas.layers and len(canvas.layers) > 1)
            entry.setChecked(name == canvas.layer)

    @property
    def subject(self) -> Picture | None:
        """The selected image, or the first of a grid, whose settings are those of all but for the seed."""
        return self._canvas.chosen or (self._canvas.pictures[0] if self._canvas.pictures else None)

    def _pixels(self) -> np.ndarray:
        """What is seen: the selected image or the whole grid, in the layer shown."""
        from diffusion_studio.pictures.grid import sheet

        layer, chosen = self._canvas.layer, self._canvas.chosen
        shown = [chosen] if chosen is not None else self._canvas.pictures
        arrays = [picture.layers.get(layer, picture.pixels) for picture in shown]
        return arrays[0] if len(arrays) == 1 else sheet(arrays)

    def _save_as(self) -> None:
        subject, chosen = self.subject, self._canvas.chosen
        if subject is None:
            return
        source: Path | Any = self._pixels()
        if chosen is not None and chosen.path is not None and self._canvas.layer == "denoised":
            source = chosen.path
        settings, name = subject.settings, "picture"
        if settings is not None:
            name = f"{settings.model}-{settings.seed}"
            if chosen is None:
                settings, name = self._batch_settings(settings), f"{name}-sheet"
        commands.save_as(self._context, self._canvas, source, f"{name}.png", settings, subject.facts)

    def _batch_settings(self, first: GenerationSettings) -> GenerationSettings:
        from dataclasses import replace

        return replace(first, count=len(self._canvas.pictures))

    def _copy(self) -> None:
        if self._canvas.pictures:
            commands.copy_picture(self._pixels())
            self._context.show_status(tr("Image copied"))

    def _copy_settings(self) -> None:
        subject = self.subject
        if subject is not None and subject.settings is not None:
            commands.copy_settings(subject.settings, subject.facts)
            self._context.show_status(tr("Settings copied"))

    def _reveal(self) -> None:
        subject = self.subject
        if subject is not None and subject.path is not None:
            commands.reveal(subject.path)

    def _drag(self) -> None:
        chosen = self._canvas.chosen
        if chosen is not None:
            commands.drag_out(self._canvas, chosen.image(self._canvas.layer), chosen.path)

    def _show_menu(self, position: QPoint) -> None:
        menu = QMenu(self._canvas)
        fill_menu(menu, self.picture_entries)
        menu.exec(position)
        menu.deleteLater()
