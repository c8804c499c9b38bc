"""Comparing in place of the canvas: when the grid is shown, with which seed, and what the main button does then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.base.worker import Worker
from diffusion_studio.ui.compare.view import CompareView
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.pictures.picture import Picture


class CompareMode(QObject):
    """Observes the request, and tells the panel and the canvas by signals what to do."""

    settings_wanted = Signal(object)  # names and values of GenerationSettings
    image_wanted = Signal(object)  # Picture, to be shown on the canvas
    entered = Signal(object)  # CompareView: it took the place of the canvas
    left = Signal()  # the canvas has its place again
    ruled = Signal(object)  # set of str: the settings that the axes decide
    named = Signal(str, bool)  # what the main button says, and whether it can be pressed
    progressed = Signal(float, str)  # share done, words
    ended = Signal(str)  # the outcome in words

    def __init__(
        self,
        context: AppContext,
        request: GenerationRequest,
        worker: Worker,
        place: QStackedWidget,
        shown_seed: Callable[[], int | None],
    ) -> None:
        """`worker`: the thread that generates; `place` has the canvas as its first widget; `shown_seed`: of the image on it."""
        super().__init__(place)
        self._context, self._request, self._worker = context, request, worker
        self._place, self._shown_seed = place, shown_seed
        self.view: CompareView | None = None  # made when it is first asked for
        self.action = make_action(
            place,
            tr("Compare"),
            "Ctrl+Shift+K",
            tip=tr("One seed with several samplers, steps, models…"),
            checkable=True,
        )
        self.action.toggled.connect(self._toggle)
        request.changed.connect(self._follow)
        request.model_changed.connect(self._offer)
        context.models_changed.connect(self._offer)
        context.preferences_changed.connect(self._follow_preferences)

    @property
    def shown(self) -> bool:
        return self.action.isChecked()

    @property
    def running(self) -> bool:
        return self.view is not None and self.view.running

    @property
    def foot(self) -> QWidget | None:
        """The row of buttons at its bottom, where there is one."""
        return self.view.foot if self.view is not None else None

    def leave(self) -> None:
        """Show the canvas again."""
        self.action.setChecked(False)

    def start(self) -> None:
        """What the main button does here."""
        if self.view is None or self.running:
            return
        try:
            self._take_seed()
            self.view.start(self._base())
        except UserError as error:
            self._context.show_fault(str(error))

    def stop(self) -> None:
        """Stop generating; else go back, from two images to the grid, from the grid to the canvas."""
        if self.view is not None and self.running:
            self.view.stop()
        elif self.view is not None and not self.view.leave():
            self.leave()

    def _take_seed(self) -> None:
        """An unlocked seed is that of the image on the canvas, which is to be compared; else a new one."""
        shown = self._shown_seed()
        if not self._request.locked and not self._request.fresh and shown is not None:
            self._request.use_seed_once(shown)
        self._request.settle_seed()

    def _base(self) -> GenerationSettings:
        return replace(self._request.value(), history=(), count=1, until=0)

    def _toggle(self, on: bool) -> None:
        view = self._made()
        if on:
            self._offer()
            self._place.setCurrentWidget(view)
            self.entered.emit(view)
            self._follow()
            view.head.columns.setting.setFocus()
        else:
            self._place.setCurrentIndex(0)
            view.stop()
            self.ruled.emit(set())
            self.left.emit()

    def _made(self) -> CompareView:
        if self.view is None:
            view = self.view = CompareView(self._context, self._worker)
            self._place.addWidget(view)
            view.closed.connect(self.leave)
            view.settings_wanted.connect(self.settings_wanted)
            view.head.changed.connect(self._follow)
            view.progressed.connect(self.progressed)
            view.ended.connect(self._on_ended)
            view.shown_alone.connect(self._show_alone)
            self._follow_preferences()
        return self.view

    def _show_alone(self, picture: Picture) -> None:
        self.leave()
        self.image_wanted.emit(picture)

    def _offer(self) -> None:
        if self.view is not None and self.shown:
            try:
                self.view.head.offer(self._request.card, self._base())
            except UserError:
                return  # a value in the form is not allowed; said when it is to be used

    def _follow(self) -> None:
        """Say what the axes decide, and what the main button does with them."""
        if self.view is None or not self.shown:
            return
        head = self.view.head
        self.ruled.emit({"count", head.columns.setting.value(), head.rows.setting.value()})
        count = head.count
        name = plural("Compare {count} image", "Compare {count} images", count) if count else tr("Compare")
        self.named.emit(name, self._request.card is not None and count > 0 and not self.running)

    def _follow_preferences(self) -> None:
        if self.view is not None:
            self.view.sheet.set_crisp(self._context.preferences.scaling == "crisp")

    def _on_ended(self, words: str) -> None:
        self.ended.emit(words)
        self._follow()
