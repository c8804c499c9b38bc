"""Comparing on the Generate page: when it stands in the place of the canvas, and what the main button does then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.generate.next_run import GoingOn
from diffusion_studio.ui.generate.panel import GenerationPanel
from diffusion_studio.ui.generate.steering import Steering

if TYPE_CHECKING:
    from diffusion_studio.ui.compare.view import CompareView


class CompareMode(QObject):
    settings_wanted = Signal(object)  # names and values of GenerationSettings
    left = Signal()
    ended = Signal()  # the outcome stands in the panel

    def __init__(
        self,
        context: AppContext,
        panel: GenerationPanel,
        steering: Steering,
        going_on: GoingOn,
        place: QStackedWidget,
        aside: QWidget,
    ) -> None:
        """`place` holds the canvas; `aside` goes where the sheet needs the room."""
        super().__init__(place)
        self._context, self._panel, self._steering, self._going_on = context, panel, steering, going_on
        self._place, self._aside = place, aside
        self._ruled: set[str] = set()  # settings the axes decide
        self.view: CompareView | None = None  # made when it is first asked for
        self.action = make_action(
            place,
            tr("Compare"),
            "Ctrl+K",
            tip="One seed with several samplers, steps, models…",
            checkable=True,
        )
        self.action.toggled.connect(self._toggle)
        panel.changed.connect(self._follow_panel)
        panel.model_changed.connect(self._offer)
        context.models_changed.connect(self._offer)
        context.preferences_changed.connect(self._follow_preferences)

    @property
    def shown(self) -> bool:
        return self.action.isChecked()

    @property
    def running(self) -> bool:
        return self.view is not None and self.view.running

    def start(self) -> None:
        """What the main button does here."""
        if self.view is None or self.running:
            return
        try:
            self._take_seed()
            self.view.start(self._base())
        except UserError as error:
            self._context.show_fault(str(error))
            return
        self._panel.button.show_progress(0)

    def stop(self) -> None:
        """Stop what is drawn; else go back, from two pictures to the sheet, from the sheet to the canvas."""
        if self.view is not None and self.running:
            self.view.stop()
        elif self.view is not None and not self.view.leave():
            self.action.setChecked(False)

    def _take_seed(self) -> None:
        """An unlocked seed is that of the image on the canvas, which is to be compared; else another one."""
        seed, shown = self._panel.seed, self._steering.shown_seed
        _, locked, fresh = seed.state
        if not locked and not fresh and shown is not None:
            seed.restore((shown, False, True))
        seed.draw_unless_locked()

    def _base(self) -> GenerationSettings:
        return replace(self._panel.value(), history=(), count=1, until=0)

    def _toggle(self, on: bool) -> None:
        if on:
            view = self._made()
            self._steering.timeline.stop_playing()
            self._offer()
            self._place.setCurrentWidget(view)
        else:
            self._place.setCurrentIndex(0)
            if self.running and self.view is not None:
                self.view.stop()
        self._mark_ruled()
        self._aside.setVisible(not on)
        if on:
            self._follow_panel()
            view.head.across.setting.setFocus()
        else:
            self._going_on.tell()
            self.left.emit()

    def _made(self) -> CompareView:
        if self.view is None:
            from diffusion_studio.ui.compare.view import CompareView

            view = self.view = CompareView(self._context, self._steering.generation.worker)
            self._place.addWidget(view)
            order = [self._panel.button, *view.controls]
            for first, second in zip(order, order[1:], strict=False):
                QWidget.setTabOrder(first, second)
            view.closed.connect(lambda: self.action.setChecked(False))
            view.settings_wanted.connect(self.settings_wanted)
            view.head.changed.connect(self._follow_panel)
            view.progressed.connect(self._on_progress)
            view.ended.connect(self._on_ended)
            view.shown_alone.connect(self._show_alone)
            self._follow_preferences()
        return self.view

    def _show_alone(self, picture: Any) -> None:
        self.action.setChecked(False)
        self._steering.show_elsewhere(picture)

    def _offer(self) -> None:
        if self.view is not None and self.shown:
            try:
                self.view.head.offer(self._panel.card, self._base())
            except UserError:
                return  # a text in the form is not allowed; told when it is to be used

    def _follow_panel(self) -> None:
        """The main button compares while the sheet is shown."""
        if self.view is None or not self.shown:
            return
        self._mark_ruled()
        count = self.view.head.count
        name = tr("Compare {count} pictures", count=count) if count > 1 else "Compare"
        self._panel.button.name(name, tr("Draw the sheet (Ctrl+Enter)"))
        able = self._panel.card is not None and (count > 0 or self.running)
        self._panel.button.setEnabled(able)

    def _mark_ruled(self) -> None:
        """Settings that the axes decide are disabled in the panel for as long as the sheet is shown."""
        ruled: set[str] = set()
        if self.view is not None and self.shown:
            head = self.view.head
            ruled = {"count", head.across.setting.value(), head.down.setting.value()}
        panel = self._panel
        ruled &= set(panel.form.fields)
        for name in self._ruled - ruled:
            panel.form.enable(name, True)
        if self._ruled - ruled:
            panel.enable_idle()
        self._ruled = ruled
        for name in ruled:
            panel.form.enable(name, False)
        panel.few_steps.setEnabled(not ruled)

    def _follow_preferences(self) -> None:
        if self.view is not None:
            self.view.sheet.set_crisp(self._context.preferences.scaling == "crisp")

    def _on_progress(self, share: float, words: str) -> None:
        self._panel.button.show_progress(share)
        self._panel.line.setText(words)

    def _on_ended(self, words: str) -> None:
        self._panel.button.show_idle()
        self._panel.line.setText(words)
        self.ended.emit()
        self._follow_panel()
