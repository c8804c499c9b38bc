"""The Models page of a window with models."""

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication


def number(window, label):
    return next(k for k, entry in enumerate(window.contents.entries) if entry.label == label)


@pytest.fixture
def page(window, qtbot, monkeypatch):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    window.contents.visit(number(window, "Models"))
    rest(window, qtbot)
    return window.page


def rest(window, qtbot):
    """Let everything that was begun come to its end, and be shown."""
    qtbot.waitUntil(
        lambda: not window.context.background.busy and not any(worker.busy for worker in window.workers()),
        timeout=20_000,
    )
    qtbot.wait(1)
    qtbot.waitUntil(lambda: not window.context.background.busy, timeout=10_000)


def titles(page):
    return [row.card.title for row in page.browser.rows.rows]


def choose(page, name):
    page.browser.view.setCurrentIndex(page.browser.rows.index(page.browser.rows.row_of(name)))


@pytest.fixture
def noticed(window):
    """Every notice: sentence, name of its action, what that does."""
    notices = []
    window.context.notice.connect(lambda *notice: notices.append(notice))
    return notices


@pytest.fixture
def said(window):
    """Every status line and fault."""
    words = []
    window.context.status.connect(words.append)
    window.context.fault.connect(lambda sentence, *_: words.append(sentence))
    return words


def drop(page, path):
    """Whether the tile lights up for it, and only while it is held."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    held = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(page, QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, *held))
    lit = page.browser.tile._held
    QApplication.sendEvent(page, QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, *held))
    return lit and not page.browser.tile._held


def shown(page):
    """Every fact on the card, by its label."""
    facts = page.card._facts.values()
    return {label.text(): value.text() for label, value in facts if not value.isHidden()}
