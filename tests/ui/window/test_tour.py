"""The first start shows a tour of four steps, which can be skipped and comes once."""

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication


def rest(window, qtbot):
    qtbot.waitUntil(lambda: not window.context.background.busy)


def test_four_steps_each_beside_what_it_explains(make_window, qtbot):
    window = make_window(tour=True)
    qtbot.waitUntil(lambda: window._tour is not None)
    tour, seen = window._tour, []
    for number in range(4):
        assert tour.number == number and tour.isVisible() and tour.count.text() == f"{number + 1} of 4"
        assert window.contents.rect().contains(tour.geometry())
        seen.append(tour.title.text())
        tour.next.click()
    assert len(set(seen)) == 4 and window._tour is None
    assert window.context.preferences.toured
    rest(window, qtbot)


def test_it_is_skipped_and_comes_once(make_window, qtbot):
    window = make_window(tour=True)
    qtbot.waitUntil(lambda: window._tour is not None)
    assert not window._tour.isAncestorOf(QApplication.focusWidget() or window)  # it takes no focus
    window._tour.skip.click()
    assert window._tour is None and window.context.preferences.toured
    rest(window, qtbot)
    window.menus._tour.trigger()  # Help > Tour shows it again
    assert window._tour is not None
    window._tour.skip.click()


def test_it_follows_what_is_done_and_escape_ends_it_wherever_the_focus_is(make_window, draw, qtbot):
    window = make_window(tour=True)
    qtbot.waitUntil(lambda: window._tour is not None)
    window.resize(1280, 800)
    window.page.generate()
    qtbot.waitUntil(lambda: not window.page.generation.running and window._tour.number == 1)
    assert window._tour.title.text() == "Watch it form"
    foot, card = window.page.panel.foot.button, window._tour
    place = QRect(foot.mapTo(window.contents, QPoint()), foot.size())
    assert not place.intersects(card.geometry()), "Generate can be pressed again"
    window.page.canvas.setFocus()
    qtbot.keyClick(window.page.canvas, Qt.Key.Key_Escape)
    assert window._tour is None
    rest(window, qtbot)


def test_it_ends_when_another_page_is_gone_to(make_window, qtbot):
    window = make_window(tour=True)
    qtbot.waitUntil(lambda: window._tour is not None)
    window.contents.visit(2)
    qtbot.waitUntil(lambda: window._tour is None)
    rest(window, qtbot)


def test_it_stays_inside_the_smallest_window(make_window, qtbot):
    window = make_window(tour=True)
    qtbot.waitUntil(lambda: window._tour is not None)
    window.resize(900, 600)
    QApplication.processEvents()
    for _ in range(4):
        assert window.contents.rect().contains(window._tour.geometry())
        window._tour.next.click()
    rest(window, qtbot)


def test_who_has_seen_it_is_not_shown_it(window, qtbot):
    QApplication.processEvents()
    assert window._tour is None
