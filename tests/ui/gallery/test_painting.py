"""The headings of the gallery, in both directions of writing."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPainter

from diffusion_studio.ui.gallery.layout import Group
from diffusion_studio.ui.gallery.painting import paint_heading
from diffusion_studio.ui.look.theme import tokens


@pytest.mark.parametrize("direction", [Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft])
def test_the_count_is_beside_the_heading_and_not_over_it(qapp, direction):
    image = QImage(400, 60, QImage.Format.Format_RGB32)
    image.fill(QColor("black"))
    painter = QPainter(image)
    painter.setLayoutDirection(direction)
    paint_heading(painter, Group("2026-11", 0, 12, 0), (0, 400))
    painter.end()

    def columns(colour):
        wanted = QColor(colour).rgb()
        return [x for x in range(400) if any(image.pixel(x, y) == wanted for y in range(60))]

    heading, count = columns(tokens().ground_text), columns(tokens().ground_muted)
    assert heading and count
    from_left = direction == Qt.LayoutDirection.LeftToRight
    assert (max(heading) < min(count)) if from_left else (max(count) < min(heading))


@pytest.mark.parametrize("free", [(0, 250), (0, 60), (150, 400), (340, 400)])
def test_a_heading_ends_beside_the_bar_and_its_count_is_whole_or_not_there(qapp, free):
    def painted(free):
        image = QImage(400, 60, QImage.Format.Format_RGB32)
        image.fill(QColor("black"))
        painter = QPainter(image)
        paint_heading(painter, Group("2026-11", 0, 12, 0), free)
        painter.end()
        pixels = [(x, image.pixel(x, y)) for x in range(400) for y in range(60)]
        lit = [x for x, pixel in pixels if pixel != QColor("black").rgb()]
        return lit, sum(pixel == QColor(tokens().ground_muted).rgb() for _, pixel in pixels)

    lit, counted = painted(free)
    assert lit and min(lit) >= free[0] and max(lit) < free[1]
    assert counted in (0, painted((0, 400))[1])
    assert (counted > 0) == (free[1] - free[0] > 100)
