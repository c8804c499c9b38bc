"""A fault that blocks its page, in a sentence at the top of it, with details to copy and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.icons import IconButton, icon
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, TYPE_SMALL, tokens


class Banner(QFrame):
    """Hidden until something failed. A new fault takes the place of the one before."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setAccessibleName(tr("Fault"))
        self._sign = QLabel()
        self.sentence = plain_label("")
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.action = push_button(tr("Fix"), tr("Do what helps"))
        self.details_button = push_button(tr("Details"), tr("Show technical details"))
        self.details_button.setCheckable(True)
        self.copy_button = push_button(tr("Copy"), tr("Copy the message and its details"))
        self.close_button = IconButton("close", tr("Dismiss"), tr("close this message"), self)
        self.details = QPlainTextEdit()
        self.details.setAccessibleName(tr("Details"))
        self.details.setAccessibleDescription(tr("Technical details of the fault"))
        self.details.setReadOnly(True)
        self.details.setTabChangesFocus(True)
        self.details.setMaximumHeight(180)
        self._do: Callable[[], None] | None = None
        self._active = False
        self._page: object = None  # that it belongs to
        self._lay_out()
        self.details_button.toggled.connect(self.details.setVisible)
        self.copy_button.clicked.connect(self._copy)
        self.close_button.clicked.connect(self.dismiss)
        self.action.clicked.connect(self._act)
        self.hide()

    def show_fault(
        self,
        sentence: str,
        details: str = "",
        *,
        action: str = "",
        do: Callable[[], None] | None = None,
        page: object = None,
    ) -> None:
        """Say what went wrong on `page`, and on no other one; `action` names the button that calls `do` and closes it."""
        self._page, self._active = page, True
        self.sentence.setText(sentence)
        self.sentence.setAccessibleName(sentence)
        self.setAccessibleDescription(sentence)
        self.details.setPlainText(details)
        self.details_button.setChecked(False)
        self.details_button.setVisible(bool(details))
        self.details.hide()
        self.action.setText(action)
        self.action.setAccessibleName(action)
        self.action.setVisible(do is not None)
        self._do = do
        self._draw()
        self.show()

    def follow(self, page: object) -> None:
        """Another page is shown: the fault waits on its own."""
        self.setVisible(self._active and self._page is page)

    def settle(self, page: object) -> None:
        """The next work of its page has begun: a fault with nothing left to decide goes, one with a remedy stays."""
        if self._page is page and self._do is None:
            self.dismiss()

    def dismiss(self) -> None:
        self._active = False
        self.hide()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        self._sign.setPixmap(icon("alert", tokens().fault_text).pixmap(QSize(20, 20)))

    def _act(self) -> None:
        do, self._do = self._do, None
        self.dismiss()
        if do is not None:
            do()

    def _copy(self) -> None:
        text = "\n\n".join(filter(None, (self.sentence.text(), self.details.toPlainText())))
        QGuiApplication.clipboard().setText(text)

    def _lay_out(self) -> None:
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(TYPE_SMALL)
        self.details.setFont(font)
        row = QHBoxLayout()
        row.setSpacing(SPACE_S)
        row.addWidget(self._sign)
        row.addSpacing(SPACE_S // 2)
        row.addWidget(self.sentence, 1)
        for button in (self.action, self.details_button, self.copy_button, self.close_button):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_L, SPACE_S, SPACE_M, SPACE_S)
        column.addLayout(row)
        column.addWidget(self.details)
