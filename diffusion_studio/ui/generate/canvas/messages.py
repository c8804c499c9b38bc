"""What the canvas says while it has no image: that it is ready, what it waits for, or that a model is missing."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QImage

from diffusion_studio.language import plural, tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.text.families import FAMILIES
from diffusion_studio.storage.places import models_dir
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.steering import Steering
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.pictures.canvas import Canvas

READY, PROMPT = tr("Ready to generate"), tr("Type a prompt")
PATIENCE = 200  # milliseconds without a first image before the canvas says what it waits for


class CanvasMessages(QObject):
    def __init__(self, request: GenerationRequest, canvas: Canvas, steering: Steering) -> None:
        super().__init__(canvas)
        self._request, self._canvas, self._steering = request, canvas, steering
        self._waits_for = ""
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE)
        self._patience.timeout.connect(self.show_waiting)
        request.changed.connect(self._follow)
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
            self._canvas.show_message(*self._ready(card), faint)

    def _ready(self, card: ModelCard) -> tuple[str, str]:
        """What a click on Generate would make, or whose examples are seen behind it."""
        asked = self._request.settings
        ready = PROMPT if card.prompted and not asked.prompt.strip() else READY
        if card.samples:
            return ready, tr("Examples from {title}", title=card.title)
        width, height = card.sizes[0] if card.sizes else reversed(card.sides)
        family = FAMILIES.get(card.text.family) if card.text is not None else None
        facts = (
            family.title if family is not None else card.title,
            f"{asked.width or width} × {asked.height or height}",
            plural("{count} step", "{count} steps", asked.steps),
        )
        return ready, " · ".join(facts)

    def _follow(self) -> None:
        """The request has changed while nothing but what it would make is shown."""
        card = self._request.card
        message = self._canvas.message
        shown = message.title, message.sentence
        if card is None or card.samples or message.title not in (READY, PROMPT):
            return
        if self._ready(card) != shown:
            self.show_empty()

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
