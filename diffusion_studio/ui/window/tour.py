"""Four steps through the window for those who see it the first time. It takes no focus and can be skipped at any step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.motion import fade_in
from diffusion_studio.ui.look.theme import RADIUS_LARGE, SPACE_L, SPACE_S, SPACE_XL, tokens

WIDTH = 340  # pixels


class TourStop(NamedTuple):
    """`target` finds the widget that is explained; None: it is not there, and the card is in the middle."""

    title: str
    text: str
    target: Callable[[], QWidget | None]


class Tour(QFrame):
    """A card beside what it explains, which has a ring around it."""

    ended = Signal()  # skipped or done

    def __init__(self, stops: Sequence[TourStop], over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("tourCard")
        self.setFixedWidth(WIDTH)
        self.setAccessibleName(tr("Tour"))
        self._over, self._stops, self.number = over, stops, 0
        self._ring = Ring(over)
        self._marked: QWidget | None = None  # what is explained now, where it is on screen
        self.title = plain_label("", "heading")
        self.text = plain_label("")
        self.text.setWordWrap(True)
        self.count = plain_label("", "small")
        self.skip = push_button(tr("Skip"), tr("End the tour; Help > Tour shows it again"))
        self.next = push_button(tr("Next"), tr("Go to the next step"))
        self.next.setProperty("primary", True)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE_S)
        foot.addWidget(self.count, 1)
        for button in (self.skip, self.next):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the focus where it was
            foot.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_L)
        column.setSpacing(SPACE_S)
        for part in (self.title, self.text):
            column.addWidget(part)
        column.addSpacing(SPACE_S)
        column.addLayout(foot)
        self.skip.clicked.connect(self.end)
        self.next.clicked.connect(self._show_next)
        _application().installEventFilter(self)
        self._show_stop()
        fade_in(self)

    def end(self) -> None:
        _application().removeEventFilter(self)
        self._ring.hide()
        self._ring.deleteLater()
        self.hide()
        self.deleteLater()
        self.ended.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Escape ends it wherever the focus is, and what the next step explains may appear: then it goes there."""
        kind = event.type()
        if kind == QEvent.Type.Resize and watched is self._over:
            self._place()
        elif kind == QEvent.Type.Show and not event.spontaneous() and watched is self._awaited():
            QTimer.singleShot(0, self, self._show_next)
        elif kind == QEvent.Type.Hide and not event.spontaneous() and watched is self._marked:
            QTimer.singleShot(0, self, self.end)  # another page was gone to
        elif (
            isinstance(event, QKeyEvent)
            and kind == QEvent.Type.ShortcutOverride
            and event.key() == Qt.Key.Key_Escape
            and QApplication.activeModalWidget() is None
        ):
            event.accept()
            self.end()
            return True
        return False

    def _awaited(self) -> QWidget | None:
        """What the next step explains, where it is not there yet."""
        following = self._stops[self.number + 1 : self.number + 2]
        return following[0].target() if following else None

    def _show_next(self) -> None:
        self.number += 1
        if self.number == len(self._stops):
            self.end()
        else:
            self._show_stop()

    def _show_stop(self) -> None:
        stop, last = self._stops[self.number], len(self._stops) - 1
        self.title.setText(stop.title)
        self.text.setText(stop.text)
        self.setAccessibleDescription(f"{stop.title}. {stop.text}")
        self.count.setText(tr("{step} of {count}", step=self.number + 1, count=last + 1))
        self.next.setText(tr("Done") if self.number == last else tr("Next"))
        self.next.setAccessibleName(self.next.text())
        self._place()

    def _place(self) -> None:
        """Right of what is explained where there is room, else above it, left of it, or over its middle."""
        target = self._stops[self.number].target()
        self._marked = target if target is not None and target.isVisible() else None
        self._ring.setVisible(self._marked is not None)
        self.resize(WIDTH, max(self.heightForWidth(WIDTH), self.sizeHint().height()))
        area = self._over.rect()
        marked = QRect(area.center(), area.center())
        if target is not None and target.isVisible():
            marked = QRect(target.mapTo(self._over, QPoint(0, 0)), target.size()).intersected(area)
            self._ring.setGeometry(marked)
            self._ring.raise_()
        x = marked.right() + SPACE_L
        y = marked.center().y() - self.height() // 2
        above = marked.top() - SPACE_L - self.height()
        if x + self.width() > area.right() and above >= SPACE_XL:
            x, y = marked.center().x() - self.width() // 2, above
        elif x + self.width() > area.right():
            x = marked.left() - SPACE_L - self.width()
        if x < 0:
            x = marked.center().x() - self.width() // 2
        low, wide = SPACE_XL, area.width() - self.width() - SPACE_L
        self.move(max(SPACE_L, min(x, wide)), max(low, min(y, area.height() - self.height() - SPACE_XL)))
        self.raise_()


class Ring(QWidget):
    """A bright line around what is explained, through which everything can be clicked."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(tokens().ring), 2))
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -2, -2), RADIUS_LARGE, RADIUS_LARGE)
        painter.end()


def _application() -> QCoreApplication:
    running = QCoreApplication.instance()
    assert running is not None
    return running


def _whole_panel(part: QWidget | None) -> QWidget | None:
    """The panel with its foot, where the button is."""
    return None if part is None else part.parentWidget()


def window_tour(over: QWidget, page: Callable[[], QWidget], rail: Sequence[QWidget]) -> Tour:
    """The tour of the main window: `page` is the one that is shown, `rail` the buttons of the rail from the top."""

    def named(name: str) -> Callable[[], QWidget | None]:
        return lambda: page().findChild(QWidget, name)

    return Tour(
        (
            TourStop(
                tr("Generate an image"),
                tr(
                    "Select a model and press Generate. Each image is saved when it is finished; Live saves only what you keep."
                ),
                lambda: _whole_panel(named("panel")()),
            ),
            TourStop(
                tr("Watch it form"),
                tr(
                    "Each step stays in the timeline. Scrub or play it, or branch from any step with other settings."
                ),
                named("timeline"),
            ),
            TourStop(
                tr("Train a model of your own"),
                tr("Drop a folder of images on the Train page. The time is measured on this computer first."),
                lambda: rail[1],
            ),
            TourStop(
                tr("Find everything again"),
                tr("The gallery knows how each image was made. Ctrl+K finds every command by its name."),
                lambda: rail[2],
            ),
        ),
        over,
    )
