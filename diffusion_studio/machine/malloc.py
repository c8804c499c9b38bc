"""Memory that a training step lets go of and wants again at once: kept by the process instead of given back to the system.

glibc hands large blocks back after every use, and those of threads other than the first most of all; the pages then fault in
again, which took 5% of a step on one thread and 13% on two (measured). Other systems' allocators are left as they are.
"""

from __future__ import annotations

import ctypes
import platform
from typing import Any

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1  # of malloc.h
MOST_IN_HEAP, USUAL = 32 << 20, 128 << 10  # bytes; glibc takes no larger threshold than the first


def keep() -> None:
    """Before the first thread that computes is started."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(ARENA_MAX, 1)
        libc.mallopt(MMAP_THRESHOLD, MOST_IN_HEAP)
        libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)


def give_back() -> None:
    """When the training is over."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(MMAP_THRESHOLD, USUAL)
        libc.mallopt(TRIM_THRESHOLD, USUAL)
        libc.malloc_trim(0)


def _glibc() -> Any:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
