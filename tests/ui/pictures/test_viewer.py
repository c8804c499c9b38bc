"""Pictures alone on the screen: turned by keys, played as a slideshow, whatever becomes of their files."""

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import Qt

from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.pictures.viewer import PAUSES, PictureViewer

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def paths():
    return [
        outputs.save(np.full((32, 32, 3), 40 * k, np.uint8), GenerationSettings(seed=k), facts={})
        for k in range(4)
    ]


@pytest.fixture
def viewer(window, qtbot, paths):
    made = PictureViewer(window.context, paths, 1, window)
    made.showFullScreen()
    qtbot.waitExposed(made)
    wait_for(qtbot, made, 1)
    yield made
    if shiboken6.isValid(made):
        made.close()


def shown(viewer):
    return None if not viewer.canvas.pictures else int(viewer.canvas.pictures[0].pixels[0, 0, 0]) // 40


def wait_for(qtbot, viewer, number):
    qtbot.waitUntil(lambda: shown(viewer) == number)


def press(qtbot, viewer, key):
    qtbot.keyClick(viewer.canvas, key)


def test_keys_turn_the_pages_round_and_round(viewer, qtbot):
    for key, number in (
        (Qt.Key.Key_Right, 2),
        (Qt.Key.Key_Right, 3),
        (Qt.Key.Key_Right, 0),
        (Qt.Key.Key_Left, 3),
        (Qt.Key.Key_Home, 0),
        (Qt.Key.Key_End, 3),
    ):
        press(qtbot, viewer, key)
        wait_for(qtbot, viewer, number)
        assert viewer.words.text().startswith(f"{number + 1} of 4")


def test_arrows_pan_what_is_larger_than_the_screen(viewer, qtbot):
    viewer.canvas.zoom(20)
    press(qtbot, viewer, Qt.Key.Key_Right)
    assert viewer.index == 1


def test_a_slideshow_goes_on_by_itself_and_stops(viewer, qtbot):
    viewer._seconds = 0.02
    press(qtbot, viewer, Qt.Key.Key_Space)
    for number in (2, 3, 0):
        wait_for(qtbot, viewer, number)
    press(qtbot, viewer, Qt.Key.Key_Space)
    assert not viewer.playing.isChecked() and not viewer._turn.isActive()


def test_the_time_a_picture_stays_can_be_chosen(viewer):
    texts = []
    for _ in PAUSES:
        viewer.pause.click()
        texts.append(viewer.pause.text())
    assert sorted(texts) == sorted(f"{seconds} s" for seconds in PAUSES)


def test_a_picture_that_is_gone_says_so_and_the_others_go_on(viewer, qtbot, paths):
    paths[3].unlink()
    viewer.step(1)
    wait_for(qtbot, viewer, 2)
    viewer._ready.clear()
    viewer.step(1)
    qtbot.waitUntil(lambda: viewer.canvas.message.title != "")
    assert "3.png" in viewer.canvas.message.sentence
    viewer.step(1)
    wait_for(qtbot, viewer, 0)


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, Qt.Key.Key_Return])
def test_it_closes_and_is_gone(viewer, qtbot, key):
    viewer.play()
    with qtbot.waitSignal(viewer.destroyed):
        press(qtbot, viewer, key)


def test_the_pointer_and_the_buttons_rest(viewer, qtbot):
    viewer._rest.setInterval(1)
    viewer._wake()
    qtbot.waitUntil(lambda: not viewer._bar.isVisible())
    assert viewer.canvas.cursor().shape() == Qt.CursorShape.BlankCursor
    viewer._wake()
    assert viewer._bar.isVisible()
