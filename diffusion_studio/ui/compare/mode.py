"""Comparing on the Generate page: when a grid takes the place of the canvas, and what the main button does then."""

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
from diffusion_studio.ui.generate.next_run import NextRun
from diffusion_studio.ui.generate.panel import GenerationPanel
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.generate.steering import Steering

if TYPE_CHECKING:
    from diffusion_studio.ui.compare.view import CompareView


class CompareMode(QObject):
    settings_wanted = Signal(object)  # names and values of GenerationSettings
    left = Signal()
    ended = Signal()  # the outcome is in the panel

    def __init__(
        self,
        context: AppContext,
        request: GenerationRequest,
        panel: GenerationPanel,
        steering: Steering,
        next_run: NextRun,
        place: QStackedWidget,
        aside: QWidget,
    ) -> None:
        """`place` holds the canvas; `aside` goes where the sheet needs the room."""
        super().__init__(place)
        self._context, self._request, self._panel = context, request, panel
        self._steering, self._next_run = steering, next_run
        self._place, self._aside = place, aside
        self.view: CompareView | None = None  # made when it is first asked for
        self.action = make_action(
            place,
            tr("Compare"),
            "Ctrl+Shift+K",
            tip=tr("One seed with several samplers, steps, models…"),
            checkable=True,
        )
        self.action.toggled.connect(self._toggle)
        request.changed.connect(self._follow_panel)
        request.model_changed.connect(self._offer)
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
        self._panel.foot.show_progress(0, queue=False)

    def stop(self) -> None:
        """Stop generating; else go back, from two images to the grid, from the grid to the canvas."""
        if self.view is not None and self.running:
            self.view.stop()
        elif self.view is not None and not self.view.leave():
            self.action.setChecked(False)

    def _take_seed(self) -> None:
        """An unlocked seed is that of the image on the canvas, which is to be compared; else a new one."""
        shown = self._steering.shown_seed
        if not self._request.locked and not self._request.fresh and shown is not None:
            self._request.use_seed_once(shown)
        self._request.settle_seed()

    def _base(self) -> GenerationSettings:
        return replace(self._request.value(), history=(), count=1, until=0)

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
            view.head.columns.setting.setFocus()
        else:
            self._next_run.show_state()
            self.left.emit()

    def _made(self) -> CompareView:
        if self.view is None:
            from diffusion_studio.ui.compare.view import CompareView

            view = self.view = CompareView(self._context, self._steering.generation.worker)
            self._place.addWidget(view)
            order = [self._panel.foot.button, *view.controls]
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
                self.view.head.offer(self._request.card, self._base())
            except UserError:
                return  # a value in the form is not allowed; said when it is to be used

    def _follow_panel(self) -> None:
        """The main button compares while the sheet is shown."""
        if self.view is None or not self.shown:
            return
        self._mark_ruled()
        count = self.view.head.count
        name = tr("Compare {count} images", count=count) if count > 1 else tr("Compare")
        self._panel.foot.name(name, tr("Generate the comparison grid (Ctrl+Enter)"))
        able = self._request.card is not None and count > 0 and not self.running
        self._panel.foot.button.setEnabled(able)

    def _mark_ruled(self) -> None:
        """Settings that the axes decide are disabled in the panel for as long as the sheet is shown."""
        ruled: set[str] = set()
        if self.view is not None and self.shown:
            head = self.view.head
            ruled = {"count", head.columns.setting.value(), head.rows.setting.value()}
        self._panel.show_ruled(ruled)

    def _follow_preferences(self) -> None:
        if self.view is not None:
            self.view.sheet.set_crisp(self._context.preferences.scaling == "crisp")

    def _on_progress(self, share: float, words: str) -> None:
        self._panel.foot.show_progress(share, queue=False)
        self._panel.foot.line.setText(words)

    def _on_ended(self, words: str) -> None:
        self._panel.foot.show_idle()
        self._panel.foot.line.setText(words)
        self.ended.emit()
        self._follow_panel()
