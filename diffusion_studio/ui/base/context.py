"""What the pages of the window share: preferences, theme, the thread for small errands, and ways to tell the user."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from diffusion_studio.ui.base.preferences import Preferences
from diffusion_studio.ui.base.preferences_file import Memory
from diffusion_studio.ui.base.undo import Change, UndoStack
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.look.theme import Theme


class AppContext(QObject):
    fault = Signal(str, str, str, object)  # sentence, details, name of an action, what it does
    notice = Signal(str, str, object, bool)  # sentence, name of an action, what it does, whether it stays
    notice_over = Signal(str)  # sentence of a notice that is no longer true
    told = Signal(str)  # a line for the status bar
    saved = Signal(object)  # Path of a picture
    # names and values of GenerationSettings to draw with; none: only go there
    settings_wanted = Signal(object)
    branch_wanted = Signal(object)  # the same, of a saved image to branch from
    model_chosen = Signal(str)  # name of a model to generate with, from a clean state
    start_wanted = Signal(object)  # Path of a picture to start from, or its pixels
    model_wanted = Signal(str)  # name of a model to be shown on the Models page
    device_known = Signal(str)  # device, precision and threads in words
    preferences_changed = Signal()
    trash_wanted = Signal()  # the trash is to be shown
    restored = Signal()  # something was brought back from the trash
    outputs_moved = Signal()  # finished pictures are kept in another folder from now on
    models_changed = Signal()  # a model was added, changed or removed

    def __init__(self, theme: Theme, memory: Memory, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.theme, self.memory = theme, memory
        self.preferences: Preferences = memory.recall("window", Preferences)
        self.undo = UndoStack(self)
        self._noticed: tuple[Change, str] | None = None  # the change that was said last
        self.undo.undone.connect(self._end_notice)
        self.errands = Worker("errands", self)
        self._then: dict[int, Callable[[Any], None]] = {}
        self.errands.reported.connect(self._report)
        self.errands.job_ended.connect(lambda job: self._then.pop(job, None))
        self.errands.job_failed.connect(lambda job, sentence, details: self.tell_fault(sentence, details))
        theme.choose(self.preferences.theme)
        theme.dress()

    def tell_fault(
        self, sentence: str, details: str = "", *, action: str = "", do: Callable[[], None] | None = None
    ) -> None:
        self.fault.emit(sentence, details, action, do)

    def tell_notice(
        self, sentence: str, *, action: str, do: Callable[[], None], lasting: bool = False
    ) -> None:
        """An offer at the top of the window, which is no fault. It expires, unless it is `lasting`: then on every page."""
        self.notice.emit(sentence, action, do, lasting)

    def done(self, sentence: str, change: Change) -> None:
        """Something was done that can be undone: say so, with Undo beside it."""
        self.undo.push(change)
        self._noticed = change, sentence
        self.tell_notice(sentence, action="Undo", do=lambda: self.undo.take_back(change))

    def _end_notice(self, change: Change) -> None:
        if self._noticed is not None and self._noticed[0] is change:
            self.notice_over.emit(self._noticed[1])

    def change_preferences(self, **values: Any) -> None:
        self.preferences = replace(self.preferences, **values)
        self.memory.keep("window", self.preferences)
        self.theme.choose(self.preferences.theme)
        self.preferences_changed.emit()
        self.save_memory()

    def save_memory(self, then: Callable[[], None] | None = None) -> None:
        """Write the preferences, off the window's thread; `then` is called once they are written."""
        self.run(_save(self.memory), lambda _: then() if then is not None else None)

    def run(self, job: Generator[Any, None, None], then: Callable[[Any], None]) -> int:
        """Do an errand off the window's thread; `then` gets each of its events."""
        number = self.errands.submit(job)
        self._then[number] = then
        return number

    def _report(self, job: int, event: Any) -> None:
        then = self._then.get(job)
        if then is not None:
            then(event)


def _save(memory: Memory) -> Generator[None, None, None]:
    memory.save()
    yield
