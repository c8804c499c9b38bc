"""The images behind the gallery: listed, watched, searched and sorted off the window's thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.gallery.marks import Marks
from diffusion_studio.gallery.relatives import Relatives
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.gallery.listing import Arranged, Facets, Listing, arrange, list_images

SETTLE = 400  # milliseconds of quiet before the folder is listed again
FEW = 2000  # images that are searched and sorted at once, sooner than a thread would begin


class Collection(QObject):
    """`entries` holds all images, newest first; what `show` asks of them is emitted as `arranged`."""

    arranged = Signal(object)  # Arranged
    repainted = Signal(object)  # tuple of Path: files whose pixels are others now
    facets_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.marks = Marks()
        self.entries: Mapping[Path, Entry] = {}  # replaced as a whole, for threads read it
        self.facets = Facets()
        self.read = 0  # images whose files have been read
        self.lister = Worker("gallery", self)
        self.arranger = Worker("gallery search", self)
        self._relatives = Relatives()
        self._search, self._sort = "", "newest"
        self._job: int | None = None
        self._arranging: int | None = None
        self._unwatched = False  # a folder came that nobody watched while it was listed
        self._watcher = QFileSystemWatcher(self)
        self._settle = QTimer(self, singleShot=True, interval=SETTLE)
        self._watcher.directoryChanged.connect(lambda _: self.refresh_soon())
        self._settle.timeout.connect(self.refresh)
        self.lister.reported.connect(self._on_listing)
        self.lister.job_ended.connect(self._on_listed)
        self.arranger.reported.connect(self._on_arranged)

    @property
    def listed(self) -> bool:
        """Whether the folder was looked into at all."""
        return self._job is not None

    def show(self, search: str, sort: str) -> None:
        """Search and sort by these from now on."""
        self._search, self._sort = search, sort
        self.arrange()

    def refresh(self) -> None:
        """List the folder again, and read what is new in it."""
        if self._job is not None:
            self.lister.cancel(self._job)
        self._job = self.lister.submit(list_images(self.entries))

    def refresh_soon(self) -> None:
        """Once the folder has been quiet for a moment."""
        self._settle.start()

    def start_over(self) -> None:
        """Images are kept elsewhere now."""
        self.entries = {}
        self.refresh()

    def forget(self, paths: Sequence[Path]) -> None:
        """Images that are gone."""
        gone = set(paths)
        self.entries = {path: entry for path, entry in self.entries.items() if path not in gone}
        self.arrange()

    def mark(self, paths: Sequence[Path]) -> None:
        """Show the stars, tags and albums of these as they are now."""
        known = [self.entries[path] for path in paths if path in self.entries]
        changed = {entry.path: entry for entry in self.marks.mark(known)}
        self.entries = {**self.entries, **changed}
        self.arrange()
        self.facets_changed.emit()

    def relatives(self, entry: Entry) -> list[tuple[str, Entry]]:
        return self._relatives.of(entry, self.entries)

    def arrange(self) -> None:
        """Search and sort what there is."""
        if self._arranging is not None:
            self.arranger.cancel(self._arranging)
            self._arranging = None
        job = arrange(self.entries, self._search, self._sort)
        if len(self.entries) <= FEW:
            self.arranged.emit(next(job))
        else:
            self._arranging = self.arranger.submit(job)

    def close_down(self) -> None:
        self._watcher.blockSignals(True)
        self._settle.stop()
        watched = [*self._watcher.directories(), *self._watcher.files()]
        if watched:
            self._watcher.removePaths(watched)

    def _on_listing(self, job: int, listing: Listing) -> None:
        if job != self._job:
            return
        self.entries, self.read = listing.entries, listing.read
        self._relatives = listing.relatives or self._relatives
        self._watch(listing.folders)
        if listing.changed:
            self.repainted.emit(listing.changed)
        self.arrange()
        if listing.facets is not None and listing.marks is not None:
            self.facets, self.marks.known = listing.facets, listing.marks.known
            self.facets_changed.emit()

    def _on_listed(self, job: int) -> None:
        """What was saved between the listing of a folder and the moment it was watched is found now."""
        if job == self._job and self._unwatched:
            self._unwatched = False
            self._settle.start()

    def _on_arranged(self, job: int, arranged: Arranged) -> None:
        if job == self._arranging:
            self._arranging = None
            self.arranged.emit(arranged)

    def _watch(self, folders: Sequence[Path]) -> None:
        new = {str(folder) for folder in folders} - set(self._watcher.directories())
        if new:
            refused = self._watcher.addPaths(sorted(new))
            self._unwatched |= len(refused) < len(new)
