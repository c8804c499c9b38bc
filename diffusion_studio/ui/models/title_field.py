"""The title of a model, edited where it is shown."""

from __future__ import annotations

import re

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QLineEdit, QStackedLayout, QVBoxLayout, QWidget

from diffusion_studio.language import tr
from diffusion_studio.ui.look.labels import PlainLabel, plain_label
from diffusion_studio.ui.look.texts import tooltip

LONG_WORD = re.compile(r"\S{16}(?=\S)")  # a label breaks lines at spaces, and where an invisible one is put

# the field's own menu, and another window, do not end the editing
STAYING = (Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason)


class TitleField(QWidget):
    """A label that becomes a text field: with a double click, or with `edit()`. Return accepts, Escape leaves it as it was."""

    renamed = Signal(str)  # another title, stripped and not taken

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = _Title()
        self.field = QLineEdit()
        self.field.setAccessibleName(tr("Title"))
        self.field.setProperty("title", True)
        self.field.setMaxLength(200)
        self.fault = plain_label("", "fault")
        self.fault.setWordWrap(True)
        self._title = ""
        self._taken: frozenset[str] = frozenset()
        self._shown = QStackedLayout()
        self._shown.addWidget(self.label)
        self._shown.addWidget(self.field)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(self._shown)
        column.addWidget(self.fault)
        self.fault.hide()
        self.label.double_clicked.connect(self.edit)
        self.field.textChanged.connect(self._check)
        self.field.returnPressed.connect(self._accept)
        self.field.installEventFilter(self)
        self.set_editable(True)

    @property
    def editing(self) -> bool:
        return self._shown.currentWidget() is self.field

    def text(self) -> str:
        return self._title

    def show_title(self, title: str, taken: frozenset[str] = frozenset()) -> None:
        """`taken`: names and titles of other models, in small letters."""
        self._taken = taken
        self._show(title)
        self._leave()

    def _show(self, title: str) -> None:
        self._title = title
        self.label.setText(LONG_WORD.sub(lambda part: part[0] + "\u200b", title))

    def set_editable(self, editable: bool) -> None:
        self._editable = editable
        self.label.setToolTip(tooltip(tr("Double-click to rename (F2)")) if editable else "")

    def edit(self) -> None:
        if self._editable and not self.editing:
            self.field.setText(self._title)
            self._shown.setCurrentWidget(self.field)
            self.field.selectAll()
            self.field.setFocus()

    def _wanted(self) -> str:
        return self.field.text().strip()

    def _fault(self) -> str:
        if not self._wanted():
            return tr("A model needs a title.")
        return tr("That name is taken.") if self._wanted().casefold() in self._taken else ""

    def _check(self) -> None:
        fault = self._fault() if self.editing else ""
        self.fault.setText(fault)
        self.fault.setVisible(bool(fault))
        self.field.setAccessibleDescription(fault)

    def _accept(self) -> None:
        if self.editing and not self._fault():
            title, before = self._wanted(), self._title
            self._leave()
            if title != before:
                self._show(title)
                self.renamed.emit(title)

    def _leave(self) -> None:
        self._shown.setCurrentWidget(self.label)
        self._check()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()  # the page's own Escape waits
                return True
            if event.type() == QEvent.Type.KeyPress:
                self._leave()
                return True
        if isinstance(event, QFocusEvent) and event.lostFocus() and self.editing:
            if event.reason() in STAYING:
                return False
            if self._fault():
                self._leave()
            else:
                self._accept()
        return False


class _Title(PlainLabel):
    double_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("title", True)
        self.setWordWrap(True)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.double_clicked.emit()
