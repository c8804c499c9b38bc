"""A prompt under its name, with the number of its tokens and what else is offered for it in the same line."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from diffusion_studio.settings.options import Option
from diffusion_studio.ui.generate.prompt.token_counter import Run, TokenCounter
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_XS
from diffusion_studio.ui.widgets.prompt_edit import PromptEdit


class PromptField(QWidget):
    changed = Signal()

    def __init__(
        self,
        option: Option,
        run: Run,
        *,
        lines: tuple[int, int],
        placeholder: str,
        tools: Sequence[QWidget] = (),
    ) -> None:
        super().__init__()
        self.edit = PromptEdit(option, *lines)
        self.edit.setPlaceholderText(placeholder)
        self.counter = TokenCounter(run, self.edit.value)
        self.label = plain_label(option.label, "quiet")
        self.label.setBuddy(self.edit)
        self.remark = plain_label("", "small")
        self.remark.setWordWrap(True)
        self.remark.hide()
        self._tools = list(tools)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(SPACE_XS)
        head.addWidget(self.label)
        head.addStretch(1)
        head.addWidget(self.counter)
        for tool in self._tools:
            head.addWidget(tool)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_XS)
        column.addLayout(head)
        column.addWidget(self.edit)
        column.addWidget(self.remark)
        self.edit.changed.connect(self.counter.count_soon)
        self.edit.changed.connect(self.changed)

    @property
    def controls(self) -> list[QWidget]:
        """In the order of the Tab key."""
        return [*self._tools, self.edit]

    def value(self) -> str:
        return self.edit.value()

    def show_value(self, text: str) -> None:
        self.edit.show_value(text)
        self.counter.count_soon()

    def show_remark(self, sentence: str) -> None:
        """Say under the text what will not do what it seems to; "": nothing."""
        self.remark.setText(sentence)
        self.remark.setVisible(bool(sentence))
        self.edit.setAccessibleDescription(sentence or self.edit.toolTip())
