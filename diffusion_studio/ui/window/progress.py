"""Work under way, where it is seen from everywhere: window title, rail, taskbar; and a notification when it is done."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QMainWindow, QSystemTrayIcon

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import Work
from diffusion_studio.ui.base.requests import PageName
from diffusion_studio.ui.look.texts import shorten, title_text
from diffusion_studio.ui.window.rail import Rail

LONG = 15.0  # seconds; what took less needs no notification
SEEN = 12_000  # milliseconds that the icon of a notification stays in the tray


class WorkProgress(QObject):
    """Follows the work of every page. Trainings come before generations where only one can be shown."""

    def __init__(self, context: AppContext, rail: Rail, window: QMainWindow) -> None:
        super().__init__(window)
        self._context, self._rail, self._window = context, rail, window
        self.works: dict[PageName, Work] = {}
        self._since: dict[PageName, float] = {}
        self._tray: QSystemTrayIcon | None = None

    def follow(self, page: PageName, change: Work | str) -> None:
        """`change`: how far the work of a page is, or how it ended."""
        if isinstance(change, Work):
            self._since.setdefault(page, time.monotonic())
            self.works[page] = change
        else:
            self.works.pop(page, None)
            took = time.monotonic() - self._since.pop(page, time.monotonic())
            if change and took >= LONG:
                self._notify(change)
        self._rail.show_work(page, self.works.get(page))
        self._show()

    def _show(self) -> None:
        work = self.works.get("train") or next(iter(self.works.values()), None)
        name = tr("Diffusion Studio")
        percent = "" if work is None or work.fraction is None else f"{work.fraction:.0%}"
        if work is None:
            self._window.setWindowTitle(name)
        else:
            words = " · ".join(filter(None, (percent, shorten(work.title, 60))))
            self._window.setWindowTitle(title_text(f"{words} – {name}"))
        application = QGuiApplication.instance()
        if isinstance(application, QGuiApplication):
            application.setBadgeNumber(int(percent[:-1]) if percent else 0)

    def _notify(self, sentence: str) -> None:
        if self._window.isActiveWindow() or not self._context.preferences.notifications:
            return
        QApplication.alert(self._window)
        if not QSystemTrayIcon.isSystemTrayAvailable() or not QSystemTrayIcon.supportsMessages():
            return
        if self._tray is None:
            self._tray = QSystemTrayIcon(self._window.windowIcon(), self)
            self._tray.messageClicked.connect(self._come_to_front)
        self._tray.show()
        self._tray.showMessage(tr("Diffusion Studio"), sentence, self._window.windowIcon())
        QTimer.singleShot(SEEN, self._tray, self._tray.hide)

    def _come_to_front(self) -> None:
        self._window.showNormal() if self._window.isMinimized() else self._window.raise_()
        self._window.activateWindow()
