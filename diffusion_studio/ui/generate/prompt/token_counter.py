"""“23 / 75”: how many tokens a prompt has, counted off the window's thread once the keys rest."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import plural, tr
from diffusion_studio.ui.look.labels import PlainLabel
from diffusion_studio.ui.look.texts import tooltip

REST = 250  # milliseconds without a key
Run = Callable[[Generator[Any, Any, None], Callable[[Any], None]], object]


class TokenCounter(PlainLabel):
    """`run` carries out a job off the window's thread."""

    def __init__(self, run: Run, text_of: Callable[[], str], parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setProperty("small", True)
        self._run, self._text_of = run, text_of
        self._timer = QTimer(self, singleShot=True, interval=REST)
        self._timer.timeout.connect(self._count)
        self.show_count(0)

    def count_soon(self) -> None:
        """The text has changed."""
        if not self._text_of():
            self._timer.stop()
            self.show_count(0)
        elif self.isVisible():
            self._timer.start()

    def show_count(self, count: int, room: int = 75) -> None:
        """So many tokens, of which the encoder reads `room` at once."""
        parts = max(1, -(-count // room))
        self.setText(f"{count} / {parts * room}")
        words = plural("{count} token of {most}", "{count} tokens of {most}", count, most=parts * room)
        if parts > 1:
            words += ". " + tr(
                "The model reads {room} at once: this prompt in {parts} parts.", room=room, parts=parts
            )
        self.setAccessibleName(words)
        self.setToolTip(tooltip(words))

    def showEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        super().showEvent(event)
        self.count_soon()

    def hideEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        super().hideEvent(event)
        self._timer.stop()

    def _count(self) -> None:
        text = self._text_of()

        def show(counted: tuple[int, int]) -> None:
            if text == self._text_of():
                self.show_count(*counted)

        self._run(_counting(text), show)


def _counting(text: str) -> Generator[tuple[int, int], None, None]:
    from diffusion_studio.models.text.token_count import ROOM, count_tokens

    yield count_tokens(text), ROOM
