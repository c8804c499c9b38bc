"""How an image is painted in its cell: squares behind what is transparent, a ring around what is selected."""

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap

from diffusion_studio.ui.look.theme import tokens
from diffusion_studio.ui.pictures.cells import CHECK, CHECKS, paint_fitted, paint_image, paint_ring
from diffusion_studio.ui.pictures.picture import Picture
from diffusion_studio.ui.pictures.saved import open_picture


@pytest.fixture
def paper(qapp):
    image = QImage(64, 64, QImage.Format.Format_RGB32)
    image.fill(QColor("#000080"))
    return image


def painted(image, paint):
    painter = QPainter(image)
    paint(painter)
    painter.end()
    return image


def colours(image, area):
    xs, ys = range(area.left(), area.right() + 1), range(area.top(), area.bottom() + 1)
    return {image.pixelColor(x, y).name() for x in xs for y in ys}


@pytest.mark.parametrize("kind", [QPixmap.fromImage, QImage])
def test_what_is_transparent_shows_squares(paper, kind):
    clear = QImage(32, 32, QImage.Format.Format_ARGB32)
    clear.fill(Qt.GlobalColor.transparent)
    painted(paper, lambda painter: paint_fitted(painter, QRect(0, 0, 64, 64), kind(clear)))
    assert colours(paper, QRect(0, 0, 64, 64)) == set(CHECKS)
    assert paper.pixelColor(0, 0) != paper.pixelColor(CHECK, 0)


def test_an_opaque_image_has_nothing_behind_it(paper):
    red = QImage(32, 32, QImage.Format.Format_RGB32)
    red.fill(Qt.GlobalColor.red)
    painted(paper, lambda painter: paint_image(painter, QRectF(0, 0, 64, 64), red, crisp=True))
    assert colours(paper, QRect(0, 0, 64, 64)) == {"#ff0000"}


def test_a_selection_is_a_bright_ring_with_a_light_line_outside(paper):
    painted(paper, lambda painter: paint_ring(painter, QRect(16, 16, 32, 32), radius=0))
    line = [paper.pixelColor(32, y).name() for y in range(12, 17)]
    assert line[0] == line[4] == "#000080"  # nothing is covered, nothing reaches further
    assert line[2] == line[3] == tokens().ground_accent
    assert QColor(line[1]).lightness() > 150


def test_a_file_that_is_partly_transparent_stays_so(tmp_path, qapp):
    pixels = np.full((6, 5, 4), (200, 100, 50, 255), np.uint8)
    pixels[0, 0, 3] = 0
    pixels[1, 1, 3] = 128
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = next(open_picture(tmp_path / "a.png"))
    assert np.array_equal(picture.pixels, pixels)
    image = picture.image()
    assert image.pixelColor(0, 0).alpha() == 0 and image.pixelColor(4, 4).alpha() == 255
    half = image.pixelColor(1, 1)
    assert half.alpha() == 128 and abs(half.red() - 200) < 4 and abs(half.blue() - 50) < 4
    assert not Picture({"denoised": pixels[..., :3]}).image().hasAlphaChannel()
    deep = np.full((4, 4, 1), 40_000, np.uint16)
    assert Picture({"denoised": deep}).image().pixelColor(0, 0).red() == round(40_000 / 257)
