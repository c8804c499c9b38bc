"""The part of the panel about words, for models that are prompted: prompt, negative prompt, LoRAs, past prompts and styles."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.settings.effects import ineffective
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.loras import Lora
from diffusion_studio.settings.options import options
from diffusion_studio.settings.prompt_history import PastPrompt, PromptHistory
from diffusion_studio.settings.prompt_syntax import lora_tags, remarks, without_tags
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.prompt.history_popover import HistoryPopover
from diffusion_studio.ui.generate.prompt.lora_list import LoraList
from diffusion_studio.ui.generate.prompt.prompt_field import PromptField
from diffusion_studio.ui.generate.prompt.style_menu import StyleMenu
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.look.buttons import text_button
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.theme import SPACE_S

FIELDS = ("prompt", "negative", "loras")


class PromptSection(QWidget):
    """Hidden for a model without words. The form that takes its `fields` over shows and changes the request with them."""

    lora_file_wanted = Signal()

    def __init__(self, context: AppContext, request: GenerationRequest) -> None:
        super().__init__()
        self._context, self._request = context, request
        self.history = PromptHistory()
        known = options(GenerationSettings)
        self.past = IconButton(
            "clock", tr("Past prompts"), tr("use a prompt again that you generated with (Ctrl+H)")
        )
        self.past_action = action(
            self, tr("Past prompts"), "Ctrl+H", tip=tr("Use a prompt again that you generated with")
        )
        self.past_action.triggered.connect(self.show_past)
        self.style_menu = StyleMenu(context, self._words, self)
        self.prompt = PromptField(
            known["prompt"],
            context.run,
            lines=(3, 8),
            placeholder=tr("What to generate"),
            tools=(self.past, self.style_menu.button),
        )
        self.negative = PromptField(
            known["negative"], context.run, lines=(1, 4), placeholder=tr("What to keep out of the image")
        )
        self.tags = text_button(
            tr("Move to the LoRA list"), tr("Take the tags out of the prompt and use the LoRAs they name")
        )
        self.tags.setObjectName("link")
        self.tags.hide()
        self.loras = LoraList(known_loras, self._fault_of)
        self.popover = HistoryPopover(context, self.history, self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        for part in (self.prompt, self.tags, self.negative, self.loras):
            column.addWidget(part)
        self.past.clicked.connect(self.show_past)
        self.popover.chosen.connect(self._use_past)
        self.style_menu.words_wanted.connect(self._use_words)
        self.tags.clicked.connect(self._move_tags)
        self.loras.file_wanted.connect(self.lora_file_wanted)
        request.changed.connect(self._follow)
        request.model_changed.connect(self._show_model)
        self._show_model()

    @property
    def fields(self) -> dict[str, Any]:
        """Each setting's control, with `value()`, `show_value(value)` and `changed`."""
        return {"prompt": self.prompt, "negative": self.negative, "loras": self.loras}

    @property
    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        return [*self.prompt.controls, self.tags, *self.negative.controls, *self.loras.controls]

    @property
    def used(self) -> bool:
        """Whether the model takes words."""
        card = self._request.card
        return card is not None and card.prompted

    def show_past(self) -> None:
        """Open the list of past prompts under its button."""
        self.popover.show_below(self.past)

    def remember(self) -> None:
        """Keep the prompt among the past ones: something is generated with it."""
        if not self.used:
            return
        past = PastPrompt(*self._words())
        self._context.run(_remembering(self.history, past), lambda _: None)

    def use_lora(self, lora: Lora) -> None:
        self.loras.add(lora)

    def _words(self) -> tuple[str, str]:
        own = self._request.settings
        return own.prompt, own.negative

    def _use_past(self, past: PastPrompt) -> None:
        self._use_words(past.prompt, past.negative)
        self.prompt.edit.setFocus()

    def _use_words(self, prompt: str, negative: str) -> None:
        """Take these; Undo brings the ones before back."""
        before = self._request.state
        self._request.change(prompt=prompt, negative=negative)
        self._context.undo.push(Change(tr("change of the prompt"), lambda: self._request.restore(before)))

    def _move_tags(self) -> None:
        own, found = self._request.settings, dict[str, Lora]()
        for lora in own.loras:
            found[lora.name] = lora
        try:
            for name, weight in lora_tags(own.prompt):
                found[name] = Lora(name, _digest_of(name), float(weight or 1))
            before = self._request.state
            self._request.change(prompt=without_tags(own.prompt), loras=tuple(found.values()))
        except (UserError, ValueError) as error:
            self._context.show_fault(
                str(error)
                if isinstance(error, UserError)
                else tr("A tag of a LoRA has a weight that is no number.")
            )
            return
        self._context.undo.push(Change(tr("change of the prompt"), lambda: self._request.restore(before)))

    def _follow(self) -> None:
        own = self._request.settings
        self.prompt.show_remark(" ".join(remarks(own.prompt)))
        idle = ineffective("negative", [own]) if own.negative and self.used else ""
        self.negative.show_remark(idle or " ".join(remarks(own.negative)))
        self.tags.setVisible(bool(lora_tags(own.prompt)))

    def _show_model(self) -> None:
        self.setVisible(self.used)
        self.past_action.setEnabled(self.used)
        self.loras.show_faults()
        self._follow()

    def _fault_of(self, lora: Lora) -> str:
        return fault_of(lora, self._request.card)


def known_loras() -> list[Any]:
    """What is installed."""
    return []


def fault_of(lora: Lora, card: ModelCard | None) -> str:
    """Why a LoRA cannot be used with a model; "" where it can, as far as is known without its file."""
    return ""


def _digest_of(name: str) -> str:
    return next((known.digest for known in known_loras() if known.name == name), "")


def _remembering(history: PromptHistory, past: PastPrompt):  # type: ignore[no-untyped-def]
    history.remember(past)
    yield None
