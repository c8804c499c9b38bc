"""A button with an icon for bars that lie on the dark ground of images."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.theme import tokens


class GroundButton(IconButton):
    """Its name can be shown beside the icon, where there is room."""

    def __init__(
        self, icon_name: str, name: str, explanation: str, parent: QWidget | None = None, *, icon_on: str = ""
    ) -> None:
        super().__init__(icon_name, name, explanation, parent, icon_on=icon_on)
        self.setText(name)
        self.setCursor(Qt.CursorShape.ArrowCursor)

    def colour(self) -> str:
        return tokens().ground_accent if self.isChecked() else tokens().ground_text

    def show_name(self, shown: bool) -> None:
        style = Qt.ToolButtonStyle
        self.setToolButtonStyle(style.ToolButtonTextBesideIcon if shown else style.ToolButtonIconOnly)

    def follow(self, action: QAction) -> None:
        """Do what an entry of a menu does, under the name it has at the time."""
        self.clicked.connect(lambda _=False: action.trigger())
        action.changed.connect(lambda: self._take_over(action))
        self._take_over(action)

    def open_menu(self, menu: QMenu) -> None:
        """A click opens a menu."""
        self.setMenu(menu)
        self.setPopupMode(self.ToolButtonPopupMode.InstantPopup)

    def _take_over(self, action: QAction) -> None:
        self.setEnabled(action.isEnabled())
        if self.text() != action.text():
            self.setText(action.text())
            self.setAccessibleName(action.text())
