"""The main window: on screen at once as a sketch of itself, then filled; and closed without losing anything.

Nothing heavy is imported here: what fills the window is loaded after its first paint.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSettings, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QColor, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QMainWindow

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage import notices, own_files
from diffusion_studio.storage.places import config_dir
from diffusion_studio.ui.base.settings_file import SettingsFile
from diffusion_studio.ui.look.theme import (
    MENU_HEIGHT,
    PANEL_WIDTH,
    RAIL_WIDTH,
    STATUS_HEIGHT,
    STRIP_WIDTH,
    Theme,
    comfortable,
    tokens,
)

if TYPE_CHECKING:
    from diffusion_studio.ui.base.context import AppContext
    from diffusion_studio.ui.base.page import Page
    from diffusion_studio.ui.base.worker import Worker
    from diffusion_studio.ui.window.contents import Contents
    from diffusion_studio.ui.window.leaving import Leaving
    from diffusion_studio.ui.window.menus import Menus
    from diffusion_studio.ui.window.status import StatusLine
    from diffusion_studio.ui.window.tour import Tour


SIZE, WIDE_SIZE = (1280, 800), (1680, 1050)  # of the first start, on a usual and on a wide screen
TITLE_BAR = 40  # the platform adds it above, so a window as tall as the screen would lose its foot
SMALLEST = (900, 600)
WIDEST = (1 << 24) - 1  # Qt's own limit of a widget's size


def _open_places(path: Path) -> QSettings | None:
    """Where the window's place on the screen is remembered; None where that can neither be read nor written.

    What cannot be understood is set aside first: Qt would write over it.
    """
    try:
        content = own_files.read_bytes(path)
    except FileNotFoundError:
        content = b""
    except UserError as error:
        notices.say(str(error), path)
        return None
    places = QSettings(str(path), QSettings.Format.IniFormat)
    understood = not content.strip() or isinstance(places.value("geometry"), QByteArray)
    if understood and places.status() == QSettings.Status.NoError:
        return places
    del places
    if own_files.set_aside(path, tr("{path} does not say where the window was.", path=path)) is None:
        return None
    return QSettings(str(path), QSettings.Format.IniFormat)


class MainWindow(QMainWindow):
    contents: Contents
    leaving: Leaving
    menus: Menus
    status: StatusLine
    context: AppContext
    closed = Signal()  # none of its work is running any more
    close_wanted = Signal()  # by a signal, from another thread

    def __init__(self, theme: Theme, settings_file: SettingsFile) -> None:
        super().__init__()
        self._theme, self._settings_file = theme, settings_file
        self.filled = False
        self._tour: Tour | None = None
        self._closing = False
        self.setWindowTitle(tr("Diffusion Studio"))
        self.setMinimumSize(*SMALLEST)
        self._places = _open_places(config_dir() / "window.ini")
        self._restore_geometry()

    def fill(self) -> None:
        """Make everything that is in the window; done by itself after the first paint."""
        if self.filled:
            return
        self.filled = True
        from diffusion_studio.ui.base.context import AppContext
        from diffusion_studio.ui.look.icons import application_icon
        from diffusion_studio.ui.window.contents import Contents
        from diffusion_studio.ui.window.menus import Menus
        from diffusion_studio.ui.window.pages import PAGES
        from diffusion_studio.ui.window.progress import WorkProgress
        from diffusion_studio.ui.window.status import StatusLine

        self.context = AppContext(self._theme, self._settings_file, self)
        self.setWindowIcon(application_icon())
        self.status = StatusLine(self.context, self)
        self.setStatusBar(self.status)
        self.menus = Menus(self, self.context, PAGES)
        self.contents = Contents(self.context, PAGES, self)
        self.setCentralWidget(self.contents)
        self.contents.page_made.connect(lambda name, page: self.menus.learn(name, page.menu_entries()))
        self.contents.page_shown.connect(self._follow_page)
        self.context.commands.all_wanted.connect(self.contents.make_all)
        self.context.commands.changed.connect(self.context.save_settings)
        self.menus.tour_wanted.connect(self._show_tour)
        self.progress = WorkProgress(self.context, self.contents.rail, self)
        self.contents.work_changed.connect(self.progress.follow)
        self.contents.alone_wanted.connect(self._show_alone)
        self.contents.visit(0)
        self.status.start()
        if self._settings_file.refused:
            self.context.show_status(
                tr("Some settings were not kept: {reasons}", reasons=" ".join(self._settings_file.refused))
            )
        if self.isVisible():
            self.repaint()  # before the page begins what takes a moment
            QTimer.singleShot(0, self._greet)

    def _show_tour(self) -> None:
        from diffusion_studio.ui.window.tour import window_tour

        if self._tour is None:
            self.context.go_to("generate")
            self._tour = window_tour(self.contents, lambda: self.page, self.contents.rail.buttons)
            self._tour.ended.connect(self._end_tour)

    def _end_tour(self) -> None:
        self._tour = None
        if not self.context.preferences.toured:
            self.context.change_preferences(toured=True)

    def _show_alone(self, alone: bool) -> None:
        """Leave nothing but the page. The menu bar keeps its place in no pixels: the shortcuts of a hidden one do nothing."""
        self.menuBar().setMaximumHeight(0 if alone else WIDEST)
        self.contents.rail.setVisible(not alone)
        self.status.setVisible(not alone)

    def _follow_page(self, page: Page) -> None:
        self.status.forget()
        self.menus.fill(page.menu_entries())

    @property
    def page(self) -> Page:
        """The page that is shown."""
        return self.contents.page

    def show_fault(self, sentence: str, details: str = "") -> None:
        self.fill()
        self.context.show_fault(sentence, details)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.filled:
            super().paintEvent(event)
            return
        t, width, height = tokens(), self.width(), self.height()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(t.window))
        top, tall = MENU_HEIGHT, height - MENU_HEIGHT - STATUS_HEIGHT
        painter.fillRect(RAIL_WIDTH, top, PANEL_WIDTH, tall, QColor(t.panel))
        painter.fillRect(RAIL_WIDTH + PANEL_WIDTH, top, width, tall, QColor(t.ground))
        painter.fillRect(width - STRIP_WIDTH, top, STRIP_WIDTH, tall, QColor(t.panel))
        painter.end()
        QTimer.singleShot(0, self.fill)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.filled:
            QTimer.singleShot(0, self._greet)

    def _greet(self) -> None:
        if self.isVisible():  # it may have been closed since
            self.contents.greet()
            if not self.context.preferences.toured:
                self._show_tour()

    # --- closing ---

    def closeEvent(self, event: QCloseEvent) -> None:
        """Busy threads finish their step first; then the window closes by itself."""
        if not self._closing and self.filled and not self._may_close():
            event.ignore()
            return
        workers = self.workers()
        busy = [worker for worker in workers if worker.busy]
        if busy:
            event.ignore()
            self._begin_closing(busy)
            return
        if self.filled:
            self.contents.close_down()
            self.status.stop()
        self._store()
        for worker in workers:
            worker.stop()
        event.accept()
        self.closed.emit()

    def _may_close(self) -> bool:
        """Whether all that waits for a decision is saved, or may be lost."""
        reasons = self.contents.save_pending()
        if not reasons:
            return True
        from diffusion_studio.ui.window import leaving

        return leaving.may_lose(self, reasons[0])

    def _begin_closing(self, busy: Sequence[Worker]) -> None:
        if not self._closing:
            self._closing = True
            self._wait_with_limit()
            if self.contents.working:
                self.setEnabled(False)
                self.context.show_status(tr("Closing: finishing the step…"))
            else:  # loading ahead, thumbnails: nothing the user waits for
                self.hide()
        for worker in busy:
            worker.cancel_all()
            worker.idle.connect(self.close, Qt.ConnectionType.SingleShotConnection)

    def _wait_with_limit(self) -> None:
        from diffusion_studio.ui.window.leaving import Leaving

        self.leaving = Leaving(self, lambda: [w.objectName() for w in self.workers() if w.busy])
        self.leaving.leave_wanted.connect(self._leave)
        self.closed.connect(self.leaving.stop)
        self.leaving.start()

    def _leave(self) -> None:
        """End though a job is stuck. What would wait for it is not asked for."""
        from diffusion_studio.ui.window.leaving import end_process

        if not self.context.background.busy:
            self._store()
        end_process()

    def workers(self) -> list[Worker]:
        return [*self.context.background.workers, *self.contents.workers()] if self.filled else []

    # --- what is remembered ---

    def _restore_geometry(self) -> None:
        room = self.screen().availableSize()
        width, height = WIDE_SIZE if comfortable() else SIZE
        self.resize(min(width, room.width()), min(height, room.height() - TITLE_BAR))
        geometry = self._places.value("geometry") if self._places is not None else None
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)

    def _store(self) -> None:
        if self._places is not None:
            self._places.setValue("geometry", self.saveGeometry())
            self._places.sync()
        with suppress(OSError, UserError):  # the window is going; the last generation's settings are written
            self._settings_file.save()
