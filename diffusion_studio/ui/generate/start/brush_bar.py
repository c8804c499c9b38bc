"""The tools of the mask, at the left edge of the canvas while the brush is in use."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from diffusion_studio.ui.generate.canvas.toolbar import ActionIcon
from diffusion_studio.ui.generate.start.brush import Brush
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_XS, tokens
from diffusion_studio.ui.pictures.canvas import MARGIN, Canvas


class BrushBar(QObject):
    """Buttons of actions that are in the menus too."""

    def __init__(self, canvas: Canvas, brush: Brush, actions: dict[str, QAction]) -> None:
        super().__init__(canvas)
        self._canvas, self._brush = canvas, brush
        self._frame = QFrame(canvas)
        self._frame.setObjectName("onGround")
        column = QVBoxLayout(self._frame)
        column.setContentsMargins(*(SPACE_XS - 1,) * 4)
        column.setSpacing(2)
        self.buttons: dict[str, MaskButton] = {}
        for name, action in actions.items():
            button = MaskButton(name, action)
            self.buttons[name] = button
            column.addWidget(button)
        canvas.installEventFilter(self)
        canvas.view_changed.connect(self.update)
        brush.changed.connect(self.update)
        self.update()

    @property
    def controls(self) -> list[QWidget]:
        return list(self.buttons.values())

    def update(self) -> None:
        self._frame.setVisible(bool(self._canvas.pictures) and self._brush.active)
        self._frame.adjustSize()
        self._frame.move(SPACE_M, SPACE_M)
        self._make_room()

    def _make_room(self) -> None:
        """A picture that is seen whole is not covered: where there is no room beside it, it is shown smaller."""
        canvas = self._canvas
        before, canvas.margin = canvas.margin, MARGIN
        if self._brush.active and canvas.fitted:
            needed = self._frame.width() + 2 * SPACE_M
            left = canvas.cell_rect(canvas.opened or 0).left()
            canvas.margin = needed if left < needed else MARGIN
        if canvas.margin != before and canvas.fitted:
            canvas.fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show:
            self.update()
        return False


class MaskButton(ActionIcon):
    """On the dark ground of the canvas."""

    def colour(self) -> str:
        return tokens().ground_text if self.isChecked() else tokens().ground_muted
