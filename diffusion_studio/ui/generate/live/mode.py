"""Live on the Generate page: the toggle at its foot, its words on the canvas, and the square of four seeds in the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction

from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.requests import MakeFast
from diffusion_studio.ui.generate.live.corners import CornerImages
from diffusion_studio.ui.generate.live.live import Live
from diffusion_studio.ui.generate.live.wander import Wander

if TYPE_CHECKING:
    from diffusion_studio.ui.generate.page import GeneratePage


class LiveMode(QObject):
    def __init__(self, context: AppContext, page: GeneratePage) -> None:
        super().__init__(page)
        self._context, self._page = context, page
        self.live = Live(context, page.request, page.canvas, page.steering, page.start, page)
        self.wander = Wander(page.request)
        page.panel.add_last(self.wander)
        self.corners = CornerImages(page.request, self.live, page.steering, self.wander)
        self.plan_wanted = self.live.plan_wanted
        page.caption.live = lambda: self.live.words if self.live.showing else ""
        foot, compare = page.panel.foot, page.compare
        foot.offer_live(self.action)
        foot.fast.clicked.connect(self._make_fast)
        self.live.changed.connect(self._show)
        self.action.changed.connect(self._show)
        self.wander.keep_wanted.connect(page.generate)
        page.steering.begun.connect(self._remember_words)
        compare.entered.connect(lambda _: self._block(True))
        compare.left.connect(lambda: self._block(False))
        self._show()

    @property
    def action(self) -> QAction:
        return self.live.action

    def replan(self) -> None:
        """Models came or went."""
        self.live.replan()

    def end(self) -> None:
        """Leave nothing running."""
        self.live.end()
        self.corners.end()

    def close_down(self) -> None:
        self.end()

    def _block(self, blocked: bool) -> None:
        """A comparison takes the place of the canvas, or gives it back."""
        self.live.blocked = blocked
        if blocked:
            self.live.end()
        self._show()

    def _remember_words(self) -> None:
        """A prompt is kept among the past ones once it was asked for, and not while it is being written."""
        if not self._page.steering.plan_settles:
            self._page.words.remember()

    def _show(self) -> None:
        live = self.live
        self._page.panel.foot.show_live(live.action, live.words, too_slow=live.too_slow)
        if live.showing:
            self._page.caption.describe()

    def _make_fast(self) -> None:
        from diffusion_studio.ui.models.fast_dialog import FastDialog

        card = self._page.request.card
        if card is None:
            return
        dialog = FastDialog(card, self._page.request.cards, self._page)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.requested.connect(lambda settings: self._context.go_to("train", MakeFast(settings, card.size)))
        dialog.open()
