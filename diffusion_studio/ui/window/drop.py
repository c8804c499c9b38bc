"""A picture dropped anywhere on the window, where no page takes it itself: what it says is shown before anything changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtWidgets import QApplication

from diffusion_studio.language import tr
from diffusion_studio.ui.models.drop import Veil
from diffusion_studio.ui.pictures.drop import ENDINGS, dropped_picture, to_array

if TYPE_CHECKING:
    from diffusion_studio.ui.window.contents import Interior


class WindowDrop(QObject):
    """Pages and their parts come first: what reaches the interior is what none of them took."""

    def __init__(self, interior: Interior) -> None:
        super().__init__(interior)
        self._interior = interior
        self.veil = Veil(interior, tr("Let go to see what this picture says"))
        interior.setAcceptDrops(True)
        interior.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in (QEvent.Type.DragLeave, QEvent.Type.Drop):
            self.veil.hide()
        if kind not in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop):
            return False
        if not isinstance(event, QDropEvent) or event.source() is not None:
            return False  # dragged within the window: nothing to be told about it
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
            self._interior.context.tell_fault(self._interior.page.refuse_drop(paths))
        return True

    def take(self, given: Path | QImage) -> None:
        """Look at it off the window's thread, then ask."""
        from diffusion_studio.ui.window.drop_dialog import look_at

        picture = given if isinstance(given, Path) else to_array(given)
        self._interior.context.run(look_at(picture), self._ask)

    def _ask(self, seen: Any) -> None:
        from diffusion_studio.ui.window.drop_dialog import DropDialog

        if QApplication.activeModalWidget() is not None:
            return  # one question at a time
        context = self._interior.context
        dialog = DropDialog(seen, self._interior.window())
        dialog.settings_wanted.connect(context.settings_wanted)
        dialog.start_wanted.connect(context.start_wanted)
        dialog.open()


def picture_in(event: QDropEvent) -> Path | QImage | None:
    """What is being dropped, where it may be a picture: what it really is, its content says once it is read."""
    given = dropped_picture(event.mimeData())
    return None if isinstance(given, Path) and given.suffix.lower() not in ENDINGS else given
