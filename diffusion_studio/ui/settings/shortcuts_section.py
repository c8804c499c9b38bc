"""The shortcuts of every command, to be searched and changed; a key that is taken says by what."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import plural, tr
from diffusion_studio.ui.base.commands import Command
from diffusion_studio.ui.base.context import AppContext
from diffusion_studio.ui.base.dialogs import FormDialog
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.look.buttons import push_button
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import SPACE_S

ROWS = 380  # pixels the table is high at least


class ShortcutsSection(QWidget):
    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._shown: list[Command] = []
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search commands or keys"))
        self.search.setAccessibleName(tr("Search commands or keys"))
        self.search.setAccessibleDescription(tr("Show only commands with these words or keys"))
        self.search.setClearButtonEnabled(False)
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels([tr("Command"), tr("Place"), tr("Shortcut")])
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        self.table.setMinimumHeight(ROWS)
        self.table.setAccessibleName(tr("Shortcuts"))
        self.table.setAccessibleDescription(tr("Return changes the shortcut of the selected command"))
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.horizontalHeader().setDefaultAlignment(
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        )
        self.change = push_button(tr("Change…"), tr("Give the selected command another shortcut"))
        self.reset = push_button(tr("Reset"), tr("Give the selected command its usual shortcut again"))
        self.hint = plain_label(tr("No results"), "quiet")
        foot = QHBoxLayout()
        foot.setSpacing(SPACE_S)
        foot.addWidget(self.hint, 1)
        for button in (self.reset, self.change):
            foot.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_S)
        for part in (self.search, self.table):
            column.addWidget(part)
        column.addLayout(foot)
        self.search.textChanged.connect(lambda _: self._show())
        self.table.itemSelectionChanged.connect(self._follow)
        self.table.itemActivated.connect(lambda _: self._change())
        self.change.clicked.connect(self._change)
        self.reset.clicked.connect(self._reset)
        context.commands.changed.connect(self._show)
        self._follow()

    @property
    def selected(self) -> Command | None:
        row = self.table.currentRow()
        return self._shown[row] if self.table.selectedItems() and 0 <= row < len(self._shown) else None

    def refresh(self) -> None:
        """Read all commands again; the pages that were not visited yet are made for it."""
        self._context.commands.all()
        self._show()

    def select(self, name: str) -> None:
        """Select the command of this name."""
        self.table.selectRow(next(row for row, command in enumerate(self._shown) if command.name == name))

    def _show(self) -> None:
        words = self.search.text().lower().split()
        chosen = self.selected
        commands = [command for command in self._context.commands.known() if _fits(command, words)]
        self._shown = sorted(commands, key=lambda command: (command.page or "", command.menu, command.text))
        self.table.setRowCount(len(self._shown))
        for row, command in enumerate(self._shown):
            for column, text in enumerate((command.text, _place(command), _keys(command))):
                item = QTableWidgetItem(text)
                if column == 2 and self._context.commands.is_changed(command):
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                self.table.setItem(row, column, item)
        self.table.resizeColumnToContents(1)
        self.table.resizeColumnToContents(2)
        self.hint.setText("" if self._shown else tr("No results"))
        if chosen in self._shown:
            self.table.selectRow(self._shown.index(chosen))
        self._follow()

    def _follow(self) -> None:
        command = self.selected
        self.change.setEnabled(command is not None)
        self.reset.setEnabled(command is not None and self._context.commands.is_changed(command))

    def _change(self) -> None:
        command = self.selected
        if command is None:
            return
        dialog = ShortcutDialog(self._context, command, self)
        if dialog.ask():
            keys = dialog.keys
            self._do(lambda: self._context.commands.change(command, keys))

    def _reset(self) -> None:
        command = self.selected
        if command is not None:
            self._do(lambda: self._context.commands.reset(command))

    def _do(self, change: Callable[[], None]) -> None:
        """Change the keys of commands; Undo gives all of them those they had."""
        commands = self._context.commands
        before = commands.chosen()
        change()
        after = commands.chosen()
        if after == before:
            return
        self._context.undo.push(
            Change(
                tr("change of a shortcut"), lambda: commands.restore(before), lambda: commands.restore(after)
            )
        )


class ShortcutDialog(FormDialog):
    """Takes the keys that are pressed, and says at once whose they are."""

    def __init__(self, context: AppContext, command: Command, parent: QWidget) -> None:
        super().__init__(
            parent,
            command.text,
            accept=tr("Assign"),
            explanation=tr("Press the keys for this command. Leave the field empty for none."),
        )
        self._context, self._command = context, command
        self.field = QKeySequenceEdit(command.action.shortcut())
        self.field.setMaximumSequenceLength(1)
        self.field.setClearButtonEnabled(True)
        self.add_row(tr("Shortcut"), self.field)
        self.conflict = plain_label("", "warning")
        self.conflict.setWordWrap(True)
        self.add(self.conflict)
        self.field.keySequenceChanged.connect(self._follow)
        self._follow()
        self.field.setFocus()

    @property
    def keys(self) -> QKeySequence:
        return self.field.keySequence()

    def _follow(self) -> None:
        others = self._context.commands.conflicts(self._command, self.keys)
        names = ", ".join(f"“{other.text}”" for other in others)
        self.conflict.setText(
            plural(
                "{names} has these keys now, and will lose them.",
                "{names} have these keys now, and will lose them.",
                len(others),
                names=names,
            )
            if others
            else ""
        )


def _fits(command: Command, words: list[str]) -> bool:
    whole = f"{command.text} {_place(command)} {command.keys}".lower()
    return all(word in whole for word in words)


def _place(command: Command) -> str:
    return tr("Everywhere") if command.page is None else command.page.capitalize()


def _keys(command: Command) -> str:
    native = QKeySequence.SequenceFormat.NativeText
    return ", ".join(keys.toString(native) for keys in command.action.shortcuts())
