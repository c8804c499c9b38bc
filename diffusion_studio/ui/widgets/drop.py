"""A page onto which a folder can be dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import Page


class DropPage(Page):
    folder_dropped = Signal(object)  # Path
    folder_hovers = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)

    def refuse_drop(self, paths: Sequence[Path]) -> str:
        if self.working:
            return tr("A training is running. Stop it before choosing another folder.")
        if len(paths) > 1:
            return tr(
                "{count} items were dropped. Put the images into one folder, and drop that folder here.",
                count=len(paths),
            )
        return super().refuse_drop(paths)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_folder(event.mimeData()) is not None and not self.working:
            event.acceptProposedAction()
            self.folder_hovers.emit(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.folder_hovers.emit(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self.folder_hovers.emit(False)
        folder = dropped_folder(event.mimeData())
        if folder is not None:
            event.acceptProposedAction()
            self.folder_dropped.emit(folder)


def dropped_folder(data: QMimeData) -> Path | None:
    """The one folder that is being dropped."""
    urls = data.urls()
    path = Path(urls[0].toLocalFile()) if len(urls) == 1 and urls[0].isLocalFile() else None
    return path if path is not None and path.is_dir() else None
