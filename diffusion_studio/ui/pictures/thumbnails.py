"""A list of images with thumbnails that are made off the window's thread, shared by the strip and the gallery."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import (
    QAbstractListModel,
    QBuffer,
    QIODevice,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
)
from PySide6.QtGui import QImage, QImageReader, QPixmap

from diffusion_studio.language import tr
from diffusion_studio.storage.foreign_file import read_foreign
from diffusion_studio.ui.look.texts import file_url, readable, shorten, tooltip

PATH = Qt.ItemDataRole.UserRole + 1
SIDE = 128  # pixels kept of each picture; enough for 64 on a screen of twice the density
LARGEST_FILE = 64 << 20
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Listed:
    """The images of a folder, newest first."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    path: Path
    image: QImage  # null where the file cannot be read


def load_thumbnails(paths: Iterable[Path]) -> Generator[Thumbnail, None, None]:
    """A job: one thumbnail after the other."""
    for path in paths:
        yield Thumbnail(path, read_thumbnail(path))


def read_thumbnail(path: Path, side: int = SIDE) -> QImage:
    """The image no larger than `side`, small pixel images as they are; a null image where it cannot be read."""
    with _reader(path) as reader:
        size = reader.size()
        if size.isValid() and max(size.width(), size.height()) > side:
            reader.setScaledSize(size.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio))
        return reader.read()


@contextmanager
def _reader(path: Path) -> Iterator[QImageReader]:
    """Reads what a file holds, whatever its name says. Qt itself opens no file whose name is not text."""
    buffer = QBuffer()
    with suppress(OSError):
        buffer.setData(read_foreign(path, LARGEST_FILE))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer)
    reader.setDecideFormatFromContent(True)
    reader.setAutoTransform(True)
    try:
        yield reader
    finally:
        # for TIFF, Qt still reads from the buffer when the reader goes, which may be after it
        reader.setDevice(None)  # type: ignore[arg-type]  # allowed by Qt, not by its stubs


class Thumbnails(QAbstractListModel):
    """Paths newest first, each with a thumbnail once it has come."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.paths: list[Path] = []
        self._pixmaps: dict[Path, QPixmap] = {}

    def missing(self) -> list[Path]:
        """The images whose thumbnails are still to be made."""
        return [path for path in self.paths if path not in self._pixmaps]

    def show_paths(self, paths: Iterable[Path]) -> None:
        """Show these; rows that stay keep their place in the view."""
        wanted = list(paths)
        if wanted == self.paths:
            return
        kept = set(wanted)
        for row in range(len(self.paths) - 1, -1, -1):
            if self.paths[row] not in kept:
                self.beginRemoveRows(QModelIndex(), row, row)
                self._pixmaps.pop(self.paths.pop(row), None)
                self.endRemoveRows()
        known = set(self.paths)
        if [path for path in wanted if path in known] != self.paths:
            self.beginResetModel()
            self.paths = wanted
            self.endResetModel()
            return
        for row, path in enumerate(wanted):
            if path not in known:
                self.beginInsertRows(QModelIndex(), row, row)
                self.paths.insert(row, path)
                self.endInsertRows()

    def add_first(self, path: Path, image: QImage) -> None:
        """An image that was just saved, with the pixels that are in memory already."""
        self._pixmaps[path] = QPixmap.fromImage(image)
        if path not in self.paths:
            self.beginInsertRows(QModelIndex(), 0, 0)
            self.paths.insert(0, path)
            self.endInsertRows()

    def keep(self, count: int) -> None:
        """Forget all but the first `count`."""
        if len(self.paths) > count:
            self.beginRemoveRows(QModelIndex(), count, len(self.paths) - 1)
            for path in self.paths[count:]:
                self._pixmaps.pop(path, None)
            del self.paths[count:]
            self.endRemoveRows()

    def show_thumbnail(self, thumbnail: Thumbnail) -> None:
        if thumbnail.path in self.paths:
            self._pixmaps[thumbnail.path] = QPixmap.fromImage(thumbnail.image)
            index = self.index(self.paths.index(thumbnail.path))
            self.dataChanged.emit(index, index)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.paths)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        path = self.paths[index.row()]
        if role == Qt.ItemDataRole.DecorationRole:
            return self._pixmaps.get(path)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return tr("Image {name}", name=readable(path.name))
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(shorten(readable(path)))
        return path if role == PATH else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsDragEnabled if index.isValid() else flags

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list"]

    def mimeData(self, indexes: Iterable[Index]) -> QMimeData:
        data = QMimeData()
        data.setUrls([file_url(self.paths[index.row()]) for index in indexes])
        return data

    def supportedDragActions(self) -> Qt.DropAction:
        return Qt.DropAction.CopyAction
