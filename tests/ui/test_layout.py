"""Nothing is cut off: every text of every page is measured against its room, at the smallest window and at larger ones."""

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QCheckBox,
    QLabel,
    QPushButton,
    QToolButton,
    QWidget,
)

from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.look.labels import ElidedLabel, Line
from diffusion_studio.ui.settings.page import SettingsPage
from diffusion_studio.ui.widgets.action_button import ActionButton

SIZES = [(900, 600), (1280, 800)]
SLACK = 1  # pixels: text is measured in fractions


def too_narrow(label):
    """How a label is narrower or lower than its text; "" where it is not."""
    if isinstance(label, (ElidedLabel, Line)) or not label.text() or not label.pixmap().isNull():
        return ""
    room, metrics = label.contentsRect(), label.fontMetrics()
    if label.wordWrap():
        needed = label.heightForWidth(label.width())
        return (
            f"needs {needed} of {label.height()} pixels in height" if needed > label.height() + SLACK else ""
        )
    needed = max(metrics.horizontalAdvance(line) for line in label.text().split("\n"))
    return f"needs {needed} of {room.width()} pixels" if needed > room.width() + SLACK else ""


def button_too_narrow(button):
    if not button.text() or isinstance(button, ActionButton):
        return ""
    style = button.toolButtonStyle() if isinstance(button, QToolButton) else None
    if style == Qt.ToolButtonStyle.ToolButtonIconOnly and not button.icon().isNull():
        return ""
    beside = style in (None, Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    icon = button.iconSize().width() if beside and not button.icon().isNull() else 0
    mark = 20 if isinstance(button, QCheckBox) else 0
    needed = button.fontMetrics().horizontalAdvance(button.text().replace("&", "")) + icon + mark
    return f"needs {needed} of {button.width()} pixels" if needed > button.width() + SLACK else ""


def clipped(widget, root):
    """How an ancestor cuts a widget off at its left or right, or outside of scrolled areas at its top or bottom."""
    area = QRect(QPoint(0, 0), widget.size())
    parent = widget.parentWidget()
    scrolled = False
    while parent is not None:
        box = QRect(widget.mapTo(parent, QPoint(0, 0)), area.size())
        if box.left() < -SLACK or box.right() > parent.width() - 1 + SLACK:
            return f"is cut off at the side by {type(parent).__name__} {parent.objectName()!r}: {box} in {parent.size()}"
        scrolled = scrolled or isinstance(parent.parentWidget(), QAbstractScrollArea)
        if not scrolled and (box.top() < -SLACK or box.bottom() > parent.height() - 1 + SLACK):
            return f"is cut off by {type(parent).__name__} {parent.objectName()!r}: {box} in {parent.size()}"
        if parent is root:
            return ""
        parent = parent.parentWidget()
    return ""


def overlapping(root):
    """Buttons of one parent that lie upon each other."""
    for parent in [root, *root.findChildren(QWidget)]:
        buttons = [
            child
            for child in parent.children()
            if isinstance(child, QAbstractButton) and child.isVisible() and child.text()
        ]
        for place, one in enumerate(buttons):
            for other in buttons[place + 1 :]:
                shared = one.geometry().intersected(other.geometry())
                if shared.width() > 2 and shared.height() > 2:
                    yield f"{one.text()!r} and {other.text()!r} overlap"


def faults(root):
    found = []
    for widget in root.findChildren(QWidget):
        if not widget.isVisible() or widget.width() < 2 or widget.height() < 2:
            continue
        if isinstance(widget, QLabel):
            problem = too_narrow(widget) or (clipped(widget, root) if widget.text() else "")
        elif isinstance(widget, QAbstractButton):
            problem = button_too_narrow(widget) or clipped(widget, root)
        else:
            continue
        if problem:
            found.append(f"{type(widget).__name__} {widget.text()[:50]!r} {problem}")
    return [*found, *overlapping(root)]


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def sized(request, window, qtbot):
    window.resize(*request.param)
    return window


def settle(window, qtbot):
    qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=20_000)
    qtbot.wait(30)


@pytest.mark.parametrize("number", range(5))
def test_no_text_is_cut_off_on_any_page(sized, number, qtbot):
    sized.contents.visit(number)
    settle(sized, qtbot)
    assert faults(sized) == []


@pytest.mark.parametrize("place", range(6))
def test_no_text_is_cut_off_in_any_category_of_settings(window, place, qtbot):
    window.resize(*SIZES[0])
    window.context.go_to("settings")
    assert isinstance(window.page, SettingsPage)
    window.page.show_category(place)
    settle(window, qtbot)
    assert faults(window) == []


def test_no_text_is_cut_off_once_there_are_images(sized, draw, qtbot):
    page = sized.page
    page.request.show(
        GenerationSettings(model="faces", steps=4, seed=2**32 - 10, count=4, class_label="long_hair")
    )
    with qtbot.waitSignal(page.generation.ended, timeout=10_000):
        page.generate()
    settle(sized, qtbot)
    assert faults(sized) == []
    sized.contents.visit(2)
    settle(sized, qtbot)
    assert faults(sized) == []


def test_the_walker_finds_what_is_cut_off(qtbot):
    box = QWidget()
    qtbot.addWidget(box)
    box.resize(200, 60)
    label = QLabel("A sentence that is longer than its room", box)
    label.setGeometry(0, 0, 60, 20)
    button = QPushButton("Generate", box)
    button.setGeometry(150, 20, 90, 30)
    box.show()
    qtbot.waitExposed(box)
    found = "\n".join(faults(box))
    assert "longer than its room" in found and "cut off at the side" in found
