"""The application as a process: on screen before anything heavy is loaded, closed politely by signals, exit 0."""

import os
import signal
import subprocess
import sys
import time

import pytest

START = """
import sys
from diffusion_studio.ui.window import app
from PySide6.QtCore import QTimer
application, window = app.build(["test"])
print("heavy:", *sorted({"torch", "numpy", "PIL", "psutil"} & set(sys.modules)))
print("turns of at most 2 ms:", sys.getswitchinterval() <= 0.00201)
window.show()
QTimer.singleShot(0, lambda: None)
fill = window.fill
def filled():
    print("painted first:", not window.filled)
    fill()
    print("torch in the way:", "torch" in sys.modules)
    QTimer.singleShot(50, window.close)
window.fill = filled
window.closed.connect(application.quit)
sys.exit(application.exec())
"""


NO_HINTS = "This plugin does not support propagateSizeHints()"


def start(code):
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_the_window_is_painted_before_anything_heavy_is_loaded(own_folders):
    child = start(START)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    said = ["heavy:", "turns of at most 2 ms: True", "painted first: True", "torch in the way: False"]
    assert out.splitlines() == said


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_close_the_window_politely(own_folders, name):
    child = start(
        "import sys; from diffusion_studio.ui.window.app import main; print('up', flush=True); sys.exit(main())"
    )
    child.stdout.readline()
    end = time.monotonic() + 30
    while not (own_folders / "outputs").exists() and time.monotonic() < end:
        time.sleep(0.05)  # the page has begun: it made the folder it watches
    time.sleep(0.3)
    child.send_signal(getattr(signal, name))
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")


USED = """
import sys
from PySide6.QtCore import QTimer
from diffusion_studio.ui.window import app
build = app.build
def built(arguments):
    application, window = build(arguments)
    def generate():
        window.fill()
        window.context.go_to("generate")
        window.page.request.change(steps=2, count=1)
        window.page.generate()
        QTimer.singleShot(50, wait)
    def wait():
        if window.page.generation.running or not window.page.canvas.pictures:
            QTimer.singleShot(50, wait)
            return
        window.context.go_to("models")
        QTimer.singleShot(300, window.close)
    QTimer.singleShot(100, generate)
    return application, window
app.build = built
sys.exit(app.main())
"""


@pytest.mark.slow
def test_it_ends_well_after_an_image(own_folders):
    for _ in range(2):
        child = start(USED)
        _, err = child.communicate(timeout=120)
        assert (child.returncode, err.replace(NO_HINTS, "").strip()) == (0, "")


STUCK = """
import sys, time
from diffusion_studio.jobs import warm_up as jobs
def warm_up(settings):
    print("stuck", flush=True)
    time.sleep(1000)
    yield None
jobs.warm_up = warm_up
from diffusion_studio.ui.window import leaving
leaving.PATIENCE = {patience}
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QPushButton
def answer():
    for button in QApplication.instance().allWidgets() if QApplication.instance() else ():
        if isinstance(button, QPushButton) and button.text() == "Leave now" and button.isVisible():
            button.click()
    QTimer.singleShot(50, answer)
from diffusion_studio.ui.window import app
build = app.build
def built(arguments):
    result = build(arguments)
    answer()
    return result
app.build = built
sys.exit(app.main())
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such signals")
@pytest.mark.parametrize(("patience", "signals"), [(100, 1), (100_000, 2)])
def test_a_stuck_job_keeps_neither_the_window_nor_a_second_signal(own_folders, patience, signals):
    """Leaving, by the button or by a second signal, is a good end."""
    child = start(STUCK.replace("{patience}", str(patience)))
    assert child.stdout.readline() == "stuck\n"
    for _ in range(signals):
        child.send_signal(signal.SIGTERM)
        time.sleep(1)
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err.replace("This plugin does not support propagateSizeHints()\n", "")) == (
        0,
        "",
    )
