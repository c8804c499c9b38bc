"""Faults nobody caught, from any thread, brought to the window instead of a terminal nobody reads."""

from __future__ import annotations

import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from PySide6.QtCore import QObject, Signal

from diffusion_studio.ui.base.worker import describe


class Faults(QObject):
    """While installed, every uncaught exception is told by `raised`, and still printed for those who have a terminal."""

    raised = Signal(str, str)  # sentence, details

    def install(self) -> None:
        self._before = sys.excepthook, threading.excepthook
        sys.excepthook, threading.excepthook = self.catch, self._catch_in_thread

    def remove(self) -> None:
        sys.excepthook, threading.excepthook = self._before

    def catch(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        self.raised.emit(*describe(error))

    def _catch_in_thread(self, args: Any) -> None:
        if args.exc_value is not None:
            self.catch(args.exc_type, args.exc_value, args.exc_traceback)
