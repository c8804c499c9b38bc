"""Shortcuts can be found, changed and reset; whose keys they were is said; they last over a restart."""

import json

import pytest
from PySide6.QtGui import QKeySequence

from diffusion_studio.storage.places import config_dir
from diffusion_studio.ui.base.dialogs import FormDialog
from diffusion_studio.ui.settings.page import SHORTCUTS
from diffusion_studio.ui.settings.shortcuts_section import ShortcutDialog


@pytest.fixture
def section(window):
    window.context.go_to("settings")
    window.page.show_category(SHORTCUTS)
    return window.page.shortcuts


def command(window, keys):
    return next(command for command in window.context.commands.known() if command.keys == keys)


def press(monkeypatch, keys, seen):
    def answer(dialog):
        dialog.field.setKeySequence(QKeySequence(keys))
        seen.append(dialog.conflict.text())
        return dialog.DialogCode.Accepted

    monkeypatch.setattr(FormDialog, "exec", answer)


def rest(window, qtbot):
    qtbot.waitUntil(lambda: not window.context.background.busy)


def test_every_command_is_listed_with_its_keys_and_can_be_searched(section, window):
    assert section.table.rowCount() == len(window.context.commands.known()) > 40
    section.search.setText("ctrl+l")
    assert [section.table.item(row, 2).text() for row in range(section.table.rowCount())] == ["Ctrl+L"]
    section.search.setText("nothing like it")
    assert section.table.rowCount() == 0 and section.hint.text() == "No results"


def test_a_shortcut_is_changed_and_kept(section, window, make_window, monkeypatch, qtbot):
    lock = command(window, "Ctrl+L")
    section.select(lock.name)
    press(monkeypatch, "Ctrl+Shift+J", [])
    section.change.click()
    assert lock.action.shortcut() == QKeySequence("Ctrl+Shift+J")
    assert section.selected is lock and section.reset.isEnabled()
    rest(window, qtbot)
    kept = json.loads((config_dir() / "settings.json").read_text(encoding="utf-8"))
    assert kept["shortcuts"] == {lock.name: "Ctrl+Shift+J"}
    second = make_window()
    assert command(second, "Ctrl+Shift+J").name == lock.name
    section.reset.click()
    assert lock.action.shortcut() == QKeySequence("Ctrl+L") and not section.reset.isEnabled()
    rest(window, qtbot)
    rest(second, qtbot)


def test_a_conflict_is_said_and_the_keys_change_hands(section, window, monkeypatch, qtbot):
    lock, quit = command(window, "Ctrl+L"), command(window, "Ctrl+Q")
    seen = []
    section.select(lock.name)
    press(monkeypatch, "Ctrl+Q", seen)
    section.change.click()
    assert "“Quit” has these keys now" in seen[0]
    assert lock.action.shortcut() == QKeySequence("Ctrl+Q") and quit.action.shortcut().isEmpty()
    window.context.undo.undo()
    assert (lock.keys, quit.keys) == ("Ctrl+L", "Ctrl+Q"), "the one it was taken from has it again"
    assert not window.context.commands.is_changed(quit)
    section.search.setText("quit")
    assert section.table.item(0, 2).text() == "Ctrl+Q"
    window.context.undo.redo()
    assert lock.keys == "Ctrl+Q" and not quit.keys
    rest(window, qtbot)


def test_keys_of_two_pages_do_not_conflict(section, window):
    commands = window.context.commands
    pairs = [
        (one, other)
        for one in commands.known()
        for other in commands.known()
        if one is not other and one.keys and one.keys == other.keys
    ]
    assert all(one.page and other.page and one.page != other.page for one, other in pairs), [
        (one.name, other.name)
        for one, other in pairs
        if not (one.page and other.page and one.page != other.page)
    ]
    assert not any(commands.conflicts(one, one.action.shortcut()) for one, _ in pairs)


def test_no_keys_at_all_are_allowed(section, window, monkeypatch, qtbot):
    lock = command(window, "Ctrl+L")
    section.select(lock.name)
    press(monkeypatch, "", [])
    section.change.click()
    assert lock.action.shortcut().isEmpty() and lock.keys == ""
    rest(window, qtbot)


def test_the_dialog_takes_one_combination(window):
    dialog = ShortcutDialog(window.context, command(window, "Ctrl+L"), window)
    assert dialog.field.maximumSequenceLength() == 1 and dialog.keys == QKeySequence("Ctrl+L")
    dialog.deleteLater()
