"""Stars on the image of the canvas, kept with those of the gallery."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.pictures.canvas import Canvas


class StarCommand(QObject):
    """Enabled for an image that is saved; checked where it has a star."""

    def __init__(self, context: AppContext, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._context, self._canvas = context, canvas
        self._path: Path | None = None
        self.action: QAction = make_action(
            canvas,
            tr("Star"),
            "S",
            tip=tr("Mark the image as a favorite, or remove the mark"),
            checkable=True,
        )
        self.action.triggered.connect(self._star)
        self.action.setEnabled(False)
        canvas.view_changed.connect(self._follow)

    def _follow(self) -> None:
        """Another image may be shown: read whether it has a star."""
        pictures = self._canvas.pictures
        subject = self._canvas.chosen or (pictures[0] if len(pictures) == 1 else None)
        path = subject.path if subject is not None else None
        if path == self._path:
            return
        self._path = path
        self.action.setEnabled(path is not None)
        self.action.setChecked(False)
        if path is not None:
            self._context.run(read_star(path), lambda starred: self._show(path, starred))

    def _show(self, path: Path, starred: bool) -> None:
        if path == self._path:
            self.action.setChecked(starred)

    def _star(self, starred: bool) -> None:
        path = self._path
        if path is None:
            return
        self._write(path, starred)
        self._context.undo.push(
            Change(
                tr("star of 1 image") if starred else tr("unstar of 1 image"),
                lambda: self._write(path, not starred),
                lambda: self._write(path, starred),
            )
        )

    def _write(self, path: Path, starred: bool) -> None:
        self._context.run(write_star(path, starred), lambda _: self._show(path, starred))


def read_star(path: Path) -> Generator[bool, None, None]:
    """A job: whether an image has a star."""
    from diffusion_studio.gallery.entries import key_of
    from diffusion_studio.gallery.marks import Marks

    yield bool(Marks().known.get(key_of(path), {}).get("star"))


def write_star(path: Path, starred: bool) -> Generator[bool, None, None]:
    """A job: give an image a star, or take it away."""
    from diffusion_studio.gallery.marks import Marks

    Marks().star([path], starred)
    yield starred
