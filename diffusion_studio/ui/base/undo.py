"""Undo for the whole window: one stack of everything done to the user's files and settings, and the tool in hand before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from PySide6.QtCore import QObject, Signal

LIMIT = 100  # changes that can be undone


@dataclass(eq=False, slots=True)
class Change:
    """Something that has been done. `text` is what it is called after “Undo”, as in “delete of 3 images”."""

    text: str
    undo: Callable[[], None]
    redo: Callable[[], None] | None = None  # None: it is not done a second time


class Undoable(Protocol):
    """A tool with a history of its own, such as a brush; "" where there is nothing to undo or redo."""

    @property
    def undo_text(self) -> str: ...

    @property
    def redo_text(self) -> str: ...

    def undo(self) -> None: ...

    def redo(self) -> None: ...


class UndoStack(QObject):
    """`changed` says that what Undo and Redo would do is another thing now."""

    changed = Signal()
    undone = Signal(object)  # Change

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._tool: Undoable | None = None

    def push(self, change: Change) -> Change:
        """Remember what was just done; what had been undone before can no longer be redone."""
        self._done = [*self._done[-LIMIT + 1 :], change]
        self._undone = []
        self.changed.emit()
        return change

    def take_back(self, change: Change) -> None:
        """Undo this one, whatever was done since; one that was undone already is left alone."""
        if change in self._done:
            self._done.remove(change)
            self._undo(change)

    def take_in_hand(self, tool: Undoable | None) -> None:
        """Undo and Redo are about this tool while it is in use; None: it was put away."""
        if tool is not self._tool:
            self._tool = tool
            self.changed.emit()

    @property
    def undo_text(self) -> str:
        """What Undo would undo; "" for nothing."""
        if self._tool is not None:
            return self._tool.undo_text
        return self._done[-1].text if self._done else ""

    @property
    def redo_text(self) -> str:
        if self._tool is not None:
            return self._tool.redo_text
        return self._undone[-1].text if self._undone else ""

    def undo(self) -> None:
        if self._tool is not None:
            self._tool.undo()
            self.changed.emit()
        elif self._done:
            self._undo(self._done.pop())

    def redo(self) -> None:
        if self._tool is not None:
            self._tool.redo()
            self.changed.emit()
        elif self._undone:
            change = self._undone.pop()
            self._done.append(change)
            assert change.redo is not None
            change.redo()
            self.changed.emit()

    def _undo(self, change: Change) -> None:
        if change.redo is not None:
            self._undone.append(change)
        else:
            self._undone = []  # what follows it builds on what is gone now
        change.undo()
        self.undone.emit(change)
        self.changed.emit()
