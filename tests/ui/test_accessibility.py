"""Every control has a name that is what its label shows, a sentence that explains it, and a place in the Tab order."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QWidget,
)

from diffusion_studio.ui.look.buttons import PressedByReturn
from diffusion_studio.ui.pictures.ticks import Tick


def controls(window):
    """Everything the Tab key may stop at."""
    for widget in window.findChildren(QWidget):
        inner = isinstance(widget, QLineEdit) and isinstance(widget.parent(), QAbstractSpinBox | QComboBox)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible() and not inner:
            yield widget


def visible_label(window, widget):
    """The text a user reads as the widget's name."""
    if isinstance(widget, QAbstractButton) and widget.text():
        return widget.text().replace("&", "")
    return next((label.text() for label in window.findChildren(QLabel) if label.buddy() is widget), "")


@pytest.fixture
def shown(window, qtbot):
    """The window with everything in it that can be shown."""
    from diffusion_studio.settings.generation import GenerationSettings

    page = window.page
    page.request.show(GenerationSettings(model="faces", steps=2, sampler="ddim", seed=1, count=2))
    with qtbot.waitSignal(page.generation.ended):
        page.generate()
    page.panel.form.open(page.panel.form.heads)
    page.bar.show_live(True)
    window.show_fault("A fault.", "Its details.")
    window.contents.banner.details_button.click()
    return window


@pytest.mark.parametrize("number", range(5))
def test_every_control_has_its_labels_name_and_an_explanation(shown, number):
    shown.contents.visit(number)
    found = list(controls(shown))
    assert len(found) > 6
    for widget in found:
        name = widget.accessibleName()
        assert name, f"{widget} has no accessible name"
        label = visible_label(shown, widget)
        assert not label or name == label, f"{widget}: {name!r} is not what its label shows, {label!r}"
        assert widget.toolTip() or widget.accessibleDescription(), f"{name} does not explain itself"
        if isinstance(widget, QAbstractButton) and not isinstance(widget, QCheckBox | Tick):
            assert isinstance(widget, PressedByReturn), f"Return does not press {name}"
        role = QAccessible.queryAccessibleInterface(widget).role()
        assert role != QAccessible.Role.NoRole, f"{name} has no role: {role}"


def test_every_control_is_reached_with_the_tab_key_in_order(shown, qtbot):
    shown.activateWindow()
    expected = [widget for widget in controls(shown) if widget.isEnabled()]
    first = shown.page.panel.chooser
    first.setFocus()
    reached = []
    for _ in range(3 * len(expected)):  # round once
        widget = QApplication.focusWidget()
        if widget is None or widget in reached:
            break
        reached.append(widget)
        shown.focusNextChild()
    missed = [widget.accessibleName() for widget in expected if widget not in reached]
    assert not missed
    names = [widget.accessibleName() for widget in reached]
    order = [
        "Model",
        "Result",
        "Class",
        "Seed",
        "Count",
        "Quality",
        "Steps",
        "Advanced",
        "Sampler",
        "Noise schedule",
        "Generate",
        "Canvas",
    ]
    places = [names.index(name) for name in order]
    assert places == sorted(places)


def test_images_of_information_are_described_in_words(shown):
    curve = shown.page.panel.curve
    curve.wake()
    assert curve.accessibleName() and "steps" in curve.accessibleDescription()
    assert shown.page.canvas.accessibleDescription()


def test_texts_of_others_are_shown_as_plain_text(shown):
    hostile = "<img src=x><b>"
    told = shown.status.message
    shown.context.show_status(hostile)
    assert told.textFormat() == Qt.TextFormat.PlainText and told.text() == hostile
    assert "<img" not in told.toolTip()
    for label in shown.findChildren(QLabel):
        if label.pixmap().isNull():
            assert label.textFormat() == Qt.TextFormat.PlainText, label.text()
