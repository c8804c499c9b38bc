"""A fault or a notice told in a sentence at the top of the window, with details to copy and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.icons import IconButton, icon
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, TYPE_SMALL, tokens

EXPIRES = 12_000  # milliseconds that a notice is shown
Turn = tuple[str, str, Callable[[], None] | None]  # sentence, name of an action, what it does


class Banner(QFrame):
    """Hidden until there is something to say. A new sentence takes the place of the one before."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setAccessibleName(tr("Fault"))
        self._sign = QLabel()
        self.sentence = plain_label("")
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.action = push_button(tr("Save elsewhere…"), tr("Do what helps"))
        self.details_button = push_button(
            "Details", tr("Show what lies behind this, for those who want to know")
        )
        self.details_button.setCheckable(True)
        self.copy_button = push_button("Copy", tr("Copy the sentence and its details"))
        self.close_button = IconButton("close", tr("Close"), tr("put this message away"), self)
        self.details = QPlainTextEdit()
        self.details.setAccessibleName(tr("Details"))
        self.details.setAccessibleDescription(tr("What lies behind the fault"))
        self.details.setReadOnly(True)
        self.details.setTabChangesFocus(True)
        self.details.setMaximumHeight(180)
        self._do: Callable[[], None] | None = None
        self._said = False
        self._page: object = None  # that it belongs to; None: every page
        self._expiry = QTimer(self, singleShot=True, interval=EXPIRES)
        self._expiry.timeout.connect(self.dismiss)
        self._in_turn: list[Turn] = []  # what is said once, and is still to be read
        self._lay_out()
        self.details_button.toggled.connect(self.details.setVisible)
        self.copy_button.clicked.connect(self._copy)
        self.close_button.clicked.connect(self.dismiss)
        self.action.clicked.connect(self._act)
        self.hide()

    def tell(
        self,
        sentence: str,
        details: str = "",
        *,
        action: str = "",
        do: Callable[[], None] | None = None,
        notice: bool = False,
        page: object = None,
    ) -> None:
        """Show a fault, or a `notice` that is none; `action` names the button that calls `do` and closes the banner.

        It belongs to `page`, and is seen on no other one; a notice of a page expires.
        """
        self._page, self._said = page, True
        self._expiry.stop()
        if notice and page is not None:
            self._expiry.start()
        self._become(notice)
        self.sentence.setText(sentence)
        self.sentence.setAccessibleName(sentence)
        self.setAccessibleDescription(sentence)
        self.details.setPlainText(details)
        self.details_button.setChecked(False)
        self.details_button.setVisible(bool(details))
        self.copy_button.setVisible(not notice)  # for those who report a fault
        self.details.hide()
        self.action.setText(action)
        self.action.setAccessibleName(action)
        self.action.setVisible(do is not None)
        self._do = do
        self._draw()
        self.show()

    def follow(self, page: object) -> None:
        """Another page is shown: only what belongs to it, or to every page, is seen there."""
        self.setVisible(self._said and self._page in (None, page))

    def withdraw(self, sentence: str) -> None:
        """What was said is no longer true; another sentence stays."""
        if self.sentence.text() == sentence:
            self.dismiss()

    def dismiss(self) -> None:
        self._expiry.stop()
        self._said = False
        self.hide()
        shown = self.sentence.text()
        self._in_turn = [turn for turn in self._in_turn if turn[0] != shown]
        self._show_next()

    def tell_in_turn(self, sentence: str, *, action: str = "", do: Callable[[], None] | None = None) -> None:
        """Show a notice that is never said again: it waits for, and comes back after, what is shown meanwhile."""
        self._in_turn.append((sentence, action, do))
        if not self._said:
            self._show_next()

    def _show_next(self) -> None:
        if self._in_turn:
            sentence, action, do = self._in_turn[0]
            self.tell(sentence, action=action, do=do, notice=True)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _become(self, notice: bool) -> None:
        if notice == bool(self.property("notice")):
            return
        self.setProperty("notice", notice)
        self.setAccessibleName(tr("Notice") if notice else tr("Fault"))
        for widget in (self, *self.findChildren(QWidget)):  # the style sheet says something else of each
            widget.style().unpolish(widget)
            widget.style().polish(widget)

    def _draw(self) -> None:
        t = tokens()
        name, colour = ("info", t.accent) if self.property("notice") else ("alert", t.fault_text)
        self._sign.setPixmap(icon(name, colour).pixmap(QSize(20, 20)))

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
