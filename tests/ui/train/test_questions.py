"""A run whose folder is gone asks where it is now, and whether other images will do."""

import pytest

from diffusion_studio.ui.base import file_dialogs
from diffusion_studio.ui.train import questions


@pytest.fixture
def answer(monkeypatch):
    """What is asked is written down and answered without a dialog."""
    asked = []

    def prepare(agreed):
        def ask_question(_parent, title, text, **_):
            asked.append(f"{title} {text}")
            return agreed

        monkeypatch.setattr(questions, "ask_question", ask_question)
        return asked

    return prepare


def test_the_new_location_is_chosen(answer, tmp_path, monkeypatch):
    monkeypatch.setattr(file_dialogs, "choose_folder", lambda *_, **__: tmp_path)
    asked = answer(True)
    assert questions.new_location(None, "<b>Cats</b>", "/gone/cats") == tmp_path
    assert "“<b>Cats</b>”" in asked[0] and "/gone/cats" in asked[0]


def test_nothing_is_resumed_when_it_is_cancelled(answer, monkeypatch):
    monkeypatch.setattr(file_dialogs, "choose_folder", lambda *_, **__: pytest.fail("asked for a folder"))
    answer(False)
    assert questions.new_location(None, "Cats", "/gone") is None
    answer(True)
    monkeypatch.setattr(file_dialogs, "choose_folder", lambda *_, **__: None)
    assert questions.new_location(None, "Cats", "/gone") is None


@pytest.mark.parametrize("agreed", [True, False])
def test_other_images_are_used_only_when_that_is_said(answer, agreed):
    asked = answer(agreed)
    assert questions.may_use_changed(None, "2 missing (a.png, b.png).") is agreed
    assert "2 missing (a.png, b.png)" in asked[0]


def test_what_is_there_is_a_folder(tmp_path):
    (tmp_path / "file").touch()
    assert questions.is_there(str(tmp_path))
    assert not questions.is_there(str(tmp_path / "file")) and not questions.is_there(str(tmp_path / "no"))
