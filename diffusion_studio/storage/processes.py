"""Which process wrote something, and whether it is still there: a process id alone may be given again to another process."""

from __future__ import annotations

import os
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
