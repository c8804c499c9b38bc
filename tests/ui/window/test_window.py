"""The whole window over a job that draws without torch: generate, watch, save, stop, fail, close."""

import shutil
import socket
import sys
import threading
import time

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QScrollArea, QStyle, QStyleOptionComboBox

from diffusion_studio.errors import UserError
from diffusion_studio.pictures import reading
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base.settings_file import SettingsFile
from diffusion_studio.ui.base.undo import Change
from diffusion_studio.ui.settings.page import APPEARANCE
from diffusion_studio.ui.widgets.fields import ChoiceField
from diffusion_studio.ui.window import leaving
from diffusion_studio.ui.window.faults import Faults
from diffusion_studio.ui.window.window import MainWindow


@pytest.fixture
def page(window):
    return window.page


def run(qtbot, page, **values):
    """Generate with these settings and wait until it has ended."""
    page.request.show(GenerationSettings(model="faces", steps=4, **values))
    with qtbot.waitSignal(page.generation.ended, timeout=10_000):
        page.generate()


def close(qtbot, window):
    with qtbot.waitSignal(window.closed, timeout=10_000):
        window.close()


def test_first_start_offers_one_obvious_thing(window, page, qtbot):
    qtbot.waitUntil(lambda: page.panel.foot.button.hasFocus())
    assert page.panel.foot.button.text() == "Generate" and page.panel.foot.button.isEnabled()
    value = page.request.value()
    assert (value.model, value.steps, value.guidance) == ("faces", 12, 2.0)  # as its card recommends
    assert "Faces" in page.canvas.message.sentence
    qtbot.waitUntil(lambda: window.status.device.text() == "CPU · float32 · 1 thread")


def test_no_choice_of_the_panel_is_cut_off_with_or_without_a_scroll_bar(window, page, qtbot):
    form, bar = page.panel.form, page.panel.findChild(QScrollArea).verticalScrollBar()
    for height, scrolls in ((1400, False), (700, True)):
        window.resize(1280, height)
        form.open(form.heads)
        qtbot.waitUntil(lambda scrolls=scrolls: (bar.maximum() > 0) == scrolls)
        boxes = [field for field in form.fields.values() if isinstance(field, ChoiceField)]
        assert {box.accessibleName() for box in boxes} >= {"Sampler", "Noise schedule", "Class", "Clipping"}
        for box in boxes:
            option = QStyleOptionComboBox()
            box.initStyleOption(option)
            part = QStyle.SubControl.SC_ComboBoxEditField
            room = box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, box).width()
            for place in range(box.count()):
                text = box.itemText(place)
                assert box.fontMetrics().horizontalAdvance(text) < room, f"{text} is cut off"


def test_generate_previews_saves_and_lists(window, page, draw, qtbot):
    seen = []
    page.generation.previewed.connect(lambda pictures: seen.append(pictures))
    run(qtbot, page, seed=7, count=3)
    assert seen and all(len(pictures) == 3 for pictures in seen)
    assert [picture.settings.seed for picture in page.canvas.pictures] == [7, 8, 9]
    for index, picture in enumerate(page.canvas.pictures):
        assert np.array_equal(picture.pixels, draw.picture(7 + index))
        assert reading.read(picture.path).settings == picture.settings
    assert page.strip.model.paths[:3] == [picture.path for picture in reversed(page.canvas.pictures)]
    assert page.panel.foot.button.text() == "Generate" and page.panel.foot.line.text().startswith(
        "Done in 0.5 s"
    )
    assert page.canvas.pictures[2].path.name in window.status.message.text()


def test_what_is_asked_for_is_what_the_form_showed_at_the_click(page, draw, qtbot):
    draw.pause = 0.02
    settings = GenerationSettings(
        model="faces", steps=9, seed=3, class_label="glasses", guidance=4.0, count=2
    )
    page.request.show(settings)
    with qtbot.waitSignal(page.generation.ended):
        page.generate()
        page.panel.form.fields["steps"].show_value(500)
    assert draw.asked == [settings]


def test_an_unlocked_seed_is_new_each_time_and_shown(page, draw, qtbot):
    for _ in range(3):
        with qtbot.waitSignal(page.generation.ended):
            page.generate()
        assert page.request.settings.seed == draw.asked[-1].seed
    assert len({settings.seed for settings in draw.asked}) == 3
    page.generate_commands.lock.trigger()
    with qtbot.waitSignal(page.generation.ended):
        page.generate()
    assert draw.asked[-1].seed == draw.asked[-2].seed


def test_a_double_click_starts_one_job(page, draw, qtbot):
    draw.pause = 0.02
    button = page.panel.foot.button
    with qtbot.waitSignal(page.generation.ended):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        qtbot.mouseDClick(button, Qt.MouseButton.LeftButton)
        qtbot.mouseRelease(button, Qt.MouseButton.LeftButton)
        page.generate_commands.generate.trigger()
    assert len(draw.asked) == 1 and page.panel.foot.line.text().startswith("Done")


def test_the_button_stops_what_it_started_and_answers_at_once(page, draw, qtbot):
    draw.pause = 0.02
    page.request.show(GenerationSettings(model="faces", steps=500))
    qtbot.mouseClick(page.panel.foot.button, Qt.MouseButton.LeftButton)
    assert page.panel.foot.button.text() == page.panel.foot.button.accessibleName() == "Add to queue"
    assert page.panel.foot.stop.isVisible() and page.panel.foot.progress.isVisible()
    qtbot.waitUntil(lambda: page.generation.step[0] > 2)
    qtbot.mouseClick(page.panel.foot.stop, Qt.MouseButton.LeftButton)
    assert page.panel.foot.choices.isVisible() and not page.panel.foot.button.isVisible()
    qtbot.mouseClick(page.panel.foot.choices.discard, Qt.MouseButton.LeftButton)
    assert page.panel.foot.button.isVisible() and not page.panel.foot.choices.isVisible()
    assert page.panel.foot.button.text() == "Generate" and page.panel.foot.line.text().startswith(
        "Stopped at step"
    )
    qtbot.waitUntil(lambda: draw.closed == 1)
    assert page.canvas.pictures and not page.strip.model.paths  # the partial picture stays, unsaved


def test_stop_and_generate_at_once_runs_the_second_to_its_end(page, draw, qtbot):
    draw.pause = 0.01
    page.request.show(GenerationSettings(model="faces", steps=300, seed=1))
    page.generate()
    qtbot.waitUntil(lambda: page.generation.step[0] > 2)
    page.stop()
    page.request.show(GenerationSettings(model="faces", steps=3, seed=1000))
    page.generate()
    assert page.generation.running and page.panel.foot.button.isVisible()
    with qtbot.waitSignal(page.generation.ended):
        pass
    assert [settings.seed for settings in draw.asked] == [1, 1000]
    assert np.array_equal(page.canvas.pictures[0].pixels, draw.picture(1000))
    assert page.panel.foot.line.text().startswith("Done")


def test_progress_is_told_in_words_and_on_the_curve(page, draw, qtbot):
    draw.pause = 0.01
    page.panel.curve.wake()
    words = []
    page.generation.progressed.connect(lambda index, total, text: words.append(text))
    run(qtbot, page)
    assert words[-1] == "step 4 of 4 · 10.0 it/s · 0.0 s left"
    assert page.panel.curve._reached is None  # over


def test_keys_start_stop_and_lock(window, page, draw, qtbot):
    draw.pause = 0.02
    window.activateWindow()
    page.request.show(GenerationSettings(model="faces", steps=500))
    qtbot.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert page.generation.running
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not page.generation.running
    qtbot.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert page.request.locked
    qtbot.waitUntil(lambda: not page.generation.worker.busy)


def test_layers_can_be_switched_while_pictures_form(page, draw, qtbot):
    draw.pause = 0.02
    page.request.show(GenerationSettings(model="faces", steps=100, seed=5))
    page.generate()
    qtbot.waitUntil(lambda: bool(page.canvas.pictures))
    page.bar.layers["noisy"].click()
    assert page.commands.layers["noisy"].isChecked()
    colour = page.canvas.pictures[0].image("noisy").pixelColor(0, 0).getRgb()[:3]
    assert colour == tuple(255 - draw.picture(5)[0, 0])
    page.stop()


# --- faults ---


def test_a_fault_is_a_sentence_in_the_window_and_the_next_job_works(window, page, draw, qtbot):
    draw.fault = UserError("The model is broken.", details="three tensors are missing")
    run(qtbot, page)
    banner = window.contents.banner
    assert banner.isVisible() and banner.sentence.text() == "The model is broken."
    assert not banner.details.isVisible()
    banner.details_button.click()
    assert banner.details.isVisible() and "three tensors are missing" in banner.details.toPlainText()
    banner.copy_button.click()
    assert "three tensors" in QGuiApplication.clipboard().text()
    banner.close_button.click()
    assert not banner.isVisible()
    assert page.panel.foot.button.text() == "Generate"
    draw.fault = None
    run(qtbot, page)
    assert page.panel.foot.line.text().startswith("Done") and not banner.isVisible()


def test_a_fault_goes_when_the_next_work_of_its_page_has_begun_and_no_sooner(window, page, draw, qtbot):
    banner = window.contents.banner
    draw.fault = UserError("The model is broken.", details="three tensors are missing")
    run(qtbot, page)
    draw.fault = None
    run(qtbot, page)
    assert not banner.isVisible()
    page.report_work("Generating", 0.5)
    window.context.show_fault("The disk is full.", "3 bytes are left")
    page.report_work("Generating", 0.6)
    assert banner.isVisible(), "the work during which it failed is not the next one"
    page.end_work()
    window.context.show_fault(
        "The disk is full.", "3 bytes are left", action="Save elsewhere…", do=lambda: None
    )
    page.report_work("Generating", 0.1)
    assert banner.isVisible(), "something is left to decide"
    page.end_work()


def test_text_of_a_fault_is_never_taken_for_markup(window, draw, page, qtbot):
    draw.fault = UserError("<img src='/etc/passwd'><b>bold</b>")
    run(qtbot, page)
    assert window.contents.banner.sentence.textFormat() == Qt.TextFormat.PlainText


def test_pictures_that_could_not_be_saved_stay_and_can_be_saved_elsewhere(
    window, page, draw, qtbot, tmp_path, choose_file
):
    draw.full_disk = True
    run(qtbot, page, seed=3, count=2)
    banner = window.contents.banner
    assert banner.sentence.text() == "2 of 2 images (seed 3, seed 4) were not saved: There is no room left."
    assert len(page.canvas.pictures) == 2
    choose_file(tmp_path / "elsewhere")
    assert banner.action.text() == "Save elsewhere…"
    banner.action.click()
    qtbot.waitUntil(lambda: len(list((tmp_path / "elsewhere").rglob("*.png"))) == 2)
    qtbot.waitUntil(lambda: not window.context.background.busy)
    assert not banner.isVisible()


def test_an_exception_nobody_caught_comes_to_the_window(window, qtbot, capfd, monkeypatch):
    faults = Faults(window)
    faults.raised.connect(window.show_fault)
    before = sys.excepthook
    faults.install()
    try:
        try:
            raise RuntimeError("in a slot")
        except RuntimeError as error:
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        faults.remove()
    assert sys.excepthook is before
    banner = window.contents.banner
    assert banner.isVisible() and "in a slot" in banner.sentence.text()
    assert "Traceback" in banner.details.toPlainText() and "in a slot" in capfd.readouterr().err


# --- other pictures ---


def test_a_picture_of_the_strip_is_shown_and_its_settings_used_again(page, qtbot):
    run(qtbot, page, seed=7, count=1, guidance=3.5, class_label="beard")
    path = page.strip.model.paths[0]
    run(qtbot, page, seed=99, count=4)
    page.strip.view.clicked.emit(page.strip.model.index(page.strip.model.paths.index(path)))
    qtbot.waitUntil(lambda: len(page.canvas.pictures) == 1)
    assert page.canvas.pictures[0].path == path
    page.saved.use_settings(path)
    qtbot.waitUntil(lambda: page.request.value().seed == 7)
    value = page.request.value()
    assert (value.guidance, value.class_label, value.count, value.steps) == (3.5, "beard", 1, 4)
    assert page.request.locked
    page.request.show(GenerationSettings(model="faces", steps=50))
    page.saved.use_seed(path)
    qtbot.waitUntil(lambda: page.request.value().seed == 7)
    assert page.request.value().steps == 50


def test_settings_of_the_picture_on_the_canvas_are_used_again(page, qtbot):
    run(qtbot, page, seed=7, count=3, guidance=3.5)
    page.request.show(GenerationSettings(model="plain", steps=50))
    page.canvas.select(2)
    page.reuse_commands.seed.trigger()
    assert (page.request.value().seed, page.request.value().model) == (9, "plain")
    page.reuse_commands.settings.trigger()
    value = page.request.value()
    assert (value.seed, value.model, value.guidance, value.count) == (9, "faces", 3.5, 1)


def test_a_picture_of_a_model_that_is_gone_says_so_and_brings_the_rest(window, page, draw, qtbot):
    settings = GenerationSettings(model="gone", steps=77, seed=5)
    path = outputs.save(draw.picture(1), settings, facts={"model_title": "Gone"})
    page.request.show(GenerationSettings(model="plain"))
    page.saved.use_settings(path)
    qtbot.waitUntil(lambda: page.request.value().steps == 77)
    assert page.request.value().model == "plain" and page.request.value().seed == 5
    assert "gone" in window.contents.toasts.latest.sentence.text().lower()


def test_a_picture_without_settings_changes_nothing(window, page, draw, qtbot, tmp_path):
    outputs.export(draw.picture(1), tmp_path / "plain.png")
    before = page.request.value()
    page.saved.use_settings(tmp_path / "plain.png")
    qtbot.waitUntil(lambda: "No generation settings" in window.status.message.text())
    assert page.request.value() == before


def test_a_picture_that_cannot_be_read_is_a_fault_in_the_window(window, page, qtbot, tmp_path):
    page.saved.show(tmp_path / "gone.png")
    qtbot.waitUntil(window.contents.banner.isVisible)
    assert "gone.png" in window.contents.banner.sentence.text()


def test_looking_at_another_picture_does_not_disturb_the_one_that_forms(page, draw, qtbot):
    run(qtbot, page, seed=7)
    path = page.strip.model.paths[0]
    draw.pause = 0.01
    page.request.show(GenerationSettings(model="faces", steps=400, seed=50))
    page.generate()
    qtbot.waitUntil(lambda: page.generation.step[0] > 2)
    page.saved.show(path)
    qtbot.waitUntil(lambda: page.canvas.pictures[0].path == path)
    step = page.generation.step[0]
    qtbot.waitUntil(lambda: page.generation.step[0] > step + 3)
    assert page.canvas.pictures[0].path == path and page.bar.live.isVisible()
    page.bar.live.click()
    assert page.canvas.pictures[0].settings.seed == 50 and not page.bar.live.isVisible()
    page.stop()


def test_pictures_written_by_others_appear_in_the_strip(page, draw, qtbot):
    run(qtbot, page, seed=7)
    path = outputs.save(draw.picture(1), GenerationSettings(model="faces", seed=1), facts={})
    qtbot.waitUntil(lambda: path in page.strip.model.paths, timeout=10_000)
    path.unlink()
    qtbot.waitUntil(lambda: path not in page.strip.model.paths, timeout=10_000)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_save_as_writes_the_format_of_the_ending_with_the_settings(
    page, draw, qtbot, tmp_path, choose_file, suffix
):
    run(qtbot, page, seed=7, count=2)
    target = tmp_path / f"picture{suffix}"
    choose_file(target)
    page.canvas.select(1)
    page.commands.tile.trigger()  # how an image is looked at does not change what is saved
    assert page.canvas.tiled
    page.commands.save_as.trigger()
    qtbot.waitUntil(target.is_file)
    qtbot.waitUntil(lambda: not page._context.background.busy)
    assert reading.read(target).settings.seed == 8 and reading.read(target).size == (8, 8)
    page._context.change_preferences(metadata=False)
    target.unlink()
    page.commands.save_as.trigger()
    qtbot.waitUntil(target.is_file)
    qtbot.waitUntil(lambda: not page._context.background.busy)
    assert reading.read(target).settings is None


def test_save_as_of_a_whole_grid_writes_a_sheet(page, draw, qtbot, tmp_path, choose_file):
    draw.size = 16
    run(qtbot, page, seed=7, count=4)
    target = tmp_path / "sheet"
    choose_file((target, "PNG (*.png)"))
    page.commands.save_as.trigger()
    written = tmp_path / "sheet.png"
    qtbot.waitUntil(written.is_file)
    qtbot.waitUntil(lambda: not page._context.background.busy)
    assert min(reading.read(written).size) >= 32


def test_copy_and_copy_settings(page, draw, qtbot):
    run(qtbot, page, seed=7)
    page.commands.copy.trigger()
    image = QGuiApplication.clipboard().image()
    assert image.pixelColor(3, 2).getRgb()[:3] == tuple(draw.picture(7)[2, 3])
    page.commands.copy_settings.trigger()
    assert "Seed: 7" in QGuiApplication.clipboard().text()


def test_commands_without_a_picture_are_grey(page):
    commands = page.commands
    for entry in (commands.save_as, commands.copy, commands.copy_settings, commands.reveal, commands.fit):
        assert not entry.isEnabled()


# --- memory, menus, closing ---


def test_settings_model_and_look_come_back(make_window, qtbot):
    first = make_window()
    settings = GenerationSettings(model="plain", steps=33, sampler="heun", count=4, seed=12)
    first.page.request.show(settings)
    first.context.change_preferences(theme="dark", scaling="smooth")
    close(qtbot, first)
    second = make_window()
    assert second.page.request.value() == settings and second.page.request.locked
    assert second.context.theme.choice == "dark" and not second.page.canvas._crisp_wanted


def test_an_unlocked_seed_is_random_again_at_the_next_start(make_window, qtbot):
    first = make_window()
    first.page.request.draw_seed()
    close(qtbot, first)
    assert make_window().page.request.value().seed is None


def test_geometry_comes_back(make_window, qtbot):
    first = make_window()
    first.resize(1000, 700)
    close(qtbot, first)
    second = MainWindow(first.context.theme, SettingsFile())
    qtbot.addWidget(second)
    assert second.height() == 700  # the width is the test screen's


def test_every_page_of_the_rail_opens_and_has_its_menus(window):
    titles = lambda: [entry.text().replace("&", "") for entry in window.menuBar().actions()]  # noqa: E731
    assert titles() == ["File", "Edit", "View", "Generate", "Mask", "Help"]
    for number, button in enumerate(window.contents.rail.buttons):
        button.click()
        assert window.contents.stack.currentWidget() is window.contents.pages[number]
        assert "File" in titles() and titles()[-1] == "Help"
    window.contents.visit(0)
    assert titles() == ["File", "Edit", "View", "Generate", "Mask", "Help"]


def test_the_settings_page_changes_the_look_at_once(window, qtbot):
    window.contents.visit(len(window.contents.entries) - 1)
    form = window.page.forms[APPEARANCE]
    form.fields["theme"].show_value("dark")
    assert window.context.theme.dark
    form.fields["scaling"].show_value("smooth")
    assert not window.contents.pages[0].canvas._crisp_wanted
    qtbot.waitUntil(lambda: not window.context.background.busy)


@pytest.mark.qt_log_ignore("does not support propagateSizeHints")
def test_help_sheets_open_and_list_the_shortcuts(window, qtbot):
    from PySide6.QtCore import QSize
    from PySide6.QtWidgets import QLabel

    from diffusion_studio.ui.window.help import Scrolled

    window.context.undo.push(Change("discard of 9 images", lambda: None))
    window.menus._show_shortcuts()
    texts = [label.text() for label in window.menus._dialog.findChildren(QLabel)]
    assert "Undo" in texts and not any("discard of 9" in text for text in texts)
    assert "Generate" in texts and "Ctrl+Return" in texts and "Ctrl+L" in texts and "Home, End" in texts
    wanted = window.menus._dialog.sizeHint()
    assert wanted.width() <= 1280 and wanted.height() <= 720, "a small screen holds it, with its button"
    area = window.menus._dialog.findChild(Scrolled)
    area._most = QSize(2000, 2000)  # a large screen, whatever this one is
    area.updateGeometry()
    window.menus._dialog.adjustSize()
    rows = area.widget()
    qtbot.waitUntil(
        lambda: area.viewport().rect().contains(rows.rect())
    )  # nothing is cut off where there is room
    window.menus._show_about()
    texts = [label.text() for label in window.menus._dialog.findChildren(QLabel)]
    assert any("Version" in text for text in texts)
    window.menus._dialog.close()


def test_a_report_for_a_bug_is_copied(window, qtbot, monkeypatch):
    from diffusion_studio import doctor

    monkeypatch.setattr(doctor, "text", lambda: "Python 3")
    window.menus._copy_report()
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text() == "Python 3")
    qtbot.waitUntil(lambda: not window.context.background.busy)


def test_closing_while_busy_finishes_the_step_and_then_closes(window, page, draw, qtbot):
    draw.pause = 0.05
    page.request.show(GenerationSettings(model="faces", steps=900))
    page.generate()
    qtbot.waitUntil(lambda: bool(page.canvas.pictures))
    begun = time.monotonic()
    window.close()
    assert window.isVisible()  # not before the step's end
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=5_000)
    assert time.monotonic() - begun < 4
    assert draw.closed == 1 and page.generation.worker.isFinished()


def test_closing_while_a_model_is_loaded_ahead_is_not_felt(window, page, draw, qtbot, monkeypatch):
    release = threading.Event()

    def slow_warm_up(settings):
        release.wait(10)
        yield None

    monkeypatch.setattr("diffusion_studio.jobs.warm_up.warm_up", slow_warm_up)
    qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()))
    page.generation.warm_up(page.request.value())
    with qtbot.waitSignal(window.closed):
        window.close()
        assert not window.isVisible()
        release.set()
    assert page.generation.worker.isFinished()


@pytest.fixture
def stuck(window, page, qtbot, monkeypatch):
    """A job stuck inside one step, while the window is being closed and does not wait long."""
    release, begun = threading.Event(), threading.Event()

    def warm_up(settings):
        begun.set()
        release.wait(30)
        yield None

    monkeypatch.setattr("diffusion_studio.jobs.warm_up.warm_up", warm_up)
    monkeypatch.setattr(leaving, "PATIENCE", 30)
    qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()))
    page.generation.warm_up(page.request.value())
    qtbot.waitUntil(begun.is_set)
    window.close()
    yield release
    release.set()


@pytest.mark.qt_log_ignore("does not support propagateSizeHints")
def test_closing_says_what_it_waits_for_and_keeps_waiting(window, stuck, qtbot):
    qtbot.waitUntil(lambda: window.leaving.dialog is not None)
    box = window.leaving.dialog
    assert box.isVisible() and box.isEnabled() and "an image to finish its step" in box.sentence.text()
    assert box.leave.isEnabled()
    box.keep.click()
    assert window.leaving.dialog is None
    qtbot.waitUntil(lambda: window.leaving.dialog is not None)  # and asks again
    with qtbot.waitSignal(window.closed):
        stuck.set()
    assert window.leaving.dialog is None  # nothing is asked of a window that is closed


@pytest.mark.qt_log_ignore("does not support propagateSizeHints")
def test_leaving_ends_the_process_though_a_job_is_stuck(window, stuck, qtbot, monkeypatch):
    ended = []
    monkeypatch.setattr(leaving, "end_process", lambda: ended.append(True))
    qtbot.waitUntil(lambda: window.leaving.dialog is not None)
    window.leaving.dialog.leave.click()
    assert ended == [True]
    with qtbot.waitSignal(window.closed):
        stuck.set()


def test_a_second_signal_ends_at_once_and_the_echo_of_the_first_does_not(monkeypatch):
    done = []
    for wait, expected in ((0.0, ["close", "end"]), (60.0, ["close"])):
        monkeypatch.setattr(leaving, "AT_ONCE", wait)
        here, there = socket.socketpair()
        there.sendall(b"\x0f\x0f")
        there.close()
        with here:
            leaving.follow_signals(here, lambda: done.append("close"), lambda: done.append("end"))
        assert done == expected
        done.clear()


def test_closing_an_idle_window_ends_its_threads(window, page, qtbot):
    run(qtbot, page)
    qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()))
    window.close()
    assert not window.isVisible()
    assert all(worker.isFinished() or not worker.isRunning() for worker in window.workers())


def test_no_model_is_said_in_the_window(make_window, draw, qtbot, own_folders):
    shutil.rmtree(own_folders / "models")
    window = make_window()
    qtbot.waitUntil(lambda: window.page.canvas.message.title == "No model is installed")
    assert not window.page.panel.foot.button.isEnabled()
    window.page.generate()
    assert not draw.asked
