"""Every test has its own folders, no display, no network, and must leave no thread, timer or window behind."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import weakref

import pytest

# Before torch or Qt is loaded. Small networks are fastest on one thread, and the same bits come out whatever else runs.
for name, value in {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "QT_QPA_PLATFORM": "offscreen"}.items():
    os.environ.setdefault(name, value)
os.environ.update(HF_HUB_OFFLINE="1", TQDM_MONITOR_INTERVAL="0")  # tqdm's monitor is a thread that never ends

GRACE = 3.0  # seconds a thread has to end after its test
MEMORY, ROOM = "/dev/shm", 4 << 30  # a disk in memory, and the bytes that have to be free there


def in_memory() -> bool:
    """Whether there is a disk in memory for the folders of the tests, which took a sixth of their time to sync and remove."""
    try:
        disk = os.statvfs(MEMORY)
    except (AttributeError, OSError):  # Windows; a Mac
        return False
    runs_programs = not disk.f_flag & os.ST_NOEXEC  # some tests start a launcher of their own
    return runs_programs and os.access(MEMORY, os.W_OK) and disk.f_bavail * disk.f_frsize >= ROOM


if in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


FROZEN = {"modules": 0}


def freeze_libraries():
    """Keep the garbage collector from looking through torch, diffusers and Qt again at each collection a test asks for."""
    if len(sys.modules) > FROZEN["modules"] + 100:
        gc.collect()
        gc.freeze()
        FROZEN["modules"] = len(sys.modules)


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Everything the app writes goes under the test's own folder."""
    from diffusion_studio.storage import notices

    freeze_libraries()
    notices.forget()
    home = tmp_path / "home"
    monkeypatch.setenv("DIFFUSION_STUDIO_HOME", str(home))
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    if "PySide6.QtCore" in sys.modules:
        from PySide6.QtCore import QSettings

        for kind in (QSettings.Format.NativeFormat, QSettings.Format.IniFormat):
            QSettings.setPath(kind, QSettings.Scope.UserScope, str(tmp_path / "qt"))
    return home


@pytest.fixture(autouse=True)
def own_starts_alone(monkeypatch):
    """A training of few images starts from nothing, or from a model of the test's own: the shipped ones are large."""
    from diffusion_studio.training import starting

    every = starting.broad_models
    monkeypatch.setattr(starting, "broad_models", lambda: [card for card in every() if not card.starter])


@pytest.fixture(autouse=True)
def nothing_left_behind(request, own_folders, monkeypatch):
    """Fails a test that leaves a thread running, a timer ticking or a window open."""
    with_qt = "PySide6.QtCore" in sys.modules or {"qapp", "qtbot"} & set(request.fixturenames)
    threads_before = set(threading.enumerate())
    started = _record_starts(monkeypatch) if with_qt else ()
    windows_before = _windows()
    yield
    left = _threads_left(threads_before)
    if "PySide6.QtWidgets" in sys.modules:
        left += _qt_left(started, windows_before)
    if left:
        pytest.fail(f"left behind: {', '.join(left)}")


def _threads_left(before):
    """Qt's threads, which Python knows only as dummies, are looked at by `_qt_left`."""
    end = time.monotonic() + GRACE
    while True:
        threads = [
            t for t in threading.enumerate() if t not in before and not isinstance(t, threading._DummyThread)
        ]
        if not threads or time.monotonic() > end:
            return [f"thread {thread.name}" for thread in threads]
        threads[0].join(0.05)


def _record_starts(monkeypatch):
    """The QThreads and QTimers that are started from now on; Qt keeps no list of them."""
    from PySide6.QtCore import QThread, QTimer

    started = weakref.WeakSet()

    def recording(start):
        def record(self, *arguments):
            started.add(self)
            return start(self, *arguments)

        return record

    for kind in (QThread, QTimer):
        monkeypatch.setattr(kind, "start", recording(kind.start))
    return started


def _windows():
    """The addresses of the windows there are: a reference would keep them."""
    if "PySide6.QtWidgets" not in sys.modules:
        return set()
    import shiboken6
    from PySide6.QtWidgets import QApplication

    return {shiboken6.getCppPointer(window)[0] for window in QApplication.topLevelWidgets()}


def _qt_left(started, windows_before):
    import shiboken6
    from PySide6.QtCore import QCoreApplication, QEvent, QThread
    from PySide6.QtWidgets import QApplication

    if QCoreApplication.instance() is None:
        return []
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    if _windows() - windows_before:
        gc.collect()  # a window in a reference cycle is gone as soon as Python cares to look
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = []
    for item in filter(shiboken6.isValid, list(started)):
        if isinstance(item, QThread):
            if not item.wait(int(GRACE * 1000)):
                left.append(f"QThread {item.objectName() or type(item).__name__}, still running")
        elif item.isActive():
            left.append(f"QTimer every {item.interval()} ms of {item.parent()!r}")
            item.stop()
    for window in QApplication.topLevelWidgets():
        fresh = shiboken6.getCppPointer(window)[0] not in windows_before
        if fresh and window.parent() is None and type(window).__name__ != "QTipLabel":
            left.append(f"window {window!r} (give it to qtbot.addWidget)")
            window.close()
            window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return left
