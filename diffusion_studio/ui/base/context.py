"""What the pages of the window share: preferences, theme, undo, background work, and ways to inform the user."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from diffusion_studio.machine.preferred import prefer
from diffusion_studio.ui.base.background import Background, Event
from diffusion_studio.ui.base.commands import Commands
from diffusion_studio.ui.base.preferences import Preferences
from diffusion_studio.ui.base.requests import PageName, Request
from diffusion_studio.ui.base.settings_file import SettingsFile
from diffusion_studio.ui.base.undo import Change, UndoStack
from diffusion_studio.ui.look.motion import reduce_motion
from diffusion_studio.ui.look.theme import Theme


class AppContext(QObject):
    """Pages take it, call it, and listen to it; what the window does with a signal is the window's own affair."""

    fault = Signal(str, str, str, object)  # sentence, details, name of an action, what it does
    notice = Signal(str, str, object, bool)  # sentence, name of an action, what it does, whether it stays
    notice_withdrawn = Signal(str)  # sentence of a notice that is no longer true
    status = Signal(str)  # a line for the status bar
    page_wanted = Signal(str, object)  # PageName; the Request for it, or None to show it only
    saved = Signal(object)  # Path of an image
    device_known = Signal(str)  # device, precision and threads in words
    preferences_changed = Signal()
    trash_wanted = Signal()  # the trash is to be shown
    restored = Signal()  # something was brought back from the trash
    outputs_moved = Signal()  # finished images are saved in another folder from now on
    models_changed = Signal()  # a model was added, changed or removed

    def __init__(self, theme: Theme, settings_file: SettingsFile, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.theme, self.settings_file = theme, settings_file
        self.preferences: Preferences = settings_file.load("window", Preferences)
        self.undo = UndoStack(self)
        self._noticed: tuple[Change, str] | None = None  # the change that was reported last
        self.undo.undone.connect(self._withdraw_notice)
        self.background = Background(self)
        self.background.job_failed.connect(lambda job, sentence, details: self.show_fault(sentence, details))
        self.commands = Commands(settings_file, self)
        self._apply_preferences()
        theme.dress()

    def go_to(self, page: PageName, request: Request | None = None) -> None:
        """Show a page, and hand it a request where there is one."""
        self.page_wanted.emit(page, request)

    def show_fault(
        self, sentence: str, details: str = "", *, action: str = "", do: Callable[[], None] | None = None
    ) -> None:
        """Say what went wrong, on the page that is shown; `action` names a button that calls `do`."""
        self.fault.emit(sentence, details, action, do)

    def show_notice(
        self, sentence: str, *, action: str, do: Callable[[], None], lasting: bool = False
    ) -> None:
        """An offer over the content. It expires, unless it is `lasting`: then it stays, on every page."""
        self.notice.emit(sentence, action, do, lasting)

    def show_status(self, sentence: str) -> None:
        """A line in the status bar; it expires."""
        self.status.emit(sentence)

    def done(self, sentence: str, change: Change) -> None:
        """Something was done that can be undone: say so, with Undo beside it."""
        self.undo.push(change)
        self._noticed = change, sentence
        self.show_notice(sentence, action="Undo", do=lambda: self.undo.take_back(change))

    def _withdraw_notice(self, change: Change) -> None:
        if self._noticed is not None and self._noticed[0] is change:
            self.notice_withdrawn.emit(self._noticed[1])

    def change_preferences(self, **values: Any) -> None:
        self.preferences = replace(self.preferences, **values)
        self.settings_file.store("window", self.preferences)
        self._apply_preferences()
        self.preferences_changed.emit()
        self.save_settings()

    def _apply_preferences(self) -> None:
        self.theme.choose(self.preferences.theme)
        reduce_motion(self.preferences.reduced_motion)
        prefer(self.preferences.device, self.preferences.precision)

    def save_settings(self, then: Callable[[], None] | None = None) -> None:
        """Write settings.json, off the window's thread; `then` is called once it is written."""
        self.run(_save(self.settings_file), lambda _: then() if then is not None else None)

    def run(self, job: Iterator[Event], then: Callable[[Event], None], *, title: str = "") -> int:
        """Run a job off the window's thread (see `Background.run`); a failure is shown as a fault."""
        return self.background.run(job, then, title=title)


def _save(settings_file: SettingsFile) -> Generator[None, None, None]:
    settings_file.save()
    yield
