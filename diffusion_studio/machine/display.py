"""Whether there is a screen for a window, and the system libraries that Qt needs to draw on it.

Asked at every start before Qt, which aborts where something is missing; so it loads little itself.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterable

# The system libraries that PySide6's wheels load but do not bring, and the Debian packages that hold them.
DRAWING = {  # even to import QtGui
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libzstd.so.1": "libzstd1",
}
X11 = {  # a window on X11
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
WAYLAND = {"libwayland-client.so.0": "libwayland-client0", "libwayland-cursor.so.0": "libwayland-cursor0"}


def has_display() -> bool:
    """Whether there is a screen to open a window on."""
    if sys.platform in ("win32", "darwin") or os.environ.get("WAYLAND_DISPLAY"):
        return True
    if os.environ.get("QT_QPA_PLATFORM", "").split(":")[0] in ("vnc", "eglfs", "linuxfb", "vkkhrdisplay"):
        return True  # asked for by name, and needs no display server
    return bool(os.environ.get("DISPLAY")) and _answers()


def missing_libraries(kind: str) -> list[str]:
    """The system libraries that cannot be loaded, of those needed to draw "offscreen", or as well for a window on the
    "screen" there is, or for one on an X11 screen that may come to be ("headless")."""
    if sys.platform != "linux":
        return []
    more = {"offscreen": list, "headless": lambda: _absent(X11), "screen": missing_for_window}
    return _absent(DRAWING) + more[kind]()


def missing_for_window() -> list[str]:
    """Of these Qt says nothing that Python could catch: it aborts."""
    platform = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0]
    if sys.platform != "linux" or platform not in ("", "xcb"):
        return []
    if os.environ.get("WAYLAND_DISPLAY") and not platform and not _absent(WAYLAND):
        return []  # a window can be had without X11
    return _absent(X11)


def _absent(libraries: Iterable[str]) -> list[str]:
    absent = []
    for name in libraries:
        try:
            ctypes.CDLL(name)
        except OSError:
            absent.append(name)
    return absent


def _answers() -> bool:
    """Whether the X server that DISPLAY names takes a connection; a name left over from another session does not.

    The connection stays open until the process ends: a server whose last client leaves starts again, as virtual screens
    do, and refuses for a moment the very window that is opened next. For the same reason a refusal is asked twice.
    """
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True  # unknown until the library is there
    xcb.xcb_connect.restype = ctypes.c_void_p
    for pause in (0.3, 0):
        connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
        if not xcb.xcb_connection_has_error(connection):
            return True
        xcb.xcb_disconnect(connection)
        time.sleep(pause)
    return False
