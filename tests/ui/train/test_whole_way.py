"""The whole way in the real window with real jobs: a mixed folder, training, pause, drawing meanwhile, restart, a model."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt

from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.records import log, runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.qt_log_ignore("does not support propagateSizeHints"),
    pytest.mark.skipif(os.name == "nt", reason="some of the bad files are links and pipes"),
]
SIZE = 8
WAIT = 60_000  # milliseconds; a busy machine takes its time


# A folder as one finds them -------------------------------------------------------------------------------------------


def picture(number):
    """(12, 10, 3) uint8: a disc on a ramp, dark in one class and bright in the other."""
    draw = np.random.default_rng(number)
    low, high = ((20, 110), (140, 230))[number % 2]
    y, x = np.mgrid[0:12, 0:10]
    ground = np.linspace(*draw.uniform(low, high, 2), 12)[:, None, None] + np.zeros((12, 10, 3))
    disc = (y - draw.uniform(4, 8)) ** 2 + (x - draw.uniform(3, 7)) ** 2 < 9
    ground[disc] = draw.uniform(low, high, 3)
    return ground.clip(0, 255).astype(np.uint8)


def encoded(image, kind="PNG", **facts):
    file = io.BytesIO()
    image.save(file, kind, **facts)
    return file.getvalue()


def good(number):
    """(suffix, bytes) of one of twelve kinds of good files."""
    image = Image.fromarray(picture(number))
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = image.convert("RGBA")
    clear.putalpha(200)
    deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    kinds = (
        lambda: (".png", encoded(image)),
        lambda: (".PNG", encoded(clear)),
        lambda: (".png", encoded(image.convert("P"))),
        lambda: (".png", encoded(image.convert("L"))),
        lambda: (".png", encoded(deep)),
        lambda: (".jpg", encoded(image, "JPEG")),
        lambda: (".JPEG", encoded(image, "JPEG", exif=turned)),
        lambda: (".jpg", encoded(image.convert("CMYK"), "JPEG")),
        lambda: (".bmp", encoded(image, "BMP")),
        lambda: (".gif", encoded(image, "GIF", save_all=True, append_images=[Image.fromarray(picture(1))])),
        lambda: (".webp", encoded(image, "WEBP")),
        lambda: (".tiff", encoded(image, "TIFF")),
    )
    return kinds[number % len(kinds)]()


def bomb():
    """A PNG whose header says 20,000 × 20,000."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9)))


def spoil(place, number):
    """One bad file of each of nine kinds; returns their names."""
    image = Image.fromarray(np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    png, jpeg, webp = encoded(image), encoded(image, "JPEG"), encoded(image, "WEBP")
    contents = {
        "empty.png": b"",
        "words.jpg": b"no picture at all",
        "torn.png": png[: len(png) // 2],
        "torn.jpg": jpeg[: len(jpeg) // 3],
        "torn.webp": webp[: len(webp) // 2],
        "bomb.png": bomb(),
        "page.gif": b"<html><body>404</body></html>",
    }
    for name, data in contents.items():
        (place / f"{number}-{name}").write_bytes(data)
    (place / f"{number}-gone.png").symlink_to(place / "nowhere.png")
    os.mkfifo(place / f"{number}-pipe.png")
    return {f"{place.name}/{number}-{name}" for name in (*contents, "gone.png", "pipe.png")}


@pytest.fixture
def folder(tmp_path):
    """280 good pictures of twelve kinds in two classes; `bad`: the names of eighteen bad ones of nine kinds."""
    place = tmp_path / "mixed-pictures"
    for name in ("dark", "bright"):
        (place / name).mkdir(parents=True)
    for number in range(280):
        suffix, data = good(number)
        (place / ("bright" if number % 2 else "dark") / f"{number:03}{suffix}").write_bytes(data)
    return place, spoil(place / "dark", 1) | spoil(place / "bright", 2)


# The window -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_window(qtbot, qapp, own_folders, monkeypatch, tmp_path):
    from diffusion_studio.models import cards
    from diffusion_studio.ui.base.preferences import Preferences
    from diffusion_studio.ui.base.settings_file import SettingsFile
    from diffusion_studio.ui.look.theme import Theme
    from diffusion_studio.ui.window.window import MainWindow

    monkeypatch.setattr(cards, "resource", lambda name: tmp_path / "no-resources")

    def finish(window):
        for worker in window.workers():
            worker.cancel_all()
        qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=WAIT)

    def open_():
        settings_file = SettingsFile()
        toured = Preferences(**{**settings_file.section("window"), "toured": True})
        settings_file.store("window", toured)  # the tour of a first start would lead to other pages
        window = MainWindow(Theme(qapp), settings_file)
        qtbot.addWidget(window, before_close_func=finish)
        window.fill()
        window.resize(1280, 800)
        window.show()
        qtbot.waitExposed(window)
        return window

    return open_


class Driver:
    """What a user does in the window, and waits for."""

    def __init__(self, window, qtbot):
        self.window, self.qtbot = window, qtbot

    def page(self, label):
        entries = self.window.contents.entries
        self.window.contents.visit(next(k for k, entry in enumerate(entries) if entry.label == label))
        return self.window.page

    def until(self, done):
        self.qtbot.waitUntil(done, timeout=WAIT)

    def click(self, button):
        self.until(lambda: button.isVisible() and button.isEnabled())
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def outcome(self, train, name):
        """Click the button of this name under the tabs, once it is offered."""
        outcome = train.run_view.outcome

        def offered():
            return [b for b in outcome.buttons if b.text() == name and b.isVisible() and b.isEnabled()]

        self.until(lambda: bool(offered()))
        self.click(offered()[0])

    def step(self, train):
        text = train.run_view.figures["step"].text().replace(",", "")
        return int(text) if text.isdigit() else 0

    def trains_on(self, train, steps=10):
        """Until so many more steps were taken."""
        self.until(lambda: train.session.state == "running" and self.step(train) > 0)
        first = self.step(train)
        self.until(lambda: self.step(train) >= first + steps)

    def draws_with(self, name):
        """The Generate page has chosen this model; two pictures of it."""
        page = self.window.page
        assert page.request.card.name == name
        page.panel.form.fields["count"].show_value(2)
        with self.qtbot.waitSignal(page.generation.ended, timeout=WAIT):
            page.generate()
        assert len(page.canvas.pictures) == 2
        for shown in page.canvas.pictures:
            assert shown.path.is_file() and shown.pixels.shape == (SIZE, SIZE, 3)
        return [shown.pixels for shown in page.canvas.pictures]


def test_from_a_mixed_folder_to_a_model_of_ones_own(open_window, folder, qtbot):
    place, bad = folder
    window = open_window()
    user = Driver(window, qtbot)
    train = user.page("Train")

    with qtbot.waitSignal(train.images.checked, timeout=WAIT):
        train.open_folder(place)
    report = train.images.report
    assert set(report.problems.names()) == bad and report.report["usable"] == 280
    assert all(report.problems.reasons()) and len(report.problems.reasons()) == len(bad) == 18
    assert report.report["classes"] == {"bright": 140, "dark": 140}

    user.click(train.images.next)
    choices = TrainingSettings(
        size=SIZE, steps=1_000_000, batch=16, sample_every=1.0, learning_rate=2e-3, warmup=10, ema=0.9, seed=1
    )
    train.recipe.show_value(choices)
    user.click(train.recipe.train_button)
    samples = train.run_view.samples
    user.until(lambda: len(samples._steps) >= 3)
    assert len(samples.canvas.pictures) == 16
    first = samples._kept[samples._steps[0]][0].astype(float)
    user.until(lambda: fallen([entry["validation"] for entry in train.run_view._log if entry["validation"]]))
    latest = samples._kept[samples._steps[-1]][0].astype(float)
    assert roughness(latest) < roughness(first)  # out of noise, even grounds

    user.click(train.run_view.pause)
    user.until(lambda: train.run_view.outcome.isVisible())
    first_cell = samples.canvas.cell_rect(0).center()
    qtbot.mouseClick(samples.canvas, Qt.MouseButton.LeftButton, pos=QPoint(*map(round, first_cell.toTuple())))
    user.until(lambda: len(samples.nearest.canvas.pictures) == 2)
    assert samples.nearest.canvas.pictures[0].pixels.tolist() == samples.canvas.pictures[0].pixels.tolist()
    assert "half of the training images" in samples.nearest.measure.text() and samples.nearest.verdict.text()

    user.outcome(train, "Use in Generate")
    user.until(lambda: window.page is not train)
    user.draws_with("mixed-pictures")
    assert train.session.state == "paused"

    user.page("Train")
    assert train.run_view.pause.text() == "Resume"
    user.click(train.run_view.pause)
    user.trains_on(train)
    with qtbot.waitSignal(train.session.ended, timeout=WAIT):
        user.click(train.run_view.stop)
    stopped = runs.find("mixed-pictures").step
    assert runs.find("mixed-pictures").state == "stopped" and stopped > 10

    user.outcome(train, "Resume")
    user.trains_on(train)
    with qtbot.waitSignal(window.closed, timeout=WAIT):
        window.close()  # while it trains
    closed = runs.find("mixed-pictures").step
    assert closed > stopped

    window = open_window()
    user = Driver(window, qtbot)
    user.until(lambda: window.contents.toasts.latest is not None)
    assert "Mixed pictures" in window.contents.toasts.latest.sentence.text()
    user.click(window.contents.toasts.latest.action)
    train = window.page
    user.trains_on(train)
    assert user.step(train) > closed and train.recipe.value().folder == str(place)
    with qtbot.waitSignal(train.session.ended, timeout=WAIT):
        user.click(train.run_view.stop)
    user.outcome(train, "Save as model")
    user.outcome(train, "Use in Generate")
    chooser = window.page.panel.chooser
    assert [chooser.itemData(row) for row in range(chooser.count())].count("mixed-pictures") == 1
    pictures = user.draws_with("mixed-pictures")
    assert not np.array_equal(*pictures)
    logged = [entry["step"] for entry in log.read(runs.find("mixed-pictures").path)]
    assert logged == sorted(logged) and logged[-1] >= closed


def fallen(losses):
    return len(losses) > 1 and losses[-1] < 0.85 * losses[0]


def roughness(sheet):
    """How much neighbouring pixels differ."""
    return np.abs(np.diff(sheet, axis=1)).mean() + np.abs(np.diff(sheet, axis=2)).mean()
