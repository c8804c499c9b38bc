"""Stars, tags and albums given to images, each change with its undo."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from diffusion_studio.errors import UserError
from diffusion_studio.gallery.entries import Entry
from diffusion_studio.gallery.marks import Marks
from diffusion_studio.language import plural, tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.undo import Change

FEW = 50  # images that are marked at once, sooner than a thread would begin


class Marking(QObject):
    marked = Signal(object)  # list of Path: their marks are others now

    def __init__(self, context: AppContext, marks: Marks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context, self._marks = context, marks

    def star(self, entries: Iterable[Entry], starred: bool) -> None:
        paths, marks = [entry.path for entry in entries if entry.star != starred], self._marks
        text = (
            plural("star of {count} image", "star of {count} images", len(paths))
            if starred
            else plural("unstar of {count} image", "unstar of {count} images", len(paths))
        )
        self._change(text, lambda: marks.star(paths, starred), lambda: marks.star(paths, not starred), paths)

    def tag(self, entries: Sequence[Entry], before: frozenset[str], names: frozenset[str]) -> None:
        """Give all of them the tags that were added to those `before` that they share, and remove what was removed."""
        marks = self._marks
        gone = {name: [e.path for e in entries if name in e.tags] for name in before - names}
        new = {name: [e.path for e in entries if name not in e.tags] for name in names - before}

        def put(*, back: bool) -> None:
            for name, paths in gone.items():
                marks.tag(paths, [name], remove=not back)
            for name, paths in new.items():
                marks.tag(paths, [name], remove=back)

        self._change(
            plural("tags of {count} image", "tags of {count} images", len(entries)),
            lambda: put(back=False),
            lambda: put(back=True),
            [entry.path for entry in entries] if gone or new else [],
        )

    def collect(self, entries: Iterable[Entry], album: str, *, remove: bool = False) -> None:
        """Put images into an album, or take them out of it."""
        marks = self._marks
        paths = [entry.path for entry in entries if (album in entry.albums) == remove]
        self._change(
            tr("change of album “{album}”", album=album),
            lambda: marks.collect(paths, album, remove=remove),
            lambda: marks.collect(paths, album, remove=not remove),
            paths,
            said=_moved_words(len(paths), album, remove),
        )

    def rename_album(self, entries: Iterable[Entry], album: str, name: str) -> None:
        """`entries`: at least all images of the album."""
        marks, paths = self._marks, [entry.path for entry in entries if album in entry.albums]
        self._change(
            tr("rename of album “{album}”", album=album),
            lambda: marks.rename_album(album, name),
            lambda: marks.rename_album(name, album),
            paths,
        )

    def delete_album(self, entries: Iterable[Entry], album: str) -> None:
        """Its images stay."""
        marks, paths = self._marks, [entry.path for entry in entries if album in entry.albums]
        self._change(
            tr("delete of album “{album}”", album=album),
            lambda: marks.collect(paths, album, remove=True),
            lambda: marks.collect(paths, album),
            paths,
            said=tr("Album “{album}” deleted; its images stay.", album=album),
        )

    def _change(
        self,
        text: str,
        do: Callable[[], None],
        undo: Callable[[], None],
        paths: Sequence[Path],
        *,
        said: str = "",
    ) -> None:
        """Mark these images, in a way that Undo takes back; `said`: where what was done cannot be seen on them."""
        if not paths:
            return
        undone = Change(text, lambda: self._try(undo, paths), lambda: self._try(do, paths))
        then = (lambda: self._context.done(said, undone)) if said else lambda: self._context.undo.push(undone)
        self._try(do, paths, then)

    def _try(
        self, do: Callable[[], None], paths: Sequence[Path], then: Callable[[], object] = lambda: None
    ) -> None:
        def done(_: object = None) -> None:
            self.marked.emit(paths)
            then()

        if len(paths) > FEW:
            self._context.run(_job(do), done)
            return
        try:
            do()
        except UserError as error:
            self._context.show_fault(str(error))
            self.marked.emit(paths)
        else:
            done()


def _moved_words(count: int, album: str, removed: bool) -> str:
    if removed:
        return plural(
            "{count} image removed from “{album}”",
            "{count} images removed from “{album}”",
            count,
            album=album,
        )
    return plural("{count} image added to “{album}”", "{count} images added to “{album}”", count, album=album)


def _job(do: Callable[[], None]) -> Generator[None, None, None]:
    do()
    yield
