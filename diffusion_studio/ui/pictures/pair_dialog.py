"""Two images of the gallery compared, in a window of their own."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.texts import readable, shorten
from diffusion_studio.ui.pictures.pair import PairView
from diffusion_studio.ui.pictures.picture import Picture

SIZE = (960, 640)


class PairDialog(QDialog):
    def __init__(self, left: Picture, right: Picture, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint)
        self.setWindowTitle(tr("Compare two images"))
        self.view = PairView(left, right, self, names=(_name(left, tr("Left")), _name(right, tr("Right"))))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view)
        self.resize(*SIZE)
        self.view.setFocus()


def _name(picture: Picture, side: str) -> str:
    return shorten(readable(picture.path.name), 40) if picture.path is not None else side
