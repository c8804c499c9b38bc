"""Short messages over the content, bottom centre: what was done, with Undo, or what could not be done and why."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.page import Page
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.icons import IconButton, icon
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.motion import fade_in
from diffusion_studio.ui.look.texts import action_text
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_S, tokens

EXPIRES = 6_000  # milliseconds
READING = 60  # milliseconds a letter: a long sentence stays as long as it takes to read
WIDTH = 560  # pixels at most
MOST = 3  # at a time; more wait for their turn


class ToastButton(IconButton):
    """Its icon has the colour of the toast's text."""

    def colour(self) -> str:
        return tokens().toast_text


class Toast(QFrame):
    """One message. It expires unless it is `lasting`, and waits while the pointer or the focus is on it."""

    gone = Signal(object)  # itself

    def __init__(
        self,
        parent: QWidget,
        sentence: str,
        *,
        action: str = "",
        do: Callable[[], None] | None = None,
        fault: bool = False,
        lasting: bool = False,
        page: object = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("toast")
        self.setAccessibleName(tr("Fault") if fault else tr("Notice"))
        self.setAccessibleDescription(sentence)
        self.page, self.fault, self.lasting = page, fault, lasting
        self._do = do
        self._sign = QLabel()
        self.sentence = plain_label(sentence)
        self.sentence.setWordWrap(True)
        self.sentence.setAccessibleName(sentence)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.action = push_button(action_text(action), sentence)
        self.close_button = ToastButton("close", tr("Dismiss"), tr("close this message"), self)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_L, SPACE_S, SPACE_S, SPACE_S)
        row.setSpacing(SPACE_S)
        row.addWidget(self._sign)
        row.addWidget(self.sentence, 1)
        for button in (self.action, self.close_button):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.action.setVisible(do is not None)  # now that it is in the toast
        self.timer = QTimer(self, singleShot=True, interval=EXPIRES + READING * max(0, len(sentence) - 60))
        self.timer.timeout.connect(self.dismiss)
        self.action.clicked.connect(self._act)
        self.close_button.clicked.connect(self.dismiss)
        for part in (self.action, self.close_button):
            part.installEventFilter(self)
        self._draw()

    @property
    def wanted_width(self) -> int:
        """Pixels that the sentence needs in one line, with the buttons beside it: a label that wraps asks for less."""
        line = self.sentence.fontMetrics().horizontalAdvance(self.sentence.text())
        return self.sizeHint().width() - self.sentence.sizeHint().width() + line + SPACE_S

    def begin(self) -> None:
        """Start to expire."""
        if not self.lasting:
            self.timer.start()

    def dismiss(self) -> None:
        self.timer.stop()
        self.gone.emit(self)

    def enterEvent(self, event: QEvent) -> None:
        self.timer.stop()

    def leaveEvent(self, event: QEvent) -> None:
        self.begin()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.FocusIn:
            self.timer.stop()
        elif event.type() == QEvent.Type.FocusOut:
            self.begin()
        return False

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        t = tokens()
        name, colour = ("alert", t.toast_danger) if self.fault else ("info", t.toast_accent)
        self._sign.setPixmap(icon(name, colour).pixmap(QSize(20, 20)))

    def _act(self) -> None:
        do, self._do = self._do, None
        self.dismiss()
        if do is not None:
            do()


class Toasts(QObject):
    """The toasts over one widget, newest at the bottom. A toast of a page is seen on that page alone."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._page: object = None  # that is shown
        self.shown: list[Toast] = []
        self._waiting: list[Toast] = []
        over.installEventFilter(self)

    @property
    def latest(self) -> Toast | None:
        """The newest toast that can be seen."""
        seen = [toast for toast in self.shown if self._belongs(toast)]
        return seen[-1] if seen else None

    def show(
        self,
        sentence: str,
        *,
        action: str = "",
        do: Callable[[], None] | None = None,
        fault: bool = False,
        lasting: bool = False,
        page: object = None,
    ) -> None:
        """`page`: the one it belongs to; None: every page. One that says the same takes the place of the one before."""
        self.withdraw(sentence)
        toast = Toast(self._over, sentence, action=action, do=do, fault=fault, lasting=lasting, page=page)
        toast.gone.connect(self._remove)
        if len(self.shown) >= MOST:
            passing = next((shown for shown in self.shown if not shown.lasting), None)
            if passing is None:
                toast.hide()
                self._waiting.append(toast)
                return
            passing.dismiss()
        self._add(toast)

    def withdraw(self, sentence: str) -> None:
        """What was said is no longer true."""
        for toast in [*self.shown, *self._waiting]:
            if toast.sentence.text() == sentence:
                toast.dismiss()

    def follow(self, page: object) -> None:
        """Another page is shown: only what belongs to it, or to every page, is seen there."""
        self._page = page
        self._place()

    def clear(self) -> None:
        for toast in [*self._waiting, *self.shown]:
            toast.dismiss()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _belongs(self, toast: Toast) -> bool:
        return toast.page in (None, self._page)

    def _add(self, toast: Toast) -> None:
        self.shown.append(toast)
        fade_in(toast)
        self._place()
        toast.begin()

    def _remove(self, toast: Toast) -> None:
        for toasts in (self.shown, self._waiting):
            if toast in toasts:
                toasts.remove(toast)
        toast.hide()
        toast.deleteLater()
        if self._waiting and len(self.shown) < MOST:
            self._add(self._waiting.pop(0))
        self._place()

    def _bottom(self) -> int:
        floor = self._page.toast_floor() if isinstance(self._page, Page) else None
        if floor is None or not floor.isVisible():
            return self._over.height()
        return floor.mapTo(self._over, floor.rect().topLeft()).y()

    def _place(self) -> None:
        """Stack them from the bottom up, in the middle, above the controls at the foot of the page."""
        bottom = self._bottom() - SPACE_L
        for toast in reversed(self.shown):
            toast.setVisible(self._belongs(toast))
            if not self._belongs(toast):
                continue
            width = min(WIDTH, self._over.width() - 2 * SPACE_L, max(240, toast.wanted_width))
            height = max(toast.heightForWidth(width), toast.minimumSizeHint().height())
            toast.setGeometry((self._over.width() - width) // 2, bottom - height, width, height)
            toast.raise_()
            bottom -= height + SPACE_M // 2
