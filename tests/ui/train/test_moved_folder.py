"""A run whose folder is gone asks where it is now, and whether other pictures will do."""

import pytest
from PySide6.QtWidgets import QMessageBox, QWidget

from diffusion_studio.ui.base import file_dialogs
from diffusion_studio.ui.train import moved_folder


@pytest.fixture
def parent(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def answer(monkeypatch):
    """Press the button of a text in each message box that opens, without a loop of events of its own."""

    def prepare(label, seen):
        def press(box):
            seen.append(box.text())
            next(button for button in box.buttons() if button.text().replace("&", "") == label).click()

        monkeypatch.setattr(QMessageBox, "exec", press)

    return prepare


def test_the_new_location_is_chosen(parent, answer, tmp_path, monkeypatch):
    monkeypatch.setattr(file_dialogs, "choose_folder", lambda *_, **__: tmp_path)
    seen = []
    answer(moved_folder.CHOOSE, seen)
    assert moved_folder.new_location(parent, "<b>Cats</b>", "/gone/cats") == tmp_path
    assert "“<b>Cats</b>”" in seen[0] and "/gone/cats" in seen[0]


def test_nothing_is_resumed_when_it_is_cancelled(parent, answer, monkeypatch):
    monkeypatch.setattr(file_dialogs, "choose_folder", lambda *_, **__: pytest.fail("asked for a folder"))
    answer("Cancel", [])
    assert moved_folder.new_location(parent, "Cats", "/gone") is None
    answer(moved_folder.CHOOSE, [])
    monkeypatch.setattr(file_dialogs, "choose_folder", lambda *_, **__: None)
    assert moved_folder.new_location(parent, "Cats", "/gone") is None


@pytest.mark.parametrize(("button", "agreed"), [(moved_folder.USE, True), ("Cancel", False)])
def test_other_pictures_are_used_only_when_that_is_said(parent, answer, button, agreed):
    seen = []
    answer(button, seen)
    assert moved_folder.may_use_changed(parent, "2 missing (a.png, b.png).") is agreed
    assert "2 missing (a.png, b.png)" in seen[0]


def test_what_is_there_is_a_folder(tmp_path):
    (tmp_path / "file").touch()
    assert moved_folder.is_there(str(tmp_path))
    assert not moved_folder.is_there(str(tmp_path / "file")) and not moved_folder.is_there(
        str(tmp_path / "no")
    )
