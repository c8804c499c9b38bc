"""The trash in the window: what was deleted is shown, comes back, and goes for good only when asked."""

import pytest
from PySide6.QtGui import QImage

from diffusion_studio.storage.places import models_dir, outputs_dir, trash, trash_can
from diffusion_studio.ui.gallery import trash_dialog
from diffusion_studio.ui.gallery.trash_dialog import TrashDialog


@pytest.fixture
def dialog(window, qtbot):
    picture = outputs_dir() / "2026-01-01" / "a <b>.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    image = QImage(8, 8, QImage.Format.Format_RGB32)
    image.fill(0x336699)
    image.save(str(picture))
    trash(picture)
    model = models_dir() / "gone"
    model.mkdir(parents=True)
    trash(model)
    shown = TrashDialog(window.context, window)
    qtbot.addWidget(shown)
    qtbot.waitUntil(lambda: shown.list.count() == 2)
    yield shown
    shown.reject()


def names(dialog):
    return [dialog.list.item(row).text().splitlines()[0] for row in range(dialog.list.count())]


def test_it_shows_what_was_deleted_and_where_from(dialog, qtbot):
    assert names(dialog) == ["gone", "a <b>.png"]
    words = dialog.list.item(1).text()
    assert "Image · deleted 20" in words and "2026-01-01" in words
    assert not dialog.back.isEnabled() and dialog.empty.isEnabled()


def test_what_is_restored_is_where_it_was(dialog, qtbot, window):
    with qtbot.waitSignal(window.context.restored):
        dialog.list.item(1).setSelected(True)
        dialog.back.click()
    assert (outputs_dir() / "2026-01-01" / "a <b>.png").exists()
    qtbot.waitUntil(lambda: names(dialog) == ["gone"])


@pytest.mark.parametrize("agreed", [True, False])
def test_it_asks_before_anything_goes_for_good(dialog, qtbot, monkeypatch, agreed):
    asked = []
    monkeypatch.setattr(trash_dialog, "may_remove", lambda _, question: asked.append(question) or agreed)
    dialog.list.item(1).setSelected(True)
    dialog.remove.click()
    assert asked == ["Delete “a <b>.png” permanently?"]
    if agreed:
        qtbot.waitUntil(lambda: names(dialog) == ["gone"])
    dialog.empty.click()
    assert len(asked) == 2
    if agreed:
        qtbot.waitUntil(lambda: dialog.list.count() == 0)
    assert len(trash_can().entries()) == (0 if agreed else 2)


@pytest.mark.qt_log_ignore("propagateSizeHints")
def test_the_menu_and_the_gallery_lead_to_it(window, qtbot):
    entries = {entry.text(): entry for entry in window.menuBar().actions()[0].menu().actions()}
    entries["Trash…"].trigger()
    shown = window.menus._dialog
    assert isinstance(shown, TrashDialog)
    shown.reject()
