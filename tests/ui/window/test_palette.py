"""The command palette: every action of every page by a few letters, with its shortcut, run on its own page."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication

from diffusion_studio.ui.window.palette import CommandPalette, Trigger

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def palette(window):
    window.menus._palette.trigger()
    palette = window.findChild(CommandPalette)
    yield palette
    window.menus._dialog and window.menus._dialog.close()


def texts(palette):
    return [str(palette.rows.index(row).data()) for row in range(palette.rows.rowCount())]


def test_it_holds_every_action_of_every_page_with_its_keys(window, palette):
    shown = texts(palette)
    for number in range(len(window.contents.entries)):
        for name, entries in window.contents.pages[number].menu_entries().items():
            for entry in entries:
                if entry is not None and not hasattr(entry, "actions") and entry.text():
                    assert entry.text().replace("&", "") in shown, (name, entry.text())
    for entry in window.menuBar().actions():
        for action in entry.menu().actions():
            if not action.isSeparator() and action.menu() is None:
                assert action.text().replace("&", "") in shown
    lock = next(command for command in window.context.commands.known() if command.keys == "Ctrl+L")
    assert "Ctrl+L" in palette.rows.words(palette.rows.found.index(lock))


def test_what_only_the_explanation_says_is_found_last(window, palette, qtbot):
    qtbot.keyClicks(palette.search, "favorite")
    assert "Star" in " ".join(texts(palette))


def test_of_commands_alike_the_one_of_the_page_that_is_shown_comes_first(window, draw, palette, qtbot):
    palette.reject()
    window.page.generate()
    qtbot.waitUntil(lambda: not window.page.generation.running and bool(window.page.canvas.pictures))
    window.menus._palette.trigger()
    palette = window.menus._dialog
    qtbot.keyClicks(palette.search, "star")
    found = [command.page for command in palette.rows.found if command.text == "Star"]
    assert found == ["generate", "gallery"]


def test_a_few_letters_find_a_command_and_return_runs_it(window, palette, qtbot):
    qtbot.keyClicks(palette.search, "galler")
    assert texts(palette)[0] == "Gallery"
    qtbot.keyClick(palette.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.contents.rail.chosen_number == 2)


def test_a_command_of_another_page_is_run_there(window, palette, qtbot):
    command = next(
        command
        for command in window.context.commands.known()
        if command.page == "gallery" and command.action.isEnabled() and not command.action.isCheckable()
    )
    ran = []
    command.action.triggered.disconnect()
    command.action.triggered.connect(lambda: ran.append(window.contents.rail.chosen_number))
    palette.search.setText(f"gallery {command.text}")
    palette.list.setCurrentIndex(palette.rows.index(palette.rows.found.index(command)))
    qtbot.keyClick(palette.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: ran == [2])


def test_a_command_waits_for_what_its_page_reads_first(window, palette, qtbot):
    action = QAction("Later", window, enabled=False)
    ran = []
    action.triggered.connect(lambda: ran.append(1))
    Trigger(action)
    assert ran == []
    action.setEnabled(True)
    action.setEnabled(False)
    action.setEnabled(True)
    assert ran == [1]


def test_what_is_not_there_says_so(palette, qtbot):
    qtbot.keyClicks(palette.search, "zzzzqq")
    assert palette.empty.isVisible() and not palette.list.isVisible()
    qtbot.keyClick(palette.search, Qt.Key.Key_Return)
    assert palette.isVisible()


def test_the_arrow_keys_move_and_escape_closes(palette, qtbot):
    assert palette.list.currentIndex().row() == 0
    qtbot.keyClick(palette.search, Qt.Key.Key_Down)
    assert palette.list.currentIndex().row() == 1
    assert palette.search.accessibleDescription() == palette.rows.words(1)
    qtbot.keyClick(palette.search, Qt.Key.Key_Escape)
    QApplication.processEvents()
