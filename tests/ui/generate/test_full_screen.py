"""The canvas alone: full screen hides the menus, the rail and the panels, and gives them back."""

from PySide6.QtCore import Qt


def around(window):
    page = window.page
    return [window.contents.rail.isVisible(), window.status.isVisible(), page.panel.isVisible()]


def test_full_screen_leaves_the_canvas_alone_and_escape_ends_it(window, qtbot):
    page = window.page
    page.full_screen.action.trigger()
    qtbot.waitUntil(lambda: not any(around(window)))
    assert window.menuBar().height() == 0 and window.isFullScreen()
    qtbot.keyClick(page.canvas, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: all(around(window)))
    assert window.menuBar().height() > 0 and not window.isFullScreen()


def test_another_page_ends_it(window, qtbot):
    page = window.page
    page.full_screen.action.trigger()
    window.context.go_to("models")
    qtbot.waitUntil(lambda: window.contents.rail.isVisible() and window.status.isVisible())
    assert not page.full_screen.action.isChecked() and window.menuBar().maximumHeight() > 0
