"""A text of several lines for a prompt: grows with what is in it, and changes the weight of words by keys."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QWidget

from diffusion_studio.settings.options import Option, without_controls
from diffusion_studio.settings.prompt_syntax import reweighted
from diffusion_studio.ui.look.texts import first_upper, tooltip

MARGIN = 2  # pixels around the text, inside the padding of the style


class PromptEdit(QPlainTextEdit):
    """Ctrl+Up and Ctrl+Down change the weight of the selected words, or of the word at the cursor. Tab leaves the text."""

    changed = Signal()

    def __init__(self, option: Option, least: int, most: int, parent: QWidget | None = None) -> None:
        """`least` and `most`: the lines that are shown."""
        super().__init__(parent)
        self._longest, self._lines = option.longest or 10_000, (least, most)
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(MARGIN)
        self.setAccessibleName(option.label)
        explanation = first_upper(option.help)
        self.setAccessibleDescription(explanation)
        self.setToolTip(tooltip(explanation))
        self.textChanged.connect(self._on_text)
        self._fit()

    def value(self) -> str:
        return without_controls(self.toPlainText())[: self._longest]

    def show_value(self, text: str) -> None:
        """Show a text without saying so; Undo in the text brings the one before back."""
        if text == self.value():
            return
        blocked = self.blockSignals(True)
        cursor = self.textCursor()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self.blockSignals(blocked)
        self._fit()

    def replace_all(self, text: str, start: int, end: int) -> None:
        """Show another text and select from `start` to `end` in it, as one step of Undo."""
        cursor = self.textCursor()
        cursor.beginEditBlock()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        cursor.endEditBlock()
        cursor.setPosition(_units(text, start))
        cursor.setPosition(_units(text, end), QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and _weighs(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not _weighs(event):
            super().keyPressEvent(event)
            return
        text, cursor = self.toPlainText(), self.textCursor()
        start, end = (_letters(text, place) for place in (cursor.selectionStart(), cursor.selectionEnd()))
        changed, first, last = reweighted(text, start, end, event.key() == Qt.Key.Key_Up)
        if changed != text:
            at_word = not cursor.hasSelection()
            self.replace_all(changed, last if at_word else first, last)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Files are for the page that the text is on."""
        return source.hasText() and not source.hasUrls() and not source.hasImage()

    def insertFromMimeData(self, source: QMimeData) -> None:
        room = self._longest - len(self.toPlainText()) + len(self.textCursor().selectedText())
        self.insertPlainText(without_controls(source.text())[: max(room, 0)])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def sizeHint(self) -> QSize:
        return QSize(200, self.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self.height())

    def _on_text(self) -> None:
        if len(self.toPlainText()) > self._longest:
            self.show_value(self.toPlainText()[: self._longest])
        self._fit()
        self.changed.emit()

    def _fit(self) -> None:
        """As high as its lines, within the bounds."""
        least, most = self._lines
        lines = round(self.document().size().height())  # of a plain text: in lines, wrapped ones included
        shown = min(max(lines, least), most)
        around = self.height() - self.viewport().height()  # border and padding
        height = shown * self.fontMetrics().lineSpacing() + 2 * MARGIN + min(around, 40) + 1
        if height != self.height() or self.minimumHeight() != height:
            self.setFixedHeight(height)
        bar = Qt.ScrollBarPolicy.ScrollBarAsNeeded if lines > most else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setVerticalScrollBarPolicy(bar)


def _weighs(event: QKeyEvent) -> bool:
    return (
        event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier == Qt.KeyboardModifier.ControlModifier
        and (event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down))
    )


def _units(text: str, place: int) -> int:
    """A place in a text as Qt counts it, where letters beyond the first 65,536 count twice."""
    return len(text[:place].encode("utf-16-le", "surrogatepass")) // 2


def _letters(text: str, units: int) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le", "ignore"))
