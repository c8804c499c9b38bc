"""What the canvas says while it has no image: that it is ready, what it waits for, or that a model is missing."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QImage

from diffusion_studio.language import tr
from diffusion_studio.storage.places import models_dir
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.pictures.canvas import Canvas

PATIENCE = 200  # milliseconds without a first image before the canvas says what it waits for


class CanvasMessages(QObject):
    def __init__(self, request: GenerationRequest, canvas: Canvas, steering: Steering) -> None:
        super().__init__(canvas)
        self._request, self._canvas, self._steering = request, canvas, steering
        self._waits_for = ""
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE)
        self._patience.timeout.connect(self.show_waiting)
        steering.begun.connect(self._on_begun)
        steering.generation.waiting.connect(self._on_waiting)
        steering.generation.previewed.connect(lambda _: self._patience.stop())
        steering.generation.ended.connect(lambda _: self._patience.stop())

    def show_empty(self) -> None:
        """Say what will be here, where there is no image."""
        card = self._request.card
        if self._steering.generation.running or self._canvas.pictures:
            return
        if card is None:
            self._canvas.show_message(
                tr("No model is installed"),
                tr("Put a model’s folder into {models_dir}", models_dir=readable(models_dir())),
            )
        else:
            faint = QImage.fromData(card.sample_sheet()) if card.samples else None
            self._canvas.show_message(
                tr("Ready to generate"), tr("Examples from {title}", title=card.title), faint
            )

    def show_waiting(self) -> None:
        """Say what the run waits for, where no image of it is there yet."""
        steering = self._steering
        if steering.generation.running and not steering.live and not steering.elsewhere:
            self._canvas.show_message(
                self._waits_for, tr("The first image after a start takes a few seconds longer.")
            )

    def stop(self) -> None:
        self._patience.stop()

    def _on_begun(self) -> None:
        self._waits_for = tr("Getting ready…")
        self._patience.start()

    def _on_waiting(self, words: str) -> None:
        self._waits_for = words
        if not self._steering.live and not self._patience.isActive():
            self.show_waiting()
