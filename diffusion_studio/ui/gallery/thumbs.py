"""Thumbnails of the images on screen, made in a thread of their own; the latest are kept in memory and on disk."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QObject, Signal
from PySide6.QtGui import QImage, QPixmap

from diffusion_studio.errors import UserError
from diffusion_studio.storage.atomic import write_atomic
from diffusion_studio.storage.places import cache_dir
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.pictures.thumbnails import Thumbnail, read_thumbnail

SIDE = 256
KEPT = 3000  # pixmaps in memory
WORTH_A_FILE = 200_000  # bytes; smaller files are read as fast as a thumbnail of them would be


class GalleryThumbs(QObject):
    came = Signal(object)  # Path

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker = Worker("gallery thumbnails", self)
        self._pixmaps: OrderedDict[Path, QPixmap] = OrderedDict()
        self._asked: list[Path] = []
        self._job: int | None = None
        self.worker.reported.connect(self._on_event)

    def get(self, path: Path) -> QPixmap | None:
        pixmap = self._pixmaps.get(path)
        if pixmap is not None:
            self._pixmaps.move_to_end(path)
        return pixmap

    def want(self, paths: Iterable[Path]) -> None:
        """Make these, and cancel what was wanted before and is no longer on screen."""
        missing = [path for path in paths if path not in self._pixmaps]
        if missing == self._asked:
            return
        self._asked = missing
        if self._job is not None:
            self.worker.cancel(self._job)
        self._job = self.worker.submit(_load(missing)) if missing else None

    def forget(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._pixmaps.pop(path, None)

    def _on_event(self, job: int, event: Sequence[Thumbnail]) -> None:
        for thumbnail in event:
            self._pixmaps[thumbnail.path] = QPixmap.fromImage(thumbnail.image)
            self.came.emit(thumbnail.path)
        while len(self._pixmaps) > KEPT:
            self._pixmaps.popitem(last=False)


def _load(paths: list[Path]) -> Generator[list[Thumbnail], None, None]:
    """A job: a few at a time, so that the window is not woken for each."""
    batch: list[Thumbnail] = []
    for path in paths:
        batch.append(Thumbnail(path, thumbnail_of(path)))
        if len(batch) == 8:
            yield batch
            batch = []
    if batch:
        yield batch


def thumbnail_of(path: Path) -> QImage:
    """An image at most `SIDE` large; of large files a copy is kept in the cache folder, named by the file as it is now."""
    try:
        facts = path.stat()
    except OSError:
        return QImage()
    if facts.st_size < WORTH_A_FILE:
        return read_thumbnail(path, SIDE)
    name = hashlib.sha256(f"{path!r} {facts.st_mtime_ns} {facts.st_size}".encode()).hexdigest()[:32]
    kept = cache_dir() / "thumbnails" / f"{name}.png"
    image = read_thumbnail(kept, SIDE)
    if image.isNull():
        image = read_thumbnail(path, SIDE)
        if not image.isNull():
            buffer = QBuffer()
            buffer.open(QIODevice.OpenModeFlag.WriteOnly)
            image.save(buffer, "PNG")  # type: ignore[call-overload]  # its stub says bytes, which it refuses
            with suppress(UserError, OSError):  # a cache that cannot be written costs time, nothing else
                write_atomic(kept, bytes(buffer.data().data()))
    return image
