"""The command palette: every action, found by a few letters of its name, with its shortcut beside it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QAction, QColor, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QDialog,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from diffusion_studio.language import tr
from diffusion_studio.ui.base.commands import Command
from diffusion_studio.ui.look.labels import plain_label
from diffusion_studio.ui.look.theme import RADIUS, SPACE_M, SPACE_S, tokens

WIDTH, HEIGHT, ROW = 560, 400, 34  # pixels
PATIENCE = 3000  # ms that a page just shown has to read what makes its command possible
Index = QModelIndex | QPersistentModelIndex


class CommandPalette(QDialog):
    """Return runs the selected command, on its own page."""

    page_wanted = Signal(str)  # PageName of a command that is not of the page that is shown

    def __init__(self, commands: Sequence[Command], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Dialog | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("palette")
        self.setWindowTitle(tr("Find a command"))
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Find a command"))
        self.search.setAccessibleName(tr("Find a command"))
        self.search.setAccessibleDescription(tr("Type a few letters of a command"))
        self.rows = CommandRows(commands, self)
        self.list = QListView()
        self.list.setModel(self.rows)
        self.list.setItemDelegate(CommandDelegate(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName(tr("Commands"))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.empty = plain_label(tr("No results"), "quiet")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_M, SPACE_M, SPACE_M, SPACE_M)
        column.setSpacing(SPACE_S)
        for part in (self.search, self.list, self.empty):
            column.addWidget(part)
        self.resize(min(WIDTH, parent.width() - 32), min(HEIGHT, parent.height() - 80))
        middle = parent.mapToGlobal(parent.rect().center())
        self.move(middle.x() - self.width() // 2, parent.mapToGlobal(parent.rect().topLeft()).y() + 64)
        self.search.installEventFilter(self)
        self.search.textChanged.connect(self._find)
        self.list.clicked.connect(lambda _: self._run())
        self._find("")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            ways = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1, Qt.Key.Key_PageUp: -8, Qt.Key.Key_PageDown: 8}
            if event.key() in ways and self.rows.rowCount():
                row = self.list.currentIndex().row() + ways[Qt.Key(event.key())]
                self._select(min(max(row, 0), self.rows.rowCount() - 1))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run()
                return True
        return False

    def _find(self, text: str) -> None:
        self.rows.find(text)
        found = self.rows.rowCount() > 0
        self.list.setVisible(found)
        self.empty.setVisible(not found)
        if found:
            self._select(0)

    def _select(self, row: int) -> None:
        self.list.setCurrentIndex(self.rows.index(row))
        self.search.setAccessibleDescription(self.rows.words(row))

    def _run(self) -> None:
        command = self.rows.at(self.list.currentIndex().row())
        if command is None:
            return
        self.accept()
        if command.page is not None:
            self.page_wanted.emit(command.page)
        QTimer.singleShot(0, command.action, lambda: Trigger(command.action))  # once this dialog has gone


class Trigger(QTimer):
    """Triggers an action: now, or as soon as the page that was just shown has what the action needs."""

    def __init__(self, action: QAction) -> None:
        super().__init__(action, singleShot=True, interval=PATIENCE)
        self._action = action
        self.timeout.connect(self.deleteLater)
        action.changed.connect(self._look)
        self.start()
        self._look()

    def _look(self) -> None:
        if self.isActive() and self._action.isEnabled():
            self.stop()
            self.deleteLater()
            self._action.trigger()


class CommandRows(QAbstractListModel):
    """The commands that hold every word that was typed in their names or explanations, best first; impossible ones come last."""

    def __init__(self, commands: Sequence[Command], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._all = list(commands)
        self.found: list[Command] = []

    def find(self, text: str) -> None:
        words = text.lower().split()
        ranked = [
            (rank, place, command)
            for place, command in enumerate(self._all)
            if (rank := _rank(command, words)) is not None
        ]
        self.beginResetModel()
        self.found = [command for _, _, command in sorted(ranked, key=lambda entry: entry[:2])]
        self.endResetModel()

    def at(self, row: int) -> Command | None:
        """None where there is none, or it is not possible now."""
        if not 0 <= row < len(self.found):
            return None
        return self.found[row] if _possible(self.found[row]) else None

    def words(self, row: int) -> str:
        command = self.found[row]
        return ", ".join(
            filter(None, (command.action.text().replace("&", ""), _place(command), command.keys))
        )

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.found)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        command = self.found[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return command.action.text().replace("&", "")
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self.words(index.row())
        return command if role == Qt.ItemDataRole.UserRole else None


class CommandDelegate(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(option.rect.width(), ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        command: Command = index.data(Qt.ItemDataRole.UserRole)
        t, area = tokens(), option.rect.adjusted(2, 1, -2, -1)
        painter.save()
        if option.state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(t.hover))
            painter.drawRoundedRect(area, RADIUS, RADIUS)
        inside = area.adjusted(SPACE_M, 0, -SPACE_M, 0)
        text = str(index.data())
        painter.setPen(QColor(t.text if _possible(command) else t.muted))
        painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter, text)
        used = option.fontMetrics.horizontalAdvance(text)
        painter.setPen(QColor(t.muted))
        painter.drawText(
            inside.adjusted(used + SPACE_M, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, _place(command)
        )
        painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, command.keys)
        painter.restore()


def _possible(command: Command) -> bool:
    """Actions of another page are judged once it is shown."""
    return command.action.isEnabled() or command.page is not None


def _place(command: Command) -> str:
    return command.menu if command.page is None else f"{command.page.capitalize()} · {command.menu}"


EXPLAINED = 4  # after all whose names fit: what was typed is in the explanation


def _rank(command: Command, words: Sequence[str]) -> tuple[bool, int, bool, int] | None:
    """How well a command fits what was typed, lower is better; None: not at all."""
    text = command.action.text().replace("&", "").lower()
    whole = f"{text} {_place(command).lower()}"
    if not all(word in whole or _in_order(word, text) for word in words):
        explanation = command.action.statusTip().lower()
        if not all(word in whole or word in explanation for word in words):
            return None
        return not _possible(command), EXPLAINED, _elsewhere(command), len(text)
    first = words[0] if words else ""
    begins = 0 if text.startswith(first) else 1 if f" {first}" in text else 2 if first in text else 3
    return not _possible(command), begins, _elsewhere(command), len(text) if words else 0


def _elsewhere(command: Command) -> bool:
    """Whether it belongs to a page that is not shown now."""
    owner = command.action.parent()
    while owner is not None and not isinstance(owner, QWidget):
        owner = owner.parent()
    return command.page is not None and owner is not None and not owner.isVisible()


def _in_order(letters: str, text: str) -> bool:
    """Whether the letters follow each other in the text, with others between them."""
    rest = iter(text)
    return len(letters) > 1 and all(letter in rest for letter in letters)
