"""The strip of the latest images, newest first: what is in the outputs folder, whoever wrote it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import (
    QEvent,
    QFileSystemWatcher,
    QModelIndex,
    QObject,
    QPoint,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QCursor, QHelpEvent, QImage, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import plural, tr
from diffusion_studio.storage.places import outputs_dir
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.generate.generations import setting_words
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import class_title, readable, tooltip
from diffusion_studio.ui.look.theme import (
    SCROLL_WIDTH,
    SPACE_M,
    SPACE_S,
    SPACE_XS,
    STRIP_WIDTH,
)
from diffusion_studio.ui.pictures.thumbnail_view import CELL, ThumbnailDelegate, thumbnail_view
from diffusion_studio.ui.pictures.thumbnails import PATH, Listed, Thumbnail, Thumbnails, load_thumbnails

WIDTHS = (150, 250)  # pixels of the view from which there are two and three columns
LIMIT = 200
SETTLE = 250  # milliseconds the folder must be quiet before it is listed again


class RecentStrip(QFrame):
    picture_chosen = Signal(object)  # Path
    menu_wanted = Signal(object, object)  # Path, global position

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strip")
        self.model = Thumbnails(self)
        self.worker = Worker("thumbnails", self)
        self._job: int | None = None
        self._watcher = QFileSystemWatcher(self)
        self._settle = QTimer(self, singleShot=True, interval=SETTLE)
        self._heading = plain_label(tr("Recent"), "small")
        self._empty = plain_label(tr("Your images will appear here."), "small")
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.view = thumbnail_view(self, tr("Recent"), "")
        self.view.setAccessibleDescription(
            tr("The latest images, newest first. Hover to see how one was made.")
        )
        self.delegate = ThumbnailDelegate(self.view)
        self.view.setItemDelegate(self.delegate)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.setDragEnabled(True)
        self.view.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.view.setModel(self.model)
        self._heading.setBuddy(self.view)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_S, SPACE_M, 0, 0)
        column.setSpacing(SPACE_S)
        for part, stretch in ((self._heading, 0), (self._empty, 0), (self.view, 1)):
            column.addWidget(part, stretch)
        self._heading.setContentsMargins(SPACE_XS, 0, 0, 0)
        self._facts: dict[Path, str] = {}  # of images that were hovered over
        self._hovered: Path | None = None
        self.view.viewport().installEventFilter(self)
        self._connect()

    def sizeHint(self) -> QSize:
        return QSize(STRIP_WIDTH, 400)

    @property
    def columns(self) -> int:
        """1 to 3, by the width."""
        return 1 + sum(self.view.width() >= width for width in WIDTHS)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fill the width with one to three columns."""
        super().resizeEvent(event)
        cell = max((self.view.width() - SCROLL_WIDTH - 2) // self.columns, CELL // 2)
        self.view.setGridSize(QSize(cell, cell))
        self.delegate.side = cell - SPACE_S

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Hovering over an image shows how it was made."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            index = self.view.indexAt(event.pos())
            self._hovered = index.data(PATH) if index.isValid() else None
            if self._hovered in self._facts:
                QToolTip.showText(event.globalPos(), self._facts[self._hovered], self.view)
            elif self._hovered is not None:
                self.worker.submit(read_facts(self._hovered))
            return True
        return False

    def refresh(self) -> None:
        """List the outputs folder again and make the thumbnails that are missing, off the window's thread."""
        if self._job is not None:
            self.worker.cancel(self._job)
        self._job = self.worker.submit(_list(LIMIT, first=not self._watcher.directories()))

    def add(self, path: Path, image: QImage) -> None:
        """An image that was saved just now."""
        self.model.add_first(path, image)
        self.model.keep(LIMIT)
        self._watch([path])
        self._show_empty()

    def close_down(self) -> None:
        self._watcher.blockSignals(True)
        self._settle.stop()
        watched = [*self._watcher.directories(), *self._watcher.files()]
        if watched:
            self._watcher.removePaths(watched)

    def _connect(self) -> None:
        self.worker.reported.connect(self._on_event)
        self._watcher.directoryChanged.connect(lambda _: self._settle.start())
        self._settle.timeout.connect(self.refresh)
        self.view.clicked.connect(self._choose)
        self.view.activated.connect(self._choose)
        self.view.customContextMenuRequested.connect(self._want_menu)

    def _on_event(self, job: int, event: object) -> None:
        if isinstance(event, Thumbnail):
            self.model.show_thumbnail(event)
        elif isinstance(event, Facts):
            self._facts[event.path] = event.words
            if event.path == self._hovered and self.view.underMouse():
                QToolTip.showText(QCursor.pos(), event.words, self.view)
        elif isinstance(event, Listed) and job == self._job:
            self.model.show_paths(event.paths)
            self._watch(list(event.paths))
            self._show_empty()
            self._job = self.worker.submit(load_thumbnails(self.model.missing()))

    def _watch(self, paths: list[Path]) -> None:
        """Watch the outputs folder and the folders of days the newest pictures lie in."""
        folders = {outputs_dir(), *(path.parent for path in paths[:20])}
        new = {str(folder) for folder in folders if folder.is_dir()} - set(self._watcher.directories())
        if new:
            self._watcher.addPaths(sorted(new))

    def _show_empty(self) -> None:
        self._empty.setVisible(not self.model.paths)

    def _choose(self, index: QModelIndex) -> None:
        self.picture_chosen.emit(index.data(PATH))

    def _want_menu(self, position: QPoint) -> None:
        index = self.view.indexAt(position)
        if index.isValid():
            self.menu_wanted.emit(index.data(PATH), self.view.viewport().mapToGlobal(position))


class Facts(NamedTuple):
    """How an image was made, a line each."""

    path: Path
    words: str


def read_facts(path: Path) -> Generator[Facts, None, None]:
    """A job: the name of a file, and the settings it was generated with."""
    from diffusion_studio.errors import UserError
    from diffusion_studio.pictures.reading import read

    lines = [readable(path.name)]
    try:
        record = read(path)
        settings = record.settings
    except UserError as error:
        yield Facts(path, tooltip("\n".join([*lines, str(error)])))
        return
    if settings is None:
        lines.append(tr("No generation settings found."))
    else:
        title = record.facts.get("model_title") or settings.model
        lines.append(tr("{model} · seed {seed}", model=title, seed=settings.seed))
        steps = plural("{count} step", "{count} steps", settings.steps)
        lines.append(f"{setting_words('sampler', settings.sampler)} · {steps}")
        if settings.prompt:
            lines.append(setting_words("prompt", settings.prompt))
        if settings.class_label:
            lines.append(tr("Class: {name}", name=class_title(settings.class_label)))
    yield Facts(path, tooltip("\n".join(lines)))


def _list(limit: int, *, first: bool) -> Generator[Listed, None, None]:
    from contextlib import suppress

    from diffusion_studio.pictures.listing import newest, sweep

    with suppress(OSError):
        outputs_dir().mkdir(parents=True, exist_ok=True)  # so that it can be watched
    if first:
        sweep()
    yield Listed(tuple(newest(limit=limit)))
