"""From the start to a saved image, and back to its settings, with the keyboard alone; and the places of the page."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFocusEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication


@pytest.fixture
def page(window, draw):
    window.activateWindow()
    return window.page


def test_from_the_start_to_a_saved_image(page, window, draw, qtbot):
    qtbot.waitUntil(lambda: page.panel.foot.button.hasFocus())
    with qtbot.waitSignal(page.generation.ended):
        qtbot.keyClick(page.panel.foot.button, Qt.Key.Key_Return)
    page.panel.chooser.setFocus()
    for _ in range(60):  # and it is reached again with the Tab key, from the very top
        if QApplication.focusWidget() is page.panel.foot.button:
            break
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    assert page.panel.foot.button.hasFocus()
    assert page.canvas.pictures[0].path.exists()
    page.toolbar.buttons["star"].setFocus()
    qtbot.keyClick(page.toolbar.buttons["star"], Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: page.star.action.isChecked() and not window.context.background.busy)
    for name, button in page.toolbar.buttons.items():
        assert button.accessibleName() and button.toolTip(), name
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
    page.strip.view.setFocus()
    page.strip.view.setCurrentIndex(page.strip.model.index(0))
    qtbot.keyClick(page.strip.view, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.steering.elsewhere)
    page.request.change(steps=77)
    assert page.caption.reuse.isVisible() and "steps" in page.caption.differs.text()
    page.caption.reuse.setFocus()
    qtbot.keyClick(page.caption.reuse, Qt.Key.Key_Space)
    assert page.request.settings.steps == 12 and not page.caption.reuse.isVisible()
    qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()))


def test_tab_on_the_canvas_hides_the_panels_unless_it_was_reached_with_tab(page, window):
    def reach(reason):
        QApplication.sendEvent(page.canvas, QFocusEvent(QFocusEvent.Type.FocusIn, reason))

    reach(Qt.FocusReason.MouseFocusReason)
    QTest.keyClick(page.canvas, Qt.Key.Key_Tab)
    assert not page.panel.isVisible() and not page.strip.isVisible() and not page.toolbar.isVisible()
    QTest.keyClick(page.canvas, Qt.Key.Key_Tab)
    assert page.panel.isVisible() and page.strip.isVisible() and page.toolbar.isVisible()
    reach(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(page.canvas, Qt.Key.Key_Tab)
    assert page.panel.isVisible()
    page.view.hide_action.trigger()
    assert not page.panel.isVisible()


def test_the_timeline_comes_with_the_first_run(page, qtbot):
    assert not page.steering.timeline.isVisible()
    with qtbot.waitSignal(page.generation.ended):
        page.generate()
    assert page.steering.timeline.isVisible()


def test_the_latest_images_fill_their_width_in_one_to_three_columns(page, window):
    window.resize(1400, 800)
    for width, columns in ((100, 1), (180, 2), (320, 3)):
        page.view.across.setSizes([350, 1400, width])
        QApplication.processEvents()
        assert page.strip.columns == columns
        assert page.strip.view.gridSize().width() * columns <= page.strip.view.width()


def test_widths_and_open_sections_are_remembered(make_window, draw, qtbot):
    first = make_window()
    first.resize(1400, 800)
    first.page.view.across.setSizes([430, 700, 220])
    first.page.panel.form.open(["advanced"])
    QApplication.processEvents()
    with qtbot.waitSignal(first.closed):
        first.close()
    second = make_window()
    second.resize(1400, 800)
    QApplication.processEvents()
    assert second.page.panel.form.open_sections == ["advanced"]
    assert abs(second.page.panel.width() - 430) <= 4
