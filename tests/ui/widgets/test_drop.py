"""Files dropped on a widget: what it can use is taken, the rest goes on to what lies behind it."""

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget

from diffusion_studio.ui.widgets.drop import FileDrop, dropped_folder, dropped_path

HOW = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def target(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.drop = FileDrop(widget, dropped_folder)
    widget.said = []
    widget.drop.hovered.connect(widget.said.append)
    widget.drop.dropped.connect(widget.said.append)
    return widget


def dragged(*paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def send(target, data, kind):
    where = QPoint(1, 1) if kind is QDragEnterEvent else QPointF(1, 1)
    event = kind(where, Qt.DropAction.CopyAction, data, *HOW)
    event.ignore()  # as Qt sends it
    QApplication.sendEvent(target, event)
    return event.isAccepted()


def test_what_can_be_used_is_taken(target, tmp_path):
    data = dragged(tmp_path)
    assert send(target, data, QDragEnterEvent) and target.said == [True]
    QApplication.sendEvent(target, QDragLeaveEvent())
    assert target.said == [True, False]
    assert send(target, data, QDragEnterEvent) and send(target, data, QDropEvent)
    assert target.said[2:] == [True, False, tmp_path]


def test_what_cannot_be_used_is_left_to_others(target, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    for data in (dragged(tmp_path / "a.txt"), dragged(tmp_path, tmp_path), QMimeData()):
        assert not send(target, data, QDragEnterEvent)
    assert target.said == []


def test_only_one_file_of_this_computer_is_a_path(tmp_path):
    assert dropped_path(dragged(tmp_path / "x")) == tmp_path / "x"
    far = QMimeData()
    far.setUrls([QUrl("https://example.org/x.png")])
    assert dropped_path(far) is None
