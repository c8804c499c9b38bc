"""The menu of styles: words put around the prompt, kept by name, and taken off again."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.styles import PLACE, Style, Styles, check_name
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.dialogs import ask_name
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.look.texts import action_text, tooltip

Words = tuple[str, str]  # prompt and negative prompt


class StyleMenu(QObject):
    """`words` are the prompts as they are; `words_wanted` says what they are to be."""

    words_wanted = Signal(str, str)

    def __init__(self, context: AppContext, words: Callable[[], Words], parent: QWidget) -> None:
        super().__init__(parent)
        self._context, self._words = context, words
        self.styles = Styles()
        self.button = IconButton(
            "preset", tr("Styles"), tr("put the words of a style around the prompt"), parent
        )
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.button)
        self.menu.setToolTipsVisible(True)
        self.menu.aboutToShow.connect(self.fill)
        self.button.setMenu(self.menu)

    def fill(self) -> None:
        menu, words = self.menu, self._words()
        menu.clear()
        own = self.styles.own()
        for name, style in self.styles.all().items():
            entry = menu.addAction(action_text(name))
            entry.setToolTip(tooltip("\n".join(filter(None, (style.prompt, style.negative)))))
            entry.setCheckable(True)
            entry.setChecked(style.removed(*words) is not None)
            entry.triggered.connect(lambda _=False, style=style: self.switch(style))
        menu.addSeparator()
        menu.addAction(tr("Save prompt as style…")).triggered.connect(self._ask)
        if own:
            removal = menu.addMenu(tr("Delete style"))
            for name in own:
                entry = removal.addAction(action_text(name))
                entry.triggered.connect(lambda _=False, name=name: self.remove(name))

    def switch(self, style: Style) -> None:
        """Put a style on, or take it off where the prompts have it."""
        plain = style.removed(*self._words())
        try:
            self.words_wanted.emit(*(style.applied(*self._words()) if plain is None else plain))
        except UserError as error:
            self._context.show_fault(str(error))

    def save(self, name: str) -> None:
        """Keep the prompts as a style; where the prompt has no “{prompt}”, the style is added after a prompt."""
        name = " ".join(name.split())
        before = self.styles.all().get(name)
        if not self._do(lambda: self.styles.save(name, Style(*self._words()))):
            return
        if before is not None:
            undo = Change(tr("replacement of a style"), lambda: self._restore(name, before))
            self._context.done(tr("Style “{name}” was replaced.", name=name), undo)
        else:
            self._context.show_status(
                tr(
                    "Saved as style “{name}”. Write {place} in it where the prompt goes.",
                    name=name,
                    place=PLACE,
                )
            )

    def remove(self, name: str) -> None:
        """Delete a style; Undo brings it back."""
        style = self.styles.all()[name]
        if self._do(lambda: self.styles.remove(name)):
            undo = Change(tr("deletion of a style"), lambda: self._restore(name, style))
            self._context.done(tr("Style “{name}” was deleted.", name=name), undo)

    def _restore(self, name: str, style: Style) -> None:
        self._do(lambda: self.styles.save(name, style))

    def _ask(self) -> None:
        if not any(self._words()):
            self._context.show_status(
                tr("Write a prompt first, with {place} where other prompts go.", place=PLACE)
            )
            return
        name = ask_name(self.button, tr("Save as style"), accept=tr("Save"), label=tr("Name"), check=_fault)
        if name is not None:
            self.save(name)

    def _do(self, change: Callable[[], object]) -> bool:
        try:
            change()
        except UserError as error:
            self._context.show_fault(str(error))
            return False
        return True


def _fault(name: str) -> str:
    """Why a style cannot be called that; "" where it can."""
    try:
        check_name(name)
    except UserError as error:
        return str(error)
    return ""
