"""The Settings page: six categories, each in force at once, and sizes of what is kept."""

import os

import pytest

from diffusion_studio.machine.preferred import preferred
from diffusion_studio.storage.places import models_dir, outputs_dir
from diffusion_studio.ui.look import motion
from diffusion_studio.ui.settings.page import APPEARANCE, CATEGORIES, NOTIFICATIONS, PERFORMANCE, STORAGE
from diffusion_studio.ui.settings.storage_section import folder_size
from diffusion_studio.ui.window import app


@pytest.fixture
def page(window):
    window.context.go_to("settings")
    return window.page


def rest(window, qtbot):
    qtbot.waitUntil(lambda: not window.context.background.busy)


def test_every_category_has_its_own_page(page):
    assert [page.list.item(row).text() for row in range(page.list.count())] == [
        name for _, name in CATEGORIES
    ]
    for place in range(len(CATEGORIES)):
        page.show_category(place)
        assert page.stack.currentIndex() == place


def test_what_automatic_means_is_in_force_at_once(page, window, qtbot):
    page.show_category(PERFORMANCE)
    try:
        page.forms[PERFORMANCE].fields["device"].show_value("cpu")
        page.forms[PERFORMANCE].fields["precision"].show_value("float32")
        assert (preferred.device, preferred.precision) == ("cpu", "float32")
    finally:
        page.forms[PERFORMANCE].fields["device"].show_value("auto")
        page.forms[PERFORMANCE].fields["precision"].show_value("auto")
    rest(window, qtbot)


def test_motion_and_notifications_are_a_choice(page, window, qtbot):
    page.forms[APPEARANCE].fields["reduced_motion"].show_value(True)
    assert motion.duration() == 0
    page.forms[NOTIFICATIONS].fields["notifications"].show_value(False)
    assert window.context.preferences.notifications is False
    page.forms[APPEARANCE].fields["reduced_motion"].show_value(False)
    rest(window, qtbot)


@pytest.mark.qt_log_ignore("does not support propagateSizeHints")
def test_sizes_are_measured_and_the_trash_is_at_hand(page, window, qtbot):
    (outputs_dir() / "day").mkdir(parents=True)
    (outputs_dir() / "day" / "a.png").write_bytes(bytes(3 << 10))
    page.show_category(STORAGE)
    qtbot.waitUntil(lambda: page.storage.sizes["Images"].text() == "3 KB")
    qtbot.waitUntil(lambda: page.storage.sizes["Trash"].text() == "0 bytes")
    with qtbot.waitSignal(window.context.trash_wanted):
        page.storage.trash.click()
    window.menus._dialog.close()
    rest(window, qtbot)


def test_links_are_not_counted_and_a_missing_folder_is_empty(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    (tmp_path / "loop").symlink_to(tmp_path)
    assert folder_size(tmp_path) == 100 and folder_size(tmp_path / "none") == 0


class Kept:
    def __init__(self, **values):
        self.values = values

    def section(self, name):
        return self.values


@pytest.mark.parametrize(
    ("values", "scale", "threads"),
    [
        ({"scale": "125", "threads": 1}, "1.25", "1"),
        ({"scale": "900", "threads": -4}, None, None),
        ({}, None, None),
    ],
)
def test_size_and_threads_are_set_before_the_start(monkeypatch, values, scale, threads):
    for name in ("QT_SCALE_FACTOR", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "before")
        monkeypatch.delenv(name)
    app.prepare(Kept(**values))
    assert os.environ.get("QT_SCALE_FACTOR") == scale and os.environ.get("OMP_NUM_THREADS") == threads
    assert models_dir().name == "models"
