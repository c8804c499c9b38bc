"""“23 / 75”: how many tokens a prompt has, counted off the window's thread once the keys rest."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from diffusion_studio.language import plural, tr
from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.models.text.families import FAMILIES
from diffusion_studio.ui.look.labels import PlainLabel
from diffusion_studio.ui.look.texts import tooltip

if TYPE_CHECKING:
    from diffusion_studio.models.text.token_count import Count

CLIP_ROOM = 75  # tokens that its encoders read at once
REST = 250  # milliseconds without a key
Run = Callable[[Generator[Any, Any, None], Callable[[Any], None]], object]


class TokenCounter(PlainLabel):
    """`run` carries out a job off the window's thread."""

    def __init__(self, run: Run, text_of: Callable[[], str], parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setProperty("small", True)
        self._run, self._text_of = run, text_of
        self._facts: TextFacts | None = None
        self._timer = QTimer(self, singleShot=True, interval=REST)
        self._timer.timeout.connect(self._count)
        self.show_count(None)

    def count_soon(self) -> None:
        """The text has changed."""
        if not self._text_of():
            self._timer.stop()
            self.show_count(None)
        elif self.isVisible():
            self._timer.start()

    def show_model(self, facts: TextFacts | None) -> None:
        """The model whose tokens are counted; None for one without prompts."""
        if facts != self._facts:
            self._facts = facts
            self.show_count(None)
            self.count_soon()

    def show_count(self, count: Count | None) -> None:
        """The tokens of the text; None for a text that is empty."""
        tokens, room = (0, self._room) if count is None else (count.tokens, count.room)
        parts = max(1, -(-tokens // room)) if count is None or count.parts else 1
        about = "" if count is None or count.exact else "≈ "
        self.setText(f"{about}{tokens} / {parts * room}")
        words = plural("{count} token of {most}", "{count} tokens of {most}", tokens, most=parts * room)
        if count is not None and count.template:
            words += ". " + tr("{count} of them are added around every prompt.", count=count.template)
        if parts > 1:
            words += ". " + tr(
                "The model reads {room} at once: this prompt in {parts} parts.", room=room, parts=parts
            )
        if tokens > parts * room:
            words += ". " + tr("The model reads no more than {room}: shorten the prompt.", room=room)
        self.setAccessibleName(words)
        self.setToolTip(tooltip(words))

    @property
    def _room(self) -> int:
        """What the model reads at once, before anything was counted."""
        family = FAMILIES.get(self._facts.family) if self._facts is not None else None
        return family.most_tokens if family is not None and family.most_tokens else CLIP_ROOM

    def showEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        super().showEvent(event)
        self.count_soon()

    def hideEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        super().hideEvent(event)
        self._timer.stop()

    def _count(self) -> None:
        text, facts = self._text_of(), self._facts

        def show(counted: Count) -> None:
            if (text, facts) == (self._text_of(), self._facts):
                self.show_count(counted)

        self._run(_counting(facts, text), show)


def _counting(facts: TextFacts | None, text: str) -> Generator[Count, None, None]:
    from diffusion_studio.models.text.token_count import count_for

    yield count_for(facts, text)
