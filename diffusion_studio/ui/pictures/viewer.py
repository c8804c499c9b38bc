"""Images alone on the screen, one after the other: by hand, or as a slideshow."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.look.buttons import ToolButton
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import readable, shorten, title_text
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_XS
from diffusion_studio.ui.pictures.canvas import Canvas
from diffusion_studio.ui.pictures.ground_button import GroundButton
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.saved import open_picture

PAUSES = (2, 4, 8, 15)  # seconds that an image of a slideshow stays
REST = 2500  # milliseconds without the pointer before buttons and pointer hide
HINT = tr("Arrow keys: next and previous. Space: slideshow. T: tiles. Esc: back.")
STEPS = {
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageDown: 1,
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_PageUp: -1,
}


class Opened(NamedTuple):
    path: Path
    picture: Picture | None
    fault: str = ""


class PictureViewer(QWidget):
    """Shows `paths[index]` first. Deletes itself when it is closed."""

    def __init__(
        self, context: AppContext, paths: Sequence[Path], index: int = 0, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Image"))
        self._context, self.paths, self.index = context, list(paths), index
        self._ready: dict[Path, Opened] = {}  # the image shown and its neighbors
        self._asked: set[Path] = set()
        self.canvas = Canvas(self)
        self.canvas.set_crisp(context.preferences.scaling == "crisp")
        self.back = GroundButton("back", tr("Previous"), tr("the previous image (Left)"))
        self.playing = GroundButton(
            "play", tr("Slideshow"), tr("show the images one after the other (Space)"), icon_on="hold"
        )
        self.playing.setCheckable(True)
        self.forward = GroundButton("forward", tr("Next"), tr("the next image (Right)"))
        self.tile = GroundButton("tile", tr("Tile 3×3"), tr("show the image beside itself, to see seams (T)"))
        self.tile.setCheckable(True)
        self.pause = ToolButton()
        self.leave = GroundButton("close", tr("Close"), tr("back to the gallery (Esc)"))
        self.words = plain_label("")
        self._seconds = PAUSES[1]
        self._turn = QTimer(self, singleShot=True)
        self._rest = QTimer(self, singleShot=True, interval=REST)
        self._bar = self._make_bar()
        self._lay_out()
        self._connect()
        self.show_picture(index)

    # --- which picture ---

    def show_picture(self, index: int) -> None:
        """Show this one; after the last comes the first."""
        if not self.paths:
            return
        self.index = index % len(self.paths)
        self._turn.stop()
        self._show_name()
        near = [self.paths[(self.index + step) % len(self.paths)] for step in (0, 1, -1)]
        self._ready = {path: opened for path, opened in self._ready.items() if path in near}
        for path in near:
            if path not in self._ready and path not in self._asked:
                self._asked.add(path)
                self._context.run(_open(path), self._take)
        self._show_ready()

    def step(self, by: int) -> None:
        self.show_picture(self.index + by)

    def play(self, playing: bool = True) -> None:
        """Continue by itself; each image stays for some seconds from when it is on screen."""
        self.playing.setChecked(playing)

    def _take(self, opened: Opened) -> None:
        self._asked.discard(opened.path)
        self._ready[opened.path] = opened
        if opened.path == self.paths[self.index]:
            self._show_ready()

    def _show_ready(self) -> None:
        opened = self._ready.get(self.paths[self.index])
        if opened is None:
            return  # the previous one stays until this one is here: nothing flashes
        if opened.picture is not None:
            self.canvas.show_pictures([opened.picture])
            self.canvas.fit()
        else:
            self.canvas.show_message(tr("This image cannot be shown"), opened.fault)
        if self.playing.isChecked():
            self._turn.start(self._seconds * 1000)

    def _show_name(self) -> None:
        name = shorten(readable(self.paths[self.index].name), 60)
        self.words.setText(
            tr("{index:,} of {count:,}   {name}", index=self.index + 1, count=len(self.paths), name=name)
        )
        self.setWindowTitle(title_text(name))
        self._place()

    # --- keys and pointer ---

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in STEPS:
            self.step(STEPS[key])
        elif key == Qt.Key.Key_Home:
            self.show_picture(0)
        elif key == Qt.Key.Key_End:
            self.show_picture(len(self.paths) - 1)
        elif key == Qt.Key.Key_Space:
            self.playing.toggle()
        elif key == Qt.Key.Key_T:
            self.tile.toggle()
        elif key in (Qt.Key.Key_Escape, Qt.Key.Key_F11, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.close()
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrows turn the pages unless they pan what is larger than the screen; a double click closes."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            own = event.key() in STEPS and not self.canvas.can_pan
            if own or event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.keyPressEvent(event)
                return True
        if event.type() == QEvent.Type.MouseMove:
            self._wake()
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonDblClick:
            self.close()
            return True
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def closeEvent(self, event: QCloseEvent) -> None:
        self._turn.stop()
        self._rest.stop()
        super().closeEvent(event)

    def _wake(self) -> None:
        self._bar.show()
        self.canvas.unsetCursor()
        self._rest.start()

    def _sleep(self) -> None:
        if not self._bar.underMouse() and not self._bar.isAncestorOf(self.focusWidget() or self):
            self._bar.hide()
            self.canvas.setCursor(Qt.CursorShape.BlankCursor)

    # --- building ---

    def _connect(self) -> None:
        self.back.clicked.connect(lambda: self.step(-1))
        self.forward.clicked.connect(lambda: self.step(1))
        self.leave.clicked.connect(self.close)
        self.tile.toggled.connect(self.canvas.set_tiled)
        self.pause.clicked.connect(self._change_pause)
        self.playing.toggled.connect(self._on_playing)
        self._turn.timeout.connect(lambda: self.step(1))
        self._rest.timeout.connect(self._sleep)
        self.canvas.installEventFilter(self)
        self.canvas.setMouseTracking(True)
        self.canvas.setFocus()

    def _on_playing(self, playing: bool) -> None:
        self._turn.stop()
        if playing:
            self._show_ready()
            self._rest.start()

    def _change_pause(self) -> None:
        self._seconds = PAUSES[(PAUSES.index(self._seconds) + 1) % len(PAUSES)]
        self._show_pause()
        if self._turn.isActive():
            self._turn.start(self._seconds * 1000)

    def _show_pause(self) -> None:
        self.pause.setText(tr("{seconds} s", seconds=self._seconds))
        self.pause.setAccessibleName(tr("{seconds} seconds per image", seconds=self._seconds))

    def _make_bar(self) -> QFrame:
        bar = QFrame(self.canvas)
        bar.setObjectName("onGround")
        row = QHBoxLayout(bar)
        row.setContentsMargins(SPACE_XS, SPACE_XS, SPACE_XS, SPACE_XS)
        row.setSpacing(SPACE_XS)
        self.pause.setToolTip(tr("How long each image of a slideshow stays"))
        self.pause.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._show_pause()
        for part in (self.back, self.playing, self.forward, self.pause, self.tile, self.words, self.leave):
            row.addWidget(part)
        return bar

    def _lay_out(self) -> None:
        self.canvas.setAccessibleName(tr("Image"))
        self.canvas.setAccessibleDescription(HINT)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.canvas)

    def _place(self) -> None:
        self._bar.adjustSize()
        self._bar.move(
            (self.canvas.width() - self._bar.width()) // 2,
            self.canvas.height() - self._bar.height() - SPACE_L,
        )


def _open(path: Path) -> Generator[Opened, None, None]:
    """A job: the picture, or why it cannot be shown."""
    try:
        yield Opened(path, next(open_picture(path)))
    except UserError as error:
        yield Opened(path, None, str(error))
