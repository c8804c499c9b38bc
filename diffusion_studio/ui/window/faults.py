"""Faults nobody caught, from any thread, and Qt's own messages: shown in the window and written to the log."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler

from diffusion_studio import __version__
from diffusion_studio.language import tr
from diffusion_studio.storage.log import begin_log, log_fault
from diffusion_studio.storage.places import log_dir
from diffusion_studio.ui.base.worker import describe

QT = logging.getLogger("diffusion_studio.qt")
LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


class Faults(QObject):
    """While installed, every uncaught exception is logged, shown by `raised`, and printed for those who have a terminal.

    Qt's messages are logged too, and are passed on to the handler before.
    """

    raised = Signal(str, str)  # sentence, details

    def install(self) -> None:
        begin_log(log_dir(), __version__)
        self._before = sys.excepthook, threading.excepthook
        sys.excepthook, threading.excepthook = self.catch, self._catch_in_thread
        self._qt_before: Callable[..., Any] | None = qInstallMessageHandler(self._on_qt_message)

    def remove(self) -> None:
        sys.excepthook, threading.excepthook = self._before
        qInstallMessageHandler(self._qt_before)

    def catch(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        log_fault(tr("Uncaught exception"), error)
        self.raised.emit(*describe(error))

    def _catch_in_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self.catch(args.exc_type, args.exc_value, args.exc_traceback)

    def _on_qt_message(self, kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        QT.log(LEVELS.get(kind, logging.WARNING), "%s", text)
        if self._qt_before is not None:
            self._qt_before(kind, context, text)
        elif kind != QtMsgType.QtDebugMsg and sys.stderr is not None:
            print(text, file=sys.stderr)  # as Qt does by itself
