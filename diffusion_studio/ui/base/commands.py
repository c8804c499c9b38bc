"""Every action of the menus with its keys: for the command palette, and for keys of the user's own choice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence

from diffusion_studio.ui.base.requests import PageName
from diffusion_studio.ui.base.settings_file import SettingsFile

SECTION = "shortcuts"


@dataclass(eq=False, slots=True)
class Command:
    """An action of a menu. `page`: the one it belongs to; None: the window, on every page."""

    name: str  # stays the same whatever the action's text becomes
    text: str
    menu: str
    page: PageName | None
    action: QAction
    usual: list[QKeySequence]  # its keys before the user chose others

    @property
    def keys(self) -> str:
        """The first of its shortcuts as this system writes it."""
        return self.action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)


class Commands(QObject):
    """The commands that are known so far; those of a page are known once the page was made."""

    changed = Signal()  # of the keys of a command
    all_wanted = Signal()  # every page is to be made, so that its commands are known

    def __init__(self, settings_file: SettingsFile, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings_file = settings_file
        self._commands: dict[str, Command] = {}
        self._keys = {
            name: keys for name, keys in settings_file.section(SECTION).items() if isinstance(keys, str)
        }

    def add(self, menu: str, actions: Iterable[QAction | object], page: PageName | None = None) -> None:
        """Make the actions of a menu known, once, and give them the keys the user chose."""
        for action in actions:
            if not isinstance(action, QAction) or action.isSeparator() or not action.text():
                continue
            text = action.text().replace("&", "")
            name = str(action.property("command") or f"{page or 'window'}/{text}")
            if name in self._commands and self._commands[name].action is action:
                continue
            action.setProperty("command", name)
            self._commands[name] = Command(name, text, menu, page, action, action.shortcuts())
            if name in self._keys:
                action.setShortcuts(_sequences(self._keys[name]))

    def all(self) -> list[Command]:
        """Every command of the application; makes the pages that were not visited yet."""
        self.all_wanted.emit()
        return self.known()

    def known(self) -> list[Command]:
        return list(self._commands.values())

    def is_changed(self, command: Command) -> bool:
        return command.name in self._keys

    def conflicts(self, command: Command, keys: QKeySequence) -> list[Command]:
        """The commands that have these keys where `command` could be meant, too."""
        if keys.isEmpty():
            return []
        return [
            other
            for other in self._commands.values()
            if other is not command
            and (other.page is None or command.page is None or other.page == command.page)
            and keys in other.action.shortcuts()
        ]

    def change(self, command: Command, keys: QKeySequence) -> None:
        """Give a command these keys, empty for none, and take them from those that had them."""
        for other in self.conflicts(command, keys):
            left = [sequence for sequence in other.action.shortcuts() if sequence != keys]
            self._set(other, left)
        self._set(command, [] if keys.isEmpty() else [keys])
        self._store()

    def reset(self, command: Command) -> None:
        """Give a command its usual keys again."""
        self._keys.pop(command.name, None)
        command.action.setShortcuts(command.usual)
        self._store()

    def chosen(self) -> dict[str, str]:
        """The keys of the user's own choice, by the name of the command, for `restore`."""
        return dict(self._keys)

    def restore(self, chosen: Mapping[str, str]) -> None:
        """Have these keys, and the usual ones everywhere else."""
        for command in self._commands.values():
            if self._keys.get(command.name) != chosen.get(command.name):
                kept = chosen.get(command.name)
                command.action.setShortcuts(command.usual if kept is None else _sequences(kept))
        self._keys = dict(chosen)
        self._store()

    def _set(self, command: Command, keys: list[QKeySequence]) -> None:
        command.action.setShortcuts(keys)
        if keys == command.usual:
            self._keys.pop(command.name, None)
        else:
            portable = QKeySequence.SequenceFormat.PortableText
            self._keys[command.name] = "; ".join(sequence.toString(portable) for sequence in keys)

    def _store(self) -> None:
        self._settings_file.store_section(SECTION, dict(self._keys))
        self.changed.emit()


def _sequences(text: str) -> list[QKeySequence]:
    sequences = [QKeySequence(part, QKeySequence.SequenceFormat.PortableText) for part in text.split("; ")]
    return [sequence for sequence in sequences if not sequence.isEmpty()]
