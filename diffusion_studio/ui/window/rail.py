"""The slim rail of pages at the left edge, Settings at its foot."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QToolButton, QVBoxLayout, QWidget

from diffusion_studio.ui.base.page import Work
from diffusion_studio.ui.base.requests import PageName
from diffusion_studio.ui.look.buttons import ToolButton
from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import RAIL_WIDTH, SPACE_S, SPACE_XS, tokens


class Rail(QFrame):
    chosen = Signal(int)

    def __init__(self, entries: Sequence[tuple[PageName, str, str]], parent: QWidget | None = None) -> None:
        """`entries`: (icon, label, explanation) from top to bottom; the last one is at the foot."""
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(RAIL_WIDTH)
        self.buttons: list[QToolButton] = []
        self.badges: list[QLabel] = []
        self._icons: list[PageName] = [name for name, _, _ in entries]
        self.chosen_number = 0
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XS, SPACE_S, SPACE_XS, SPACE_S)
        column.setSpacing(SPACE_XS)
        for number, (_, label, explanation) in enumerate(entries):
            if number == len(entries) - 1:
                column.addStretch(1)
            button = _button(label, explanation)
            button.clicked.connect(lambda _=False, number=number: self.chosen.emit(number))
            column.addWidget(button)
            self.buttons.append(button)
            self.badges.append(_badge(button))
        self._draw()

    def show_work(self, page: PageName, work: Work | None) -> None:
        """How far the work of a page is, in a badge on its button."""
        number = self._icons.index(page)
        badge, button = self.badges[number], self.buttons[number]
        badge.setVisible(work is not None)
        button.setAccessibleDescription("")
        if work is not None:
            badge.setText("…" if work.fraction is None else f"{work.fraction:.0%}")
            badge.setGeometry(3, button.height() - 22, button.width() - 6, 18)  # over the label
            button.setAccessibleDescription(f"{work.title}, {badge.text()}")

    def show_chosen(self, number: int) -> None:
        self.chosen_number = number
        for place, button in enumerate(self.buttons):
            button.setChecked(place == number)
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        for button, name in zip(self.buttons, self._icons, strict=False):
            button.setIcon(icon(name, tokens().muted, tokens().accent, size=22))


def _badge(button: QToolButton) -> QLabel:
    badge = plain_label("")
    badge.setParent(button)
    badge.setObjectName("badge")
    badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
    badge.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    badge.hide()
    return badge


def _button(label: str, explanation: str) -> QToolButton:
    button = ToolButton()
    button.setText(label)
    button.setAccessibleName(label)
    button.setToolTip(explanation)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
    button.setIconSize(QSize(22, 22))
    button.setCheckable(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setFixedSize(RAIL_WIDTH - 2 * SPACE_XS - 1, 56)
    return button
