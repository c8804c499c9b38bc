"""Keeps the machine from going to sleep during long work, by the platform's own service, and gives it back after."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATIENCE = 2.0  # seconds for the service's process to end
CONTINUOUS, SYSTEM_REQUIRED = 0x80000000, 0x00000001  # of SetThreadExecutionState


@contextmanager
def keep_awake(reason: str) -> Iterator[None]:
    """No sleep by itself until the block ends, however it ends. Without such a service, nothing happens.

    Enter and leave it in one thread: on Windows the promise belongs to the thread.
    """
    if sys.platform == "win32":
        with _execution_state():
            yield
    else:
        with _process(command(sys.platform, reason)):
            yield


def command(platform: str, reason: str) -> list[str]:
    """What holds sleep off for as long as it runs; it ends with this process, however that ends. Empty: nothing does."""
    if platform == "darwin" and shutil.which("caffeinate"):
        return ["caffeinate", "-i", "-w", str(os.getpid())]
    if platform.startswith("linux") and shutil.which("systemd-inhibit"):
        return [
            "systemd-inhibit",
            "--what=sleep:idle",
            "--who=Diffusion Studio",
            f"--why={reason}",
            "--mode=block",
            "cat",  # ends when its input does, which is when this process does
        ]
    return []


@contextmanager
def _process(words: list[str]) -> Iterator[None]:
    process = None
    if words:
        with suppress(OSError):
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for us, who save first
            )
    try:
        yield
    finally:
        if process is not None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        process.terminate()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _execution_state() -> Iterator[None]:
    if sys.platform != "win32":
        yield
        return
    import ctypes

    kernel = ctypes.windll.kernel32
    kernel.SetThreadExecutionState(CONTINUOUS | SYSTEM_REQUIRED)
    try:
        yield
    finally:
        kernel.SetThreadExecutionState(CONTINUOUS)
