"""The places of the Generate page, resized, hidden and remembered: panel, canvas with toolbar and timeline, latest images."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QAction, QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.settings.options import option
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.page import action as make_action
from diffusion_studio.ui.look.theme import STRIP_WIDTH, comfortable

SECTION = "generate_layout"
NARROWEST_PANEL, WIDEST_PANEL = 344, 460  # pixels
NARROWEST_STRIP, WIDEST_STRIP = 92, 400
DEFAULT_PANEL, COMFORTABLE_WIDTHS = 350, (400, 244)  # of the panel, and on a wide screen of both


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutSettings:
    """What is remembered of the page from one start to the next."""

    panel: int = option(
        DEFAULT_PANEL,
        min=NARROWEST_PANEL,
        max=WIDEST_PANEL,
        label=tr("Panel width"),
        help=tr("pixels of the settings"),
    )
    strip: int = option(
        STRIP_WIDTH,
        min=NARROWEST_STRIP,
        max=WIDEST_STRIP,
        label=tr("Recent width"),
        help=tr("pixels of the latest images"),
    )
    sections: str = option(
        "result quality", label=tr("Open sections"), help=tr("names of the open sections of the panel")
    )


class PageLayout(QObject):
    """Tab on the canvas hides everything around it, unless the canvas was reached with the Tab key itself."""

    hidden_changed = Signal(bool)

    def __init__(self, context: AppContext, page: QWidget, panel: QWidget, canvas: QWidget) -> None:
        super().__init__(page)
        self._context, self._panel, self._canvas = context, panel, canvas
        self._around: list[QWidget] = []  # what can be hidden
        self._by_key = False  # whether the canvas was reached with the Tab key
        self.middle = QStackedWidget()  # the canvas, or a comparison in its place
        self.below = QSplitter(Qt.Orientation.Vertical)  # the canvas, and what belongs under it
        self.across = QSplitter(Qt.Orientation.Horizontal)
        self.hide_action: QAction = make_action(
            page,
            tr("Hide panels"),
            "Ctrl+\\",
            tip=tr("Show the canvas alone, or everything again (Tab on the canvas)"),
            checkable=True,
        )
        self.hide_action.toggled.connect(self._hide)
        canvas.installEventFilter(self)

    def place(self, page: QWidget, toolbar: QWidget, timeline: QWidget, strip: QWidget) -> None:
        """Put everything into the page."""
        self._around = [self._panel, toolbar, strip]
        center = QWidget()
        column = QVBoxLayout(center)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(toolbar)
        self.below.addWidget(self._canvas)
        self.below.addWidget(timeline)
        self.below.setChildrenCollapsible(False)
        self.below.setStretchFactor(0, 1)
        column.addWidget(self.below, 1)
        self.middle.addWidget(center)
        for place, part in enumerate((self._panel, self.middle, strip)):
            self.across.addWidget(part)
            self.across.setStretchFactor(place, 1 if place == 1 else 0)
        self.across.setChildrenCollapsible(False)
        self.across.setObjectName("panelSplitter")
        self.across.setHandleWidth(4)
        self._panel.setMinimumWidth(NARROWEST_PANEL)
        self._panel.setMaximumWidth(WIDEST_PANEL)
        strip.setMinimumWidth(NARROWEST_STRIP)
        strip.setMaximumWidth(WIDEST_STRIP)
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.across)

    def recall(self) -> LayoutSettings:
        """Give the parts the sizes they had; returns what else was remembered."""
        kept: LayoutSettings = self._context.settings_file.load(SECTION, LayoutSettings)
        first = kept.panel == DEFAULT_PANEL and kept.strip == STRIP_WIDTH and comfortable()
        panel, strip = COMFORTABLE_WIDTHS if first else (kept.panel, kept.strip)
        self.across.setSizes([panel, 10_000, strip])
        return kept

    def remember(self, sections: list[str]) -> None:
        panel, _, strip = self.across.sizes()
        kept: LayoutSettings = self._context.settings_file.load(SECTION, LayoutSettings)
        kept = LayoutSettings(
            panel=panel if NARROWEST_PANEL <= panel <= WIDEST_PANEL else kept.panel,
            strip=strip if NARROWEST_STRIP <= strip <= WIDEST_STRIP else kept.strip,
            sections=" ".join(sections) or "-",
        )
        self._context.settings_file.store(SECTION, kept)

    def _hide(self, hidden: bool) -> None:
        for part in self._around:
            part.setVisible(not hidden)
        self.hidden_changed.emit(hidden)
        if hidden:
            self._canvas.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QFocusEvent) and event.gotFocus():
            tabbed = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
            self._by_key = event.reason() in tabbed
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() == Qt.Key.Key_Tab
            and event.modifiers() == Qt.KeyboardModifier.NoModifier
            and (self.hide_action.isChecked() or not self._by_key)
        ):
            self.hide_action.toggle()
            return True
        return False
