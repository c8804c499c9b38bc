"""What lower layers have to say to the user: the window shows it as a notice, the command line on standard error."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Notice(NamedTuple):
    """A sentence, and the file it is about where there is one."""

    sentence: str
    path: Path | None = None


_lock = threading.Lock()
_said: set[str] = set()
_waiting: deque[Notice] = deque(maxlen=100)  # said before anybody listened
_listeners: list[Callable[[Notice], object]] = []


def say(sentence: str, path: Path | None = None) -> None:
    """Say a sentence, once in the life of this process. Callable from every thread; never raises."""
    notice = Notice(sentence, path)
    with _lock:
        if sentence in _said:
            return
        _said.add(sentence)
        listeners = list(_listeners)
        if not listeners:
            _waiting.append(notice)
    for show in listeners:
        with suppress(RuntimeError):  # of a window that is gone by now
            show(notice)


def listen(show: Callable[[Notice], object]) -> Callable[[], None]:
    """Have `show` called with every notice, first with those that were said before; returns what ends it.

    It is called in the thread of whoever says something.
    """
    with _lock:
        _listeners.append(show)
        waiting = list(_waiting)
        _waiting.clear()
    for notice in waiting:
        show(notice)

    def end() -> None:
        with _lock:
            if show in _listeners:
                _listeners.remove(show)

    return end


def forget() -> None:
    """Forget what was said: a test begins with nothing."""
    with _lock:
        _said.clear()
        _waiting.clear()
        _listeners.clear()
