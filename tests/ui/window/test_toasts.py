"""Toasts: over the content, bottom centre, six seconds, with Undo; each belongs to its page."""

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QApplication

from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.generate.timeline.track import TimelineTrack
from diffusion_studio.ui.window.toasts import EXPIRES, MOST


@pytest.fixture
def toasts(window):
    return window.contents.toasts


def test_a_change_is_reported_with_undo_over_the_content(window, toasts):
    undone = []
    before = window.page.geometry()
    window.context.done("Moved to trash", Change("delete", lambda: undone.append(True)))
    toast = toasts.latest
    assert toast.isVisible() and toast.sentence.text() == "Moved to trash" and toast.action.text() == "Undo"
    QApplication.processEvents()
    assert window.page.geometry() == before  # nothing is pushed away
    area = window.contents.rect()
    assert abs(toast.geometry().center().x() - area.center().x()) <= 1
    assert area.bottom() - toast.geometry().bottom() <= 24
    assert toast.timer.interval() == EXPIRES == 6000 and toast.timer.isActive()
    toast.action.click()
    assert undone == [True] and toasts.latest is None


def test_it_covers_no_control_at_the_foot_of_a_page(window, toasts, draw, qtbot):
    def covered():
        QApplication.processEvents()
        toasts.clear()
        window.context.show_notice("Moved to trash", action="Undo", do=lambda: None)
        toast, over = toasts.latest, window.contents
        controls = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, TimelineTrack)
        parts = [part for kind in controls for part in window.page.findChildren(kind) if part.isVisible()]
        places = [(part, QRect(part.mapTo(over, QPoint()), part.size())) for part in parts]
        return [part.accessibleName() for part, place in places if place.intersects(toast.geometry())]

    window.resize(1280, 800)
    window.page.generate()
    qtbot.waitUntil(lambda: not window.page.generation.running and bool(window.page.canvas.pictures))
    assert window.page.steering.timeline.track.isVisible() and not covered()
    window.page.compare.action.setChecked(True)
    assert window.page.compare.foot.isVisible() and not covered()
    window.page.compare.action.setChecked(False)
    window.contents.visit([entry.name for entry in window.contents.entries].index("train"))
    for step in (1, 2):
        window.page.show_step(step)
        assert not covered()


def test_it_waits_while_the_focus_is_on_it(window, toasts, qtbot):
    window.context.show_notice("Done.", action="Undo", do=lambda: None)
    window.activateWindow()
    toast = toasts.latest
    toast.action.setFocus()
    qtbot.waitUntil(lambda: not toast.timer.isActive())
    window.page.setFocus()
    window.page.controls()[0].setFocus()
    qtbot.waitUntil(lambda: toast.timer.isActive())
    toast.timer.timeout.emit()
    assert toasts.latest is None


def test_it_is_seen_on_its_page_alone_unless_it_is_lasting(window, toasts):
    window.context.show_fault("That cannot be used.")
    window.contents.visit(2)
    assert toasts.latest is None
    window.context.show_notice("Training can be resumed.", action="Resume", do=lambda: None, lasting=True)
    window.contents.visit(0)
    assert [toast.isVisible() for toast in toasts.shown] == [True, True]
    assert not toasts.latest.timer.isActive()


def test_never_more_than_three_and_a_lasting_one_waits_for_its_turn(window, toasts):
    for number in range(5):
        window.context.show_notice(f"Done {number}.", action="Undo", do=lambda: None)
    assert [toast.sentence.text() for toast in toasts.shown] == ["Done 2.", "Done 3.", "Done 4."]
    toasts.clear()
    for number in range(MOST + 1):
        window.context.show_notice(f"Stay {number}.", action="OK", do=lambda: None, lasting=True)
    assert len(toasts.shown) == MOST
    toasts.shown[0].close_button.click()
    assert [toast.sentence.text() for toast in toasts.shown] == ["Stay 1.", "Stay 2.", "Stay 3."]
    toasts.clear()


def test_the_same_sentence_is_said_once(window, toasts):
    for _ in range(3):
        window.context.show_fault("That cannot be used.")
    assert len(toasts.shown) == 1


def test_they_follow_the_size_of_the_window(window, toasts, qtbot):
    window.context.show_notice("A long sentence " * 30, action="Undo", do=lambda: None)
    window.resize(900, 600)
    QApplication.processEvents()
    area, place = window.contents.rect(), toasts.latest.geometry()
    assert area.contains(place)
    assert toasts.latest.sentence.height() >= toasts.latest.sentence.heightForWidth(
        toasts.latest.sentence.width()
    )
