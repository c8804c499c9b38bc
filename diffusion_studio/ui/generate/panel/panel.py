"""The panel left of the canvas: what the request starts from, its settings in sections, and the actions below them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.ui.compare.mode import CompareMode
from diffusion_studio.ui.generate.panel.action_bar import ActionBar
from diffusion_studio.ui.generate.panel.few_steps import FewSteps
from diffusion_studio.ui.generate.panel.form import RequestForm, controls_of
from diffusion_studio.ui.generate.panel.note import PanelNote
from diffusion_studio.ui.generate.prompt.section import PromptSection
from diffusion_studio.ui.generate.request import GenerationRequest
from diffusion_studio.ui.look.theme import SCROLL_WIDTH, SPACE_L, SPACE_S
from diffusion_studio.ui.models.chooser import ModelChooser
from diffusion_studio.ui.widgets.spacing_curve import NoiseCurve


class GenerationPanel(QWidget):
    def __init__(self, request: GenerationRequest, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._request = request
        self.words: PromptSection | None = None
        self.chooser = ModelChooser()
        self.form = RequestForm(request, self.chooser)
        self.curve = NoiseCurve()
        self.form.add_below("spacing", self.curve)
        self.few_steps = FewSteps(request)
        self.form.add_below("count", self.few_steps)
        self.note = PanelNote()
        self.foot = ActionBar(self)
        self._lay_out()
        request.changed.connect(self._follow)
        request.model_changed.connect(self._show_model)
        self._show_model()

    def show_cards(self, cards: Sequence[ModelCard]) -> None:
        """Offer these models."""
        blocked = self.chooser.blockSignals(True)
        self.chooser.show_cards(cards)
        self.chooser.blockSignals(blocked)
        self._request.show_cards(cards)

    def show_ruled(self, names: Collection[str]) -> None:
        """Disable what a comparison decides for itself."""
        self.form.disable("comparison", names)
        self.few_steps.setEnabled(not names)

    def follow_comparison(self, compare: CompareMode) -> None:
        """Show what a comparison decides and how far it is, while it takes the place of the canvas."""
        compare.ruled.connect(self.show_ruled)
        compare.named.connect(self._name_comparison)
        compare.progressed.connect(self._show_comparison)
        compare.ended.connect(self._end_comparison)

    def _name_comparison(self, name: str, able: bool) -> None:
        self.foot.name(name, tr("Generate the comparison grid (Ctrl+Enter)"))
        self.foot.button.setEnabled(able)

    def _show_comparison(self, share: float, words: str) -> None:
        self.foot.show_progress(share, queue=False)
        self.foot.line.setText(words)

    def _end_comparison(self, words: str) -> None:
        self.foot.show_idle()
        self.foot.show_outcome(words)

    def add_section(self, name: str, section: QWidget) -> None:
        """Place what may hide itself under the row of a setting."""
        self.form.add_below(name, section)

    def add_words(self, words: PromptSection) -> None:
        """Place what is about words between the model and the result."""
        self.words = words
        self.form.add_after("model", words)
        self.form.adopt(words.fields)

    def add_last(self, section: QWidget) -> None:
        """Place something under the form."""
        self._inner.insertWidget(self._inner.count() - 1, section)

    def tab_order(self) -> list[QWidget]:
        order = self.form.tab_order()
        after = order.index(self.form.fields["count"]) + 1
        model, words = len(controls_of(self.chooser)), self.words.controls if self.words is not None else []
        return [
            *(*self.note.controls, *order[:model], *words),
            *(*order[model:after], *self.few_steps.controls, *order[after:]),
            *self.foot.controls,
        ]

    def _show_model(self) -> None:
        card = self._request.card
        if card is not None:
            self.curve.show_model(card.schedule, tokens=card.size**2)
        self._follow()

    def _follow(self) -> None:
        settings = self._request.settings
        self.curve.show_steps(settings.spacing, settings.steps, settings.shift)

    def _make_room(self, lowest: int, highest: int) -> None:
        """Let a scroll bar take the place of the margin, not of the fields."""
        right = SPACE_L - (SCROLL_WIDTH if highest > lowest else 0)
        self._inner.setContentsMargins(SPACE_L, SPACE_L, right, SPACE_S)

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("panelBody")
        inner = self._inner = QVBoxLayout(body)
        inner.setContentsMargins(SPACE_L, SPACE_L, SPACE_L, SPACE_S)
        inner.addWidget(self.form)
        inner.addStretch(1)
        area = QScrollArea()
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(body)
        area.verticalScrollBar().rangeChanged.connect(self._make_room)
        top = QFrame()
        top.setObjectName("panel")
        around = QVBoxLayout(top)
        around.setContentsMargins(0, 0, 0, 0)
        around.setSpacing(0)
        around.addWidget(area, 1)
        around.addWidget(self.note)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(top, 1)
        column.addWidget(self.foot)
