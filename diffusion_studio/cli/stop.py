"""What Ctrl-C, SIGTERM and a closed terminal do to a running command."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Interrupted(KeyboardInterrupt):
    """Not KeyboardInterrupt itself: where that passes through an `exec`, of which imports are full, Python remembers it and
    at the end kills itself by SIGINT, instead of exiting with the status it was given."""


class Stop:
    """While entered, a signal ends the work at once, by `Interrupted`; once `gently`, it only sets `asked`.

    The loop over a job looks at `asked` after every event, so that a training step or a save is never interrupted halfway.
    Signals the process was started to ignore, as nohup does, stay ignored.
    """

    def __init__(self) -> None:
        self.asked = False
        self.gently = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for name in SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if not self.gently:
            raise Interrupted
