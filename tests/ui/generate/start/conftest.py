"""A Generate page whose start images need no model: fake noise, an opened image, a brush."""

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from diffusion_studio.ui.generate.start import start_picture

SIZE = 8  # pixels of the fake models


COSINE = {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 1000}


def pixels(seed=0, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


@pytest.fixture
def noise(monkeypatch):
    """Noise without torch; the draws that were asked for."""
    asked = []

    def draw_noise(draw):
        asked.append(draw)
        channels, height, width = draw.shape
        yield np.random.default_rng(draw.seed).standard_normal((height, width, channels))

    monkeypatch.setattr(start_picture, "draw_noise", draw_noise)
    return asked


@pytest.fixture
def page(noise, window):
    return window.page


@pytest.fixture
def own(page):
    return page.start


def settle(page, qtbot):
    qtbot.waitUntil(lambda: not page._context.background.busy and not page.generation.running, timeout=10_000)
    QApplication.processEvents()


@pytest.fixture
def opened(own, page, qtbot, tmp_path):
    """A start picture of the model's size."""
    path = tmp_path / "mine.png"
    Image.fromarray(pixels()).save(path)
    own.open(path)
    qtbot.waitUntil(lambda: own.picture is not None and own.picture.noise is not None)
    settle(page, qtbot)
    return own


def paint(own, *places):
    """Strokes of one pixel on what the canvas shows."""
    own.tools.brush.resize(1)
    for x, y in places:
        area = own.canvas.cell_rect(own.canvas.opened or 0)
        point = area.topLeft() + QPointF((x + 0.5) * area.width() / SIZE, (y + 0.5) * area.height() / SIZE)
        QTest.mouseClick(own.canvas, Qt.MouseButton.LeftButton, pos=point.toPoint())


def generate(page, qtbot):
    with qtbot.waitSignal(page.generation.ended):
        page.generate()
