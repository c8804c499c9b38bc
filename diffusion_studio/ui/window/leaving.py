"""Closing that takes long: says what it waits for and offers to leave, so that no stuck job keeps the window open."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.dialogs import ask_question
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_M, SPACE_XL

PATIENCE = 10_000  # milliseconds until it asks, and again after “Keep waiting”
WIDTH = 460  # pixels
AT_ONCE = (
    0.5  # seconds; a terminal and its shell, or `timeout`, send one wish to end several times within less
)
WAITS = {  # what a thread does when a window closes, by its name
    "training": tr("training to finish its step and save a checkpoint"),
    "publishing": tr("a trained model to be saved"),
    "generating": tr("an image to finish its step"),
    "pictures": tr("a folder of images to be read"),
    "nearest": tr("training images to be compared"),
    "models": tr("work on a model"),
    "gallery": tr("the gallery to read a folder"),
    "gallery search": tr("a search in the gallery"),
    "gallery thumbnails": tr("thumbnails to be read"),
    "thumbnails": tr("thumbnails to be read"),
    "background": tr("a file to be read or written"),
    "exports": tr("a file to be exported"),
}


def may_lose(parent: QWidget, reason: str) -> bool:
    """Whether the window may close though images could not be saved."""
    return ask_question(
        parent,
        tr("Close without saving?"),
        tr("The stopped image could not be saved. {reason}", reason=reason),
        accept=tr("Discard and close"),
        danger=True,
    )


class LeaveDialog(QDialog):
    """Asks whether to keep waiting, which Escape means too, or to leave."""

    def __init__(self, window: QWidget, waits: str) -> None:
        super().__init__(window)
        self.setWindowTitle(tr("Closing"))
        self.sentence = plain_label(
            tr("Diffusion Studio is still waiting for {waits}.", waits=waits), "heading"
        )
        self.sentence.setWordWrap(True)
        more = plain_label(
            tr("What has been saved is kept. What has not been saved yet is lost if you leave now.")
        )
        more.setWordWrap(True)
        self.keep = push_button(tr("Keep waiting"), tr("Let it finish; the window then closes by itself"))
        self.leave = push_button(tr("Leave now"), tr("Close at once"))
        self.keep.setDefault(True)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.leave)
        row.addWidget(self.keep)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_L)
        column.setSpacing(SPACE_M)
        for part in (self.sentence, more):
            column.addWidget(part)
        column.addLayout(row)
        self.setMinimumWidth(WIDTH)
        self.keep.clicked.connect(self.reject)


class Leaving(QObject):
    """Started when closing has to wait; `leave_wanted` is the answer “Leave now”."""

    leave_wanted = Signal()

    def __init__(self, window: QWidget, busy: Callable[[], list[str]]) -> None:
        """`busy`: the names of the threads that still work."""
        super().__init__(window)
        self._window, self._busy = window, busy
        self.dialog: LeaveDialog | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._ask)

    def start(self) -> None:
        self._timer.start(PATIENCE)

    def stop(self) -> None:
        """All has ended: nothing is asked any more."""
        self._timer.stop()
        if self.dialog is not None:
            self.dialog.rejected.disconnect(self._keep_waiting)
            self._put_away()

    def _put_away(self) -> None:
        if self.dialog is not None:
            dialog, self.dialog = self.dialog, None
            dialog.hide()
            dialog.deleteLater()

    def _ask(self) -> None:
        waits = dict.fromkeys(WAITS.get(name, tr("a job to end")) for name in self._busy())
        self.dialog = LeaveDialog(self._window, tr(" and ").join(waits) or tr("a job to end"))
        self.dialog.leave.clicked.connect(self.leave_wanted)
        self.dialog.rejected.connect(self._keep_waiting)
        self.dialog.open()

    def _keep_waiting(self) -> None:
        self._put_away()
        self.start()


def end_process() -> NoReturn:
    """End at once with status 0, whatever other threads are doing: files are renamed into place whole, so none is torn."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(0)


def follow_signals(
    signals: socket.socket, close: Callable[[], None], end: Callable[[], object] = end_process
) -> None:
    """Read the byte each signal writes to its socket: the first calls `close`, one that follows later `end`.

    Meant for a thread of its own, which also runs while the window's thread is stuck.
    """
    with suppress(OSError):  # the socket was closed: the process ends anyway
        if not signals.recv(1):
            return
        began = time.monotonic()
        close()
        while signals.recv(1):
            if time.monotonic() - began >= AT_ONCE:
                end()
                return
