"""An image dropped anywhere on the window, where no page takes it: its settings are shown before anything changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.requests import StartFrom, UseSettings
from diffusion_studio.ui.pictures.drop import ENDINGS, dropped_picture, to_array
from diffusion_studio.ui.widgets.drop import DropVeil


class WindowDrop(QObject):
    """Watches `area`, which holds the pages: they and their parts come first, and what reaches it none of them took."""

    refused = Signal(object)  # list[Path]: what cannot be used

    def __init__(self, context: AppContext, area: QWidget) -> None:
        super().__init__(area)
        self._context, self._area = context, area
        self.veil = DropVeil(area, tr("Drop to read its settings"))
        area.setAcceptDrops(True)
        area.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in (QEvent.Type.DragLeave, QEvent.Type.Drop):
            self.veil.hide()
        if kind not in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop):
            return False
        if not isinstance(event, QDropEvent) or event.source() is not None:
            return False  # dragged within the window
        given = picture_in(event)
        if given is None:
            return self._refuse(event)
        event.acceptProposedAction()
        if kind == QEvent.Type.Drop:
            self.take(given)
        elif kind == QEvent.Type.DragEnter:
            self.veil.cover()
        return True

    def _refuse(self, event: QDropEvent) -> bool:
        """What cannot be used is taken all the same, to say why it is not."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if not paths:
            return False
        event.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            self.refused.emit(paths)
        return True

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
        dialog.start_wanted.connect(lambda picture: self._context.go_to("generate", StartFrom(picture)))
        dialog.open()


def picture_in(event: QDropEvent) -> Path | QImage | None:
    """What is being dropped, where it may be an image by its name; its content decides once it is read."""
    given = dropped_picture(event.mimeData())
    return None if isinstance(given, Path) and given.suffix.lower() not in ENDINGS else given
