"""Starts the window. Nothing heavier than Qt's widgets is imported before it is on screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QCoreApplication, QEvent, Qt, QTimer
from PySide6.QtWidgets import QApplication

from diffusion_studio import __version__
from diffusion_studio.machine import garbage
from diffusion_studio.machine.preferred import limit_threads
from diffusion_studio.ui.base.settings_file import SettingsFile
from diffusion_studio.ui.look.theme import SCALES, Theme
from diffusion_studio.ui.window.window import MainWindow

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
TURN = 0.002  # seconds a thread may keep Python to itself. Painting lets go of it and takes it again some twenty times;
# with Python's own 5 ms and two threads reading files that took 250 ms, with 1 ms 44, at a cost of 1% of a generation (measured).
SETTLED = 10_000  # milliseconds after which what stays is there: modules, torch, the window. Looking through all of it
# for garbage each time a folder of 20,000 pictures is listed held everything up for 150 ms (measured).


def main() -> int:
    """Open the window and stay until it is closed; 0 is a good end."""
    application, window = build(sys.argv)
    application.setQuitOnLastWindowClosed(False)  # it may be hidden before its threads have come to rest
    window.closed.connect(application.quit, Qt.ConnectionType.QueuedConnection)
    window.show()
    QTimer.singleShot(SETTLED, garbage.set_aside)
    kept: list[Any] = []  # lives as long as the event loop
    QTimer.singleShot(0, lambda: kept.extend((catch_faults(window), close_on_signals(window))))
    try:
        return application.exec()
    finally:
        if kept:
            kept[0].remove()
        take_apart(window)


def take_apart(window: MainWindow) -> None:
    """Delete the window while Qt is whole. Left to the end of the interpreter, which deletes in any order, the process crashed in
    five of six ends after an image had been generated.
    """
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def build(arguments: Sequence[str]) -> tuple[QApplication, MainWindow]:
    """The application and its window, not shown yet."""
    sys.setswitchinterval(TURN)
    settings_file = SettingsFile()
    prepare(settings_file)
    application = QApplication(list(arguments))
    application.setApplicationName("diffusion-studio")
    application.setApplicationDisplayName("Diffusion Studio")
    application.setApplicationVersion(__version__)
    application.setDesktopFileName("diffusion-studio")
    theme = Theme(application)
    theme.choose(str(settings_file.section("window").get("theme", "system")))
    return application, MainWindow(theme, settings_file)


def prepare(settings_file: SettingsFile) -> None:
    """What has to be known before Qt and torch are there: the size of the interface, and the threads of the CPU."""
    kept = settings_file.section("window")
    scale = str(kept.get("scale", "100"))
    if scale in SCALES and scale != "100" and "QT_SCALE_FACTOR" not in os.environ:
        os.environ["QT_SCALE_FACTOR"] = str(int(scale) / 100)
    threads = kept.get("threads", 0)
    if isinstance(threads, int) and 0 < threads <= (os.cpu_count() or 1):
        limit_threads(threads)


def catch_faults(window: MainWindow) -> object:
    """Bring exceptions that nobody caught to the window's banner."""
    from diffusion_studio.ui.window.faults import Faults

    faults = Faults(window)
    faults.raised.connect(window.show_fault)
    faults.install()
    return faults


def close_on_signals(window: MainWindow) -> object:
    """Ctrl+C, a polite kill and the end of the terminal or session close the window as its cross does: nothing is lost.

    A hang-up the process was started to ignore, as nohup does, stays ignored.
    """
    import signal
    import socket
    import threading

    from diffusion_studio.ui.window.leaving import follow_signals

    here, there = socket.socketpair()
    there.setblocking(False)
    signal.set_wakeup_fd(there.fileno())
    for name in SIGNALS:
        number = getattr(signal, name, None)
        ignored = name == "SIGHUP" and number and signal.getsignal(number) is signal.SIG_IGN
        if number is not None and not ignored:
            signal.signal(number, lambda *_: None)  # the byte in the socket is what counts
    window.close_wanted.connect(window.close, Qt.ConnectionType.QueuedConnection)
    reader = threading.Thread(
        target=follow_signals, args=(here, window.close_wanted.emit), name="signals", daemon=True
    )
    reader.start()
    return reader, here, there
