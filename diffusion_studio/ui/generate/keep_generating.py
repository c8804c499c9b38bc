"""Keep generating: one image after the other, each of a new seed, until the user stops."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.generate.next_run import NextRun
from diffusion_studio.ui.generate.queue.queue_runner import QueueRunner
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.running import Generation


class KeepGenerating(QObject):
    """Waits for the queue and for choices that are open, and never repeats a locked seed."""

    generate_wanted = Signal()  # the next image

    def __init__(
        self,
        context: AppContext,
        request: GenerationRequest,
        generation: Generation,
        queue: QueueRunner,
        next_run: NextRun,
        page: QWidget,
    ) -> None:
        super().__init__(page)
        self._context, self._request, self._generation = context, request, generation
        self._queue, self._next_run = queue, next_run
        self.action = make_action(
            page,
            tr("Keep generating"),
            "Ctrl+Shift+G",
            tip=tr("Generate one image after the other until you stop"),
            checkable=True,
        )
        self._next = QTimer(self, singleShot=True, interval=0)
        self._next.timeout.connect(self._generate_next)
        self.action.toggled.connect(self._on_toggled)
        generation.failed.connect(self.stop)

    def stop(self) -> None:
        """The image that is being generated is the last."""
        self.action.setChecked(False)

    def close_down(self) -> None:
        self.stop()
        self._next.stop()

    def follow_end(self) -> None:
        """A generation has ended: begin the next one, where nothing else is to be done first."""
        request = self._request
        free = not self._queue.waiting and not self._next_run.ticks.asking and request.past is None
        if self.action.isChecked() and free and not request.locked and not request.settings.until:
            self._next.start()

    def _generate_next(self) -> None:
        if self.action.isChecked() and not self._generation.running:
            self.generate_wanted.emit()

    def _on_toggled(self, on: bool) -> None:
        if on and self._request.locked:
            self._context.show_status(tr("The seed is locked. Unlock it to keep generating new images."))
            self.stop()
        elif on:
            self._generate_next()
