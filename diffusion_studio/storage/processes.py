"""Which process wrote something, and whether it is still there: a process id alone may be given again to another process."""

from __future__ import annotations

import os
import sys
from typing import Any

CLOCK = 2.0  # seconds that two readings of one start time may differ by


def this_process() -> list[float]:
    """The id of this process and the time it started, in seconds since 1970: for `is_running`, also in another process."""
    import psutil  # here: the empty window does without

    return [os.getpid(), psutil.Process().create_time()]


def is_running(process: Any) -> bool:
    """Whether the process that wrote `this_process` still runs; False for anything that is no such pair."""
    import psutil

    try:
        number, started = process
        return bool(abs(psutil.Process(int(number)).create_time() - started) < CLOCK)
    except (TypeError, ValueError, OverflowError, psutil.Error):
        return False


if sys.platform == "win32":

    def is_alive(pid: int) -> bool:
        """Whether a process of this id runs now, also one of another user."""
        import ctypes

        query_limited_information = 0x1000
        handle = ctypes.windll.kernel32.OpenProcess(query_limited_information, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)

else:

    def is_alive(pid: int) -> bool:
        """Whether a process of this id runs now, also one of another user."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            pass  # another user's
        return True
