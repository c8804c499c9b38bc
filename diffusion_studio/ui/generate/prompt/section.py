"""The part of the panel about words, for models that are prompted: prompt, negative prompt, LoRAs, past prompts and styles."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.text.loras import LoraFile, add_typed, list_loras, moved_from
from diffusion_studio.settings.effects import ineffective
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.loras import Lora
from diffusion_studio.settings.options import options
from diffusion_studio.settings.prompt_history import PastPrompt, PromptHistory
from diffusion_studio.settings.prompt_syntax import lora_tags, remarks, without_tags
from diffusion_studio.storage.places import loras_dir
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.file_dialogs import open_file
from diffusion_studio.ui.base.page import action
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.prompt.history_popover import HistoryPopover
from diffusion_studio.ui.generate.prompt.lora_list import LoraList
from diffusion_studio.ui.generate.prompt.prompt_field import PromptField
from diffusion_studio.ui.generate.prompt.style_menu import StyleMenu
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.look.buttons import text_button
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.texts import readable
from diffusion_studio.ui.look.theme import SPACE_S

FIELDS = ("prompt", "negative", "loras")


class PromptSection(QWidget):
    """Hidden for a model without words. The form that takes its `fields` over shows and changes the request with them."""

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
        self._known: list[LoraFile] = []  # the LoRAs that are installed, once they were listed
        self._listed = False
        self.loras = LoraList(lambda: self._known, self._fault_of)
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
        self.loras.file_wanted.connect(self._ask_for_lora)
        self.loras.menu.aboutToShow.connect(self._list_loras)
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
                known = next((lora for lora in self._known if lora.name == name), None)
                found[name] = Lora(name, known.digest if known is not None else "", float(weight or 1))
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
        if not self.used:
            return  # it is hidden, and looked at again with a model of text
        own = self._request.settings
        self.prompt.show_remark(" ".join(remarks(own.prompt)))
        idle = ineffective("negative", [own]) if own.negative and self.used else ""
        self.negative.show_remark(idle or " ".join(remarks(own.negative)))
        self.tags.setVisible(bool(lora_tags(own.prompt)))

    def _show_model(self) -> None:
        self.setVisible(self.used)
        card = self._request.card
        for field in (self.prompt, self.negative):
            field.counter.show_model(card.text if card is not None else None)
        self.past_action.setEnabled(self.used)
        if self.used:
            self._list_loras()
        self.loras.show_faults()
        self._follow()

    # --- LoRAs ---

    def _list_loras(self) -> None:
        """Their files are read off the window's thread, once each."""
        self._context.run(_listing(), self._show_known)

    def _show_known(self, known: list[LoraFile]) -> None:
        changed = known != self._known or not self._listed
        self._known, self._listed = known, True
        if changed:
            self.loras.show_faults()
            if self.loras.menu.isVisible():  # it was opened before this was known
                self.loras.fill()

    def _ask_for_lora(self) -> None:
        path = open_file(self, tr("Add LoRA"), [tr("LoRA (*.safetensors)")])
        if path is not None:
            self._context.run(_opening(path), self._add_opened)

    def _add_opened(self, opened: LoraFile) -> None:
        if opened not in self._known:
            self._known = [*self._known, opened]
        self.loras.add(opened.setting())
        self._context.show_status(
            tr(
                "{name} is used from where it is; it is listed as long as it stays there.",
                name=readable(opened.name),
            )
        )

    def _fault_of(self, lora: Lora) -> str:
        """Why a LoRA cannot be used with the model; "" where it can, as far as is known."""
        card = self._request.card
        if not self._listed or card is None:
            return ""
        named = [known for known in self._known if known.name.casefold() == lora.name.casefold()]
        same = [known for known in named if not lora.digest or known.digest.startswith(lora.digest)]
        if not named:
            moved = moved_from(lora.name)
            if moved is not None:
                return tr(
                    "Not in {folder} any more. Add it from its new place.", folder=readable(moved.parent)
                )
            return tr("Not found. Put its file into {folder}, or remove it.", folder=readable(loras_dir()))
        if not same:
            return tr("The file of this name has other weights. Add it again, or remove it.")
        family = card.text.family if card.text is not None else ""
        if same[0].base and family and same[0].base != family:
            return tr("Made for {base}; it does not fit this model.", base=same[0].base_title)
        return ""


def _remembering(history: PromptHistory, past: PastPrompt) -> Generator[None, None, None]:
    history.remember(past)
    yield


def _listing() -> Generator[list[LoraFile], None, None]:
    yield list_loras()


def _opening(path: Path) -> Generator[LoraFile, None, None]:
    yield add_typed(path)
