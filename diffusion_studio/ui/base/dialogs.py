"""The window's own dialogs: a question, a name, and a form with fields. Foreign text in them is shown as it is."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import (
    QDialog,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.icons import icon
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.texts import title_text
from diffusion_studio.ui.look.theme import SPACE_L, SPACE_S, SPACE_XL, tokens

WIDTH = 440  # pixels
LONGEST_NAME = 200  # letters


class FormDialog(QDialog):
    """A heading, rows of labels with their fields, and two buttons. `accept_button` is pressed by Return."""

    def __init__(
        self,
        parent: QWidget | None,
        title: str,
        *,
        accept: str,
        explanation: str = "",
        danger: bool = False,
        symbol: str = "",
    ) -> None:
        """`accept`: what the button says that agrees; `danger`: it cannot be undone, so Return cancels instead."""
        super().__init__(parent)
        self.setWindowTitle(title_text(title))
        self.setMinimumWidth(WIDTH)
        self.heading = _wrapped(title, "heading")
        self.explanation = _wrapped(explanation, "quiet")
        self.fault = _wrapped("", "fault")
        self.accept_button = push_button(accept, explanation or title)
        self.accept_button.setProperty("danger" if danger else "primary", True)
        self.cancel_button = push_button(tr("Cancel"), tr("Change nothing"))
        self._body = QVBoxLayout()
        self._body.setSpacing(SPACE_S)
        self._lay_out(symbol, danger)
        self.explanation.setVisible(bool(explanation))
        self.fault.hide()
        default = self.cancel_button if danger else self.accept_button
        default.setDefault(True)
        default.setFocus()
        self.accept_button.clicked.connect(self.accept)
        self.cancel_button.clicked.connect(self.reject)

    def add_row(self, label: str, field: QWidget) -> None:
        """A field under its label."""
        words = plain_label(label, "quiet")
        words.setBuddy(field)
        if not field.accessibleName():
            field.setAccessibleName(label)
        self._body.addWidget(words)
        self._body.addWidget(field)

    def add(self, widget: QWidget) -> None:
        """Anything that needs no label."""
        self._body.addWidget(widget)

    def show_fault(self, sentence: str) -> None:
        """Say under the fields why they are not accepted as they are; "": they are."""
        self.fault.setText(sentence)
        self.fault.setAccessibleName(sentence)
        self.fault.setVisible(bool(sentence))
        self.accept_button.setEnabled(not sentence)

    def event(self, event: QEvent) -> bool:
        """Words that appear make it taller; it does not shrink again, so that nothing moves twice."""
        asked = event.type() == QEvent.Type.LayoutRequest
        handled = super().event(event)  # which may be its end
        if asked:
            needed = self._whole.totalHeightForWidth(self.width())
            if needed > self.height():
                self.resize(self.width(), needed)
        return handled

    def ask(self) -> bool:
        """Whether the user agreed; the dialog is gone afterwards."""
        agreed = self.exec() == QDialog.DialogCode.Accepted
        self.deleteLater()
        return agreed

    def _lay_out(self, symbol: str, danger: bool) -> None:
        words = QVBoxLayout()
        words.setSpacing(SPACE_S)
        for part in (self.heading, self.explanation):
            words.addWidget(part)
        words.addLayout(self._body)
        words.addWidget(self.fault)
        top = QHBoxLayout()
        top.setSpacing(SPACE_L)
        if symbol:
            sign = QLabel()
            colour = tokens().danger if danger else tokens().accent
            sign.setPixmap(icon(symbol, colour, size=24).pixmap(24, 24))
            top.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE_S)
        foot.addStretch(1)
        for button in (self.cancel_button, self.accept_button):
            foot.addWidget(button)
        self._whole = QVBoxLayout(self)
        self._whole.setContentsMargins(SPACE_XL, SPACE_XL, SPACE_XL, SPACE_L)
        self._whole.setSpacing(SPACE_L)
        self._whole.addLayout(top)
        self._whole.addLayout(foot)


class NameDialog(FormDialog):
    """Asks for a name. `check` returns why one is not allowed, in a sentence, or ""."""

    def __init__(
        self,
        parent: QWidget | None,
        title: str,
        name: str = "",
        *,
        accept: str,
        label: str,
        check: Callable[[str], str] = lambda name: "",
    ) -> None:
        super().__init__(parent, title, accept=accept)
        self._before, self._check = name, check
        self.field = QLineEdit(name)
        self.field.setMaxLength(LONGEST_NAME)
        self.field.selectAll()
        self.add_row(label, self.field)
        self.field.textChanged.connect(self._follow)
        self._follow()
        self.field.setFocus()

    @property
    def name(self) -> str:
        return self.field.text().strip()

    def _follow(self) -> None:
        self.show_fault(self._check(self.name) if self.name and self.name != self._before else "")
        self.accept_button.setEnabled(bool(self.name) and self.fault.isHidden())


def ask_question(
    parent: QWidget | None,
    title: str,
    explanation: str = "",
    *,
    accept: str,
    danger: bool = False,
) -> bool:
    """A question that `title` asks; `accept` is the word on the button that agrees, as in “Discard”."""
    symbol = "alert" if danger else "question"
    return FormDialog(
        parent, title, accept=accept, explanation=explanation, danger=danger, symbol=symbol
    ).ask()


def ask_name(
    parent: QWidget | None,
    title: str,
    name: str = "",
    *,
    accept: str,
    label: str,
    check: Callable[[str], str] = lambda name: "",
) -> str | None:
    """Another name, without spaces around it; None where the user cancels or leaves it as it was."""
    dialog = NameDialog(parent, title, name, accept=accept, label=label, check=check)
    return dialog.name if dialog.ask() and dialog.name != name else None


def ask_number(
    parent: QWidget | None,
    title: str,
    number: float,
    *,
    accept: str,
    label: str,
    low: float,
    high: float,
    decimals: int = 1,
) -> float | None:
    """A number from `low` to `high`; None where the user cancels."""
    dialog = FormDialog(parent, title, accept=accept)
    field = QDoubleSpinBox()
    field.setDecimals(decimals)
    field.setRange(low, high)
    field.setValue(number)
    field.selectAll()
    dialog.add_row(label, field)
    field.setFocus()
    return field.value() if dialog.ask() else None


def close_row(dialog: QDialog) -> QHBoxLayout:
    """The foot of a dialog that only shows something: one button that closes it."""
    close: QPushButton = push_button(tr("Close"), tr("Close this dialog"))
    close.setDefault(True)
    close.clicked.connect(dialog.reject)
    row = QHBoxLayout()
    row.addStretch(1)
    row.addWidget(close)
    return row


def _wrapped(text: str, kind: str) -> QLabel:
    label = plain_label(text, kind)
    label.setWordWrap(True)
    return label
