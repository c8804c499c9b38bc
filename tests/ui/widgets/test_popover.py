"""A panel over the window: it closes with a click elsewhere or Escape, which nothing else in the window sees."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QLineEdit, QPushButton, QVBoxLayout, QWidget

from diffusion_studio.ui.widgets.popover import Popover


@pytest.fixture
def window(qtbot):
    window = QWidget()
    window.resize(300, 200)
    window.button = QPushButton("Outside", window)
    window.button.move(10, 160)
    window.popover = Popover("Choices", window)
    window.field = QLineEdit()
    QVBoxLayout(window.popover).addWidget(window.field)
    window.popover.setGeometry(10, 10, 200, 100)
    window.stopped = []
    QShortcut(QKeySequence("Esc"), window).activated.connect(lambda: window.stopped.append(True))
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


def test_it_opens_with_the_keyboard_and_closes_with_a_click_elsewhere(window, qtbot):
    assert not window.popover.isVisible()
    window.popover.pop_up(window.field)
    assert window.popover.isVisible() and window.field.hasFocus()
    qtbot.mouseClick(window.field, Qt.MouseButton.LeftButton)
    assert window.popover.isVisible()
    qtbot.mouseClick(window.button, Qt.MouseButton.LeftButton)
    assert not window.popover.isVisible()


def test_escape_closes_it_and_stops_nothing(window, qtbot):
    window.popover.pop_up(window.field)
    qtbot.keyClick(window.field, Qt.Key.Key_Escape)
    assert not window.popover.isVisible() and not window.stopped
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.stopped
