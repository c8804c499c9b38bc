"""The presets of the panel: choose one, save what is composed as one, and have a model begin with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolButton, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.presets import NAMES, OF_SIZE, WORDS, Presets, check_name
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.dialogs import ask_name
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.look.buttons import ToolButton
from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.texts import tooltip
from diffusion_studio.ui.look.theme import tokens

LONGEST = 30  # characters of a name on the button


class PresetMenu(ToolButton):
    """Shows the preset that the settings agree with, and opens the list of all."""

    def __init__(
        self, context: AppContext, request: GenerationRequest, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._context, self._request = context, request
        self.presets = Presets()
        self._known: dict[str, dict[str, object]] = {}
        self.setObjectName("presets")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(16, 16))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        explanation = tr("Choose saved settings, or save the ones that are set")
        self.setToolTip(tooltip(explanation))
        self.setAccessibleDescription(explanation)
        self.list = QMenu(self)
        self.list.aboutToShow.connect(self._fill)
        self.setMenu(self.list)
        request.begin_with = self._begin_with
        request.changed.connect(self._follow)
        self._reload()
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        self.setIcon(icon("preset", tokens().muted, size=16))

    @property
    def chosen(self) -> str:
        """The preset the settings agree with; "" for none."""
        own = self._request.settings
        for name, values in self._known.items():
            if values and all(getattr(own, option) == value for option, value in values.items()):
                return name
        return ""

    def choose(self, name: str) -> None:
        """Take the settings of a preset; Undo brings the ones before back."""
        before = self._request.state
        self._request.change(**self.presets.values(name))
        self._context.undo.push(Change(tr("choice of a preset"), lambda: self._request.restore(before)))

    def save(self, name: str, *, words: bool = False) -> None:
        """Keep the settings as a preset, of a model of text with its size, and with its `words` where they are wanted."""
        card = self._request.card
        more = (*OF_SIZE, *(WORDS if words else ())) if card is not None and card.prompted else ()
        name = " ".join(name.split())
        before = self.presets.values(name)
        if not self._do(lambda: self.presets.save(name, self._request.settings, more)):
            return
        if before:
            self._context.done(
                tr("Preset “{name}” was replaced.", name=name),
                Change(tr("replacement of a preset"), lambda: self._restore(name, before)),
            )
        else:
            self._context.show_status(tr("Saved as preset “{name}”", name=name))

    def remove(self, name: str) -> None:
        """Remove a preset; Undo brings it back."""
        values, model = self.presets.values(name), self._request.settings.model
        was_default = self.presets.default(model) == name
        if self._do(lambda: self.presets.remove(name)):

            def bring_back() -> None:
                self._restore(name, values)
                if was_default:
                    self._do(lambda: self.presets.set_default(model, name))

            self._context.done(
                tr("Preset “{name}” was deleted.", name=name), Change(tr("deletion of a preset"), bring_back)
            )

    def _restore(self, name: str, values: dict[str, Any]) -> None:
        settings = type(self._request.settings)(**values)
        more = [option for option in values if option not in NAMES]
        self._do(lambda: self.presets.save(name, settings, more))

    def set_default(self, name: str) -> None:
        """Begin with this preset whenever the current model is chosen; "": with what the model recommends."""
        self._do(lambda: self.presets.set_default(self._request.settings.model, name))

    # --- the list ---

    def _fill(self) -> None:
        self._reload()
        menu, chosen, card = self.list, self.chosen, self._request.card
        menu.clear()
        for name in self._known:
            entry = menu.addAction(name.replace("&", "&&"))
            entry.setCheckable(True)
            entry.setChecked(name == chosen)
            entry.triggered.connect(lambda _=False, name=name: self.choose(name))
        if self._known:
            menu.addSeparator()
        menu.addAction(tr("Model recommendation")).triggered.connect(self._use_recommendation)
        menu.addAction(tr("Save as preset…")).triggered.connect(lambda: self._ask(words=False))
        if card is not None and card.prompted:
            menu.addAction(tr("Save with the prompt…")).triggered.connect(lambda: self._ask(words=True))
        if chosen and card is not None:
            default = menu.addAction(tr("Start {title} with “{name}”", title=card.title, name=chosen))
            default.setCheckable(True)
            is_default = self.presets.default(card.name) == chosen
            default.setChecked(is_default)
            default.triggered.connect(lambda: self.set_default("" if is_default else chosen))
            menu.addAction(tr("Delete “{name}”", name=chosen)).triggered.connect(lambda: self.remove(chosen))

    def _use_recommendation(self) -> None:
        card = self._request.card
        if card is not None:
            before, usual = self._request.state, card.defaults()
            kept = ("count", "class_label")
            self._request.change(**{name: getattr(usual, name) for name in NAMES if name not in kept})
            self._context.undo.push(Change(tr("choice of a preset"), lambda: self._request.restore(before)))

    def _ask(self, *, words: bool) -> None:
        name = ask_name(self, tr("Save as preset"), accept=tr("Save"), label=tr("Name"), check=_fault)
        if name is not None:
            self.save(name, words=words)

    def _begin_with(self, card: ModelCard) -> dict[str, object]:
        return self.presets.values(self.presets.default(card.name))

    def _reload(self) -> None:
        self._known = self.presets.all()
        self._follow()

    def _follow(self) -> None:
        name = self.chosen
        shown = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
        words = tr("Preset: {name}", name=shown) if name else tr("Presets")
        if words == self.accessibleName():
            return  # asked at every change of a control
        self.setText(words.replace("&", "&&"))
        self.setAccessibleName(words)

    def _do(self, change: Callable[[], object]) -> bool:
        try:
            change()
        except UserError as error:
            self._context.show_fault(str(error))
            return False
        self._reload()
        return True


def _fault(name: str) -> str:
    """Why a preset cannot be called that; "" where it can."""
    try:
        check_name(name)
    except UserError as error:
        return str(error)
    return ""
