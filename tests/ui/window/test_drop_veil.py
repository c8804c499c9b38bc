"""What is held over the window is answered by a line and a label, which cover nothing."""

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from diffusion_studio.ui.widgets.drop import DropVeil


@pytest.mark.qt_log_ignore("does not support propagateSizeHints")
def test_the_veil_covers_nothing_and_says_what_dropping_does(qtbot):
    area = QWidget()
    qtbot.addWidget(area)
    area.resize(600, 400)
    veil = DropVeil(area, "Drop to read its settings")
    area.show()
    before = area.grab().toImage()
    veil.cover()
    after = area.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    before = before.convertToFormat(QImage.Format.Format_RGB32)
    changed = [
        (x, y) for x in range(0, 600, 4) for y in range(0, 400, 4) if before.pixel(x, y) != after.pixel(x, y)
    ]
    inside = [(x, y) for x, y in changed if 12 < x < 588 and 12 < y < 388]
    assert changed and inside and all(y > 300 for _, y in inside)  # the label at the foot alone
    assert veil.accessibleName() == "Drop to read its settings"
