"""Files moved to the trash and back, off the window's thread, and the change that lets Undo and Redo do both."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.places import restore, trash
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.texts import readable


@dataclass(frozen=True, slots=True)
class Moved:
    """`pairs`: where each file was, and where it is in the trash. `fault`: why the others stayed, in a sentence."""

    pairs: tuple[tuple[Path, Path], ...]
    fault: str = ""


def to_trash(paths: Sequence[Path]) -> Generator[Moved, None, None]:
    """A job: move files to the trash; the first that cannot be moved ends it, and what was moved until then is reported."""
    pairs: list[tuple[Path, Path]] = []
    for path in paths:
        try:
            pairs.append((path, trash(path)))
        except (OSError, UserError) as error:
            yield Moved(
                tuple(pairs), tr("{path} cannot be deleted: {error}", path=readable(path), error=error)
            )
            return
    yield Moved(tuple(pairs))


def from_trash(pairs: Sequence[tuple[Path, Path]]) -> Generator[Moved, None, None]:
    """A job: bring files back to where they were; `pairs` of the answer are those that are still in the trash."""
    left, faults = [], []
    for original, trashed in pairs:
        try:
            restore(trashed, original)
        except (OSError, UserError) as error:
            left.append((original, trashed))
            faults.append(str(error))
    yield Moved(tuple(left), faults[0] if faults else "")


class Places:
    """Files that Undo and Redo move between their places and the trash. Its jobs know where they are when they run."""

    def __init__(
        self,
        context: AppContext,
        originals: Sequence[Path],
        pairs: Sequence[tuple[Path, Path]] = (),
        then: Callable[[], None] = lambda: None,
    ) -> None:
        self._context, self._originals, self._then = context, tuple(originals), then
        self._trashed = dict(pairs)

    def remove(self) -> None:
        self._context.run(self._removing(), self._report)

    def bring_back(self) -> None:
        self._context.run(self._bringing_back(), self._report)

    def _removing(self) -> Generator[Moved, None, None]:
        for moved in to_trash(self._originals):
            self._trashed.update(moved.pairs)
            yield moved

    def _bringing_back(self) -> Generator[Moved, None, None]:
        for moved in from_trash(tuple(self._trashed.items())):
            self._trashed = dict(moved.pairs)
            yield moved

    def _report(self, moved: Moved) -> None:
        if moved.fault:
            self._context.show_fault(moved.fault)
        self._then()


def removal(
    context: AppContext,
    text: str,
    pairs: Sequence[tuple[Path, Path]],
    then: Callable[[], None] = lambda: None,
) -> Change:
    """The change that files were moved to the trash; `then` is called whenever they have moved again."""
    places = Places(context, [original for original, _ in pairs], pairs, then)
    return Change(text, places.bring_back, places.remove)


def addition(context: AppContext, text: str, paths: Sequence[Path]) -> Change:
    """The change that files came to be: Undo moves them to the trash, Redo brings them back."""
    places = Places(context, paths)
    return Change(text, places.remove, places.bring_back)
