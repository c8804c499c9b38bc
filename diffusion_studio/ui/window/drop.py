"""An image dropped anywhere on the window, where no page takes it: its settings are shown before anything changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QMimeData, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.requests import CutSprites, StartFrom, UseSettings
from diffusion_studio.ui.pictures.drop import ENDINGS, dropped_picture, to_array
from diffusion_studio.ui.widgets.drop import DropVeil, FileDrop


class WindowDrop(FileDrop):
    """Watches `area`, which holds the pages: they and their parts come first, and what reaches it none of them took."""

    refused = Signal(object)  # list[Path]: what cannot be used

    def __init__(self, context: AppContext, area: QWidget) -> None:
        super().__init__(area, usable_or_refused, own=False)
        self._context, self._area = context, area
        self.veil = DropVeil(area, tr("Drop to read its settings"))
        self.hovered.connect(self._show_veil)
        self.dropped.connect(self._on_dropped)

    def _show_veil(self, over: bool) -> None:
        if over and not isinstance(self.held, list):
            if not self.veil.isVisible():
                self.veil.cover()
        else:
            self.veil.hide()

    def _on_dropped(self, given: Path | QImage | list[Path]) -> None:
        if isinstance(given, list):
            self.refused.emit(given)
        else:
            self.take(given)

    def take(self, given: Path | QImage) -> None:
        """Look at it off the window's thread, then ask."""
        from diffusion_studio.ui.window.drop_dialog import look_at

        picture = given if isinstance(given, Path) else to_array(given)
        self._context.run(look_at(picture), self._ask)

    def _ask(self, seen: Any) -> None:
        from diffusion_studio.ui.window.drop_dialog import DropDialog

        if QApplication.activeModalWidget() is not None:
            return  # one question at a time
        dialog = DropDialog(seen, self._area.window())
        dialog.settings_wanted.connect(lambda values: self._context.go_to("generate", UseSettings(values)))
        dialog.cut_wanted.connect(lambda path, sheet: self._context.go_to("train", CutSprites(path, sheet)))
        dialog.start_wanted.connect(lambda picture: self._context.go_to("generate", StartFrom(picture)))
        dialog.open()


def usable_or_refused(data: QMimeData) -> Path | QImage | list[Path] | None:
    """An image, as far as its name says; else the files that cannot be used, taken all the same to say why not."""
    given = dropped_picture(data)
    if given is not None and not (isinstance(given, Path) and given.suffix.lower() not in ENDINGS):
        return given
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] or None
