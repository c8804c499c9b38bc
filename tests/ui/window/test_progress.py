"""Work under way is seen from every page: in the title, on the rail; and its end in a notification."""

import pytest

from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.window import progress


def test_the_title_and_the_rail_show_how_far_it_is(window):
    page, badge = window.page, window.contents.rail.badges[0]
    page.report_work("Generating", 0.37)
    assert window.windowTitle().startswith("37% · Generating") and badge.text() == "37%"
    assert badge.isVisible() and "37%" in window.contents.rail.buttons[0].accessibleDescription()
    window.contents.visit(1)
    assert badge.isVisible()
    window.page.report_work("Training Cats", None)
    assert window.windowTitle().startswith("Training Cats")  # it is the longer of the two
    window.page.end_work()
    assert window.windowTitle().startswith("37%")
    page.end_work()
    assert window.windowTitle() == "Diffusion Studio" and not badge.isVisible()


def test_a_generation_reports_itself(window, draw, qtbot):
    seen = []
    window.windowTitleChanged.connect(seen.append)
    window.page.request.show(GenerationSettings(model="faces", steps=4, seed=1))
    with qtbot.waitSignal(window.page.generation.ended):
        window.page.generate()
    assert any("Generating" in title for title in seen) and window.windowTitle() == "Diffusion Studio"


@pytest.fixture
def told(window, monkeypatch):
    alerts = []
    monkeypatch.setattr(progress.QApplication, "alert", lambda window: alerts.append(window))
    monkeypatch.setattr(progress, "LONG", 0.0)
    monkeypatch.setattr(type(window), "isActiveWindow", lambda self: False)
    return alerts


def test_the_end_of_long_work_is_notified_where_the_window_is_not_in_front(window, told, monkeypatch):
    window.page.report_work("Generating", 0.5)
    window.page.end_work("Done in 40 s")
    assert told == [window]
    window.page.report_work("Generating", 0.5)
    window.page.end_work("")  # stopped by the user: nothing to say
    assert told == [window]
    monkeypatch.setattr(type(window), "isActiveWindow", lambda self: True)
    window.page.report_work("Generating", 0.5)
    window.page.end_work("Done in 40 s")
    assert told == [window]


def test_notifications_can_be_switched_off(window, told, qtbot):
    window.context.change_preferences(notifications=False)
    window.page.report_work("Generating", 0.5)
    window.page.end_work("Done in 40 s")
    assert told == []
    qtbot.waitUntil(lambda: not window.context.background.busy)


def test_short_work_is_not_notified(window, told, monkeypatch):
    monkeypatch.setattr(progress, "LONG", 60.0)
    window.page.report_work("Generating", 0.5)
    window.page.end_work("Done in 1 s")
    assert told == []
