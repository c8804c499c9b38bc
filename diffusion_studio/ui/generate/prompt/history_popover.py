"""The prompts generated with lately, to search and to use again."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.errors import UserError
from diffusion_studio.language import plural, tr
from diffusion_studio.settings.prompt_history import PastPrompt, PromptHistory
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.buttons import text_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import one_line, shorten, tooltip
from diffusion_studio.ui.look.theme import SPACE_M, SPACE_S
from diffusion_studio.ui.widgets.popover import Popover

WIDTH, HEIGHT = 420, 320  # pixels
LONGEST = 120  # letters of a row


class HistoryPopover(Popover):
    """Typing searches, Up and Down choose, Return uses."""

    chosen = Signal(object)  # PastPrompt

    def __init__(self, context: AppContext, history: PromptHistory, parent: QWidget) -> None:
        super().__init__(tr("Past prompts"), parent)
        self._context, self._history = context, history
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search past prompts"))
        self.search.setAccessibleName(tr("Search past prompts"))
        self.search.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setObjectName("completions")
        self.list.setAccessibleName(tr("Past prompts"))
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.empty = plain_label("", "small")
        self.empty.setWordWrap(True)
        self.remove = text_button(tr("Remove"), tr("Forget the selected prompt (Del)"))
        self.clear = text_button(tr("Clear all"), tr("Forget every prompt; Undo brings them back"))
        head = QHBoxLayout()
        head.addWidget(plain_label(tr("Past prompts"), "heading"), 1)
        head.addWidget(self.remove)
        head.addWidget(self.clear)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_M, SPACE_M, SPACE_M, SPACE_M)
        column.setSpacing(SPACE_S)
        column.addLayout(head)
        column.addWidget(self.search)
        column.addWidget(self.empty)
        column.addWidget(self.list, 1)
        self.setFixedSize(WIDTH, HEIGHT)
        self.search.textChanged.connect(lambda _: self.fill())
        self.list.itemActivated.connect(lambda item: self._use(item))
        self.list.itemClicked.connect(lambda item: self._use(item))
        self.remove.clicked.connect(self._remove)
        self.clear.clicked.connect(self._clear)

    def show_below(self, button: QWidget) -> None:
        """Open over the window that a button is in, under the button as far as there is room."""
        self.search.clear()
        self.fill()
        window = button.window()
        self.setParent(window)
        corner = button.mapTo(window, QPoint(0, button.height() + SPACE_S // 2))
        self.move(
            max(min(corner.x(), window.width() - WIDTH - SPACE_S), SPACE_S),
            max(min(corner.y(), window.height() - HEIGHT - SPACE_S), SPACE_S),
        )
        self.pop_up(self.search)

    def fill(self) -> None:
        """List what is found."""
        found = self._history.find(self.search.text())
        self.list.clear()
        for past in found:
            item = QListWidgetItem(shorten(one_line(past.prompt), LONGEST))
            words = (
                past.prompt
                if not past.negative
                else f"{past.prompt}\n\n{tr('Negative prompt')}: {past.negative}"
            )
            item.setToolTip(tooltip(words[:2000]))
            item.setData(Qt.ItemDataRole.UserRole, past)
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.list.setVisible(bool(found))
        self.empty.setText(
            tr("No past prompt holds these words.")
            if self.search.text()
            else tr("Prompts appear here once you generate with them.")
        )
        self.empty.setVisible(not found)
        for button in (self.remove, self.clear):
            button.setEnabled(bool(found))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The keys of the search and the list too."""
        if super().eventFilter(watched, event):
            return True
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            key, row = event.key(), self.list.currentRow()
            if watched is self.search and key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
                step = 1 if key == Qt.Key.Key_Down else -1
                self.list.setCurrentRow(min(max(row + step, 0), self.list.count() - 1))
                return True
            if watched is self.search and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._use(self.list.currentItem())
                return True
            if watched is self.list and key == Qt.Key.Key_Delete:
                self._remove()
                return True
        return False

    def _use(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            past = item.data(Qt.ItemDataRole.UserRole)
            self.hide()
            self.chosen.emit(past)

    def _remove(self) -> None:
        item = self.list.currentItem()
        if item is None:
            return
        before = self._history.find()
        if self._change(lambda: self._history.remove(item.data(Qt.ItemDataRole.UserRole))):
            self._forgotten(before, 1)

    def _clear(self) -> None:
        before = self._history.find()
        if not self._change(self._history.clear):
            return
        self.hide()
        self._forgotten(before, len(before))

    def _forgotten(self, before: list[PastPrompt], count: int) -> None:
        sentence = plural("{count} past prompt was forgotten.", "{count} past prompts were forgotten.", count)
        undo = Change(tr("forgetting of past prompts"), lambda: self._history.restore(before))
        self._context.done(sentence, undo)

    def _change(self, do) -> bool:  # type: ignore[no-untyped-def]
        try:
            do()
        except UserError as error:
            self._context.show_fault(str(error))
            return False
        self.fill()
        return True
