"""The toolbar above the canvas: what can be done with the image that is shown, each with its name and key in the tooltip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import SPACE_S, SPACE_XS
from diffusion_studio.ui.pictures.canvas_commands import CanvasCommands

if TYPE_CHECKING:
    from diffusion_studio.ui.films.commands import FilmCommands
    from diffusion_studio.ui.generate.start.editor import StartEditor

BUTTON = 28  # pixels
WORDED, ROOM = 38, 60  # of a button besides its words, and of gaps and edges
MOST = 200
WORDS = {  # beside the icons, where the canvas is wide
    "save": tr("Save"),
    "copy": tr("Copy"),
    "star": tr("Star"),
    "start-image": tr("Use as start"),
    "mask": tr("Mask"),
    "compare": tr("Compare"),
    "film": tr("Film"),
    "morph": tr("Morph"),
    "tile": tr("Tile"),
    "full-screen": tr("Full screen"),
}


class CanvasToolbar(QFrame):
    def __init__(self, groups: Sequence[Mapping[str, QAction]], parent: QWidget | None = None) -> None:
        """`groups`: icons and the entries of the menu they stand for; a gap between groups."""
        super().__init__(parent)
        self.setObjectName("canvasToolbar")
        self.setAccessibleName(tr("Image tools"))
        self.buttons: dict[str, ActionIcon] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_XS, 3, SPACE_XS, 3)
        row.setSpacing(2)
        for place, group in enumerate(groups):
            if place:
                row.addSpacing(SPACE_S)
            for icon_name, action in group.items():
                button = ActionIcon(icon_name, action, WORDS.get(icon_name, ""), self)
                self.buttons[icon_name] = button
                row.addWidget(button)
        row.addStretch(1)
        self._worded: bool | None = None  # whether words are beside the icons
        self._choose()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._choose()

    def changeEvent(self, event: QEvent) -> None:
        """With another font the words need other room."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._choose()

    def _choose(self) -> None:
        """Icons alone, or words beside them where all have room."""
        metrics, buttons = self.fontMetrics(), self.buttons.values()
        needed = sum(metrics.horizontalAdvance(button.text()) + WORDED for button in buttons)
        worded = self.width() >= needed + ROOM
        if worded == self._worded:
            return
        self._worded = worded
        for button in buttons:
            button.setToolButtonStyle(
                Qt.ToolButtonStyle.ToolButtonTextBesideIcon
                if worded
                else Qt.ToolButtonStyle.ToolButtonIconOnly
            )
            button.setMinimumSize(BUTTON, BUTTON)
            button.setMaximumSize(MOST if worded else BUTTON, BUTTON)

    @property
    def controls(self) -> list[QWidget]:
        return list(self.buttons.values())


def image_tools(
    own: CanvasCommands,
    star: QAction,
    start: StartEditor,
    compare: QAction,
    films: FilmCommands,
    full: QAction,
) -> list[dict[str, QAction]]:
    """The tools in their groups, each icon with the entry it stands for."""
    return [
        {"save": own.save_as, "copy": own.copy, "star": star},
        {"start-image": start.commands.use_action, "mask": start.tools.brush_action},
        {"compare": compare, "film": films.export_action, "morph": films.morph_action},
        {"tile": own.tile, "full-screen": full},
    ]


class ActionIcon(IconButton):
    """An icon that does what an entry of a menu does, and can when it can."""

    def __init__(
        self, icon_name: str, action: QAction, word: str = "", parent: QWidget | None = None
    ) -> None:
        """`word`: its name, where that of the entry is too long for a toolbar."""
        super().__init__(icon_name, word or action.text().rstrip("…"), action.statusTip(), parent)
        self._action = action
        self.setText(self.accessibleName())
        self.setCheckable(action.isCheckable())
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        action = self._action
        name, tip, keys = action.text().rstrip("…"), action.statusTip(), action.shortcut().toString()
        words = tr("{name} ({keys})", name=name, keys=keys) if keys else name
        self.setAccessibleDescription(tip or name)
        self.setToolTip(tooltip(f"{words}: {tip}" if tip else words))
        self.setEnabled(action.isEnabled())
        self.setChecked(action.isChecked())
