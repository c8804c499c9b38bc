"""Brings torch into the process without holding up the window.

Python loads a library while holding its global lock, for torch a sixth of a second in which nothing else moves. Loaded first
by the system's own call, which does not hold the lock, the same libraries are already there when torch asks for them.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from contextlib import suppress
from pathlib import Path

LIBRARIES = ("libc10", "libtorch_cpu", "libtorch_python")
SUFFIXES = {"linux": ".so", "darwin": ".dylib"}
RTLD_LAZY = 1  # the same on both


def load_libraries() -> bool:
    """Load torch's large libraries, where that helps; whether it was done. What fails here is reported by `import torch`."""
    suffix = SUFFIXES.get(sys.platform)
    if "torch" in sys.modules or suffix is None:
        return False
    with suppress(OSError, AttributeError, ImportError):
        place = importlib.util.find_spec("torch")
        folder = Path(next(iter(place.submodule_search_locations or ()))) / "lib" if place else None
        if folder is None:
            return False
        system = ctypes.CDLL(None)  # calls through it let go of the lock, which ctypes' own loading may not
        system.dlopen.argtypes, system.dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        found = [folder / (name + suffix) for name in LIBRARIES]
        handles = [system.dlopen(bytes(path), RTLD_LAZY) for path in found]
        return all(handles)
    return False
