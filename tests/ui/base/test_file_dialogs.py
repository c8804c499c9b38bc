"""Questions for files: endings before the question about replacing, and a remembered place for each kind."""

import pytest
from PySide6.QtWidgets import QFileDialog

from diffusion_studio.ui.base import file_dialogs
from diffusion_studio.ui.base.file_dialogs import choose_folder, open_file, save_file
from diffusion_studio.ui.pictures.commands import FORMATS

pytestmark = [
    pytest.mark.usefixtures("qapp", "own_folders"),
    pytest.mark.qt_log_ignore("does not support propagateSizeHints"),
]


@pytest.fixture
def replacing(monkeypatch):
    """Answers whether a file may be replaced, and counts the questions."""
    asked, answers = [], []
    monkeypatch.setattr(
        file_dialogs, "may_replace", lambda _, target: asked.append(target.name) or answers.pop(0)
    )
    return asked, answers


@pytest.mark.parametrize(
    ("typed", "kind", "written"),
    [
        ("foo", "PNG (*.png)", "foo.png"),
        ("foo", "JPEG (*.jpg *.jpeg)", "foo.jpg"),
        ("foo.JPEG", "PNG (*.png)", "foo.JPEG"),
        ("foo.v2", "PNG (*.png)", "foo.v2.png"),
        ("foo.", "WebP (*.webp)", "foo..webp"),
    ],
)
def test_a_name_gets_the_ending_of_its_kind(choose_file, tmp_path, typed, kind, written):
    choose_file((tmp_path / typed, kind))
    assert save_file(None, "Save", "a.png", FORMATS) == tmp_path / written


def test_a_name_that_becomes_that_of_a_file_is_asked_about(choose_file, tmp_path, replacing):
    (tmp_path / "foo.png").write_bytes(b"kept")
    asked, answers = replacing
    answers += [True]
    choose_file(tmp_path / "foo")
    assert save_file(None, "Save", "a.png", FORMATS) == tmp_path / "foo.png"
    assert asked == ["foo.png"]


def test_when_it_is_not_to_be_replaced_the_name_is_asked_for_again(tmp_path, replacing, monkeypatch):
    (tmp_path / "foo.png").write_bytes(b"kept")
    answers = replacing[1]
    answers += [False]
    given = [tmp_path / "foo", tmp_path / "bar"]

    def ask(dialog):
        dialog.deleteLater()
        return given.pop(0), "PNG (*.png)"

    monkeypatch.setattr(file_dialogs, "_ask", ask)
    assert save_file(None, "Save", "a.png", FORMATS) == tmp_path / "bar.png" and not given


def test_the_dialog_itself_completes_the_name_before_it_asks(tmp_path, monkeypatch):
    """Qt adds the default ending before it looks whether the file exists."""
    suffixes = []

    def run(dialog):
        suffixes.append((dialog.defaultSuffix(), dialog.testOption(QFileDialog.Option.DontConfirmOverwrite)))
        dialog.filterSelected.emit("WebP (*.webp)")
        suffixes.append((dialog.defaultSuffix(), False))
        return 0

    monkeypatch.setattr(QFileDialog, "exec", run)
    assert save_file(None, "Save", "a.jpg", FORMATS) is None
    assert suffixes == [("jpg", False), ("webp", False)]


def test_each_kind_remembers_its_last_place(choose_file, tmp_path):
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    choose_file(tmp_path / "one" / "a.png")
    save_file(None, "Save", "a.png", FORMATS)
    choose_file(tmp_path / "two" / "a.zip")
    open_file(None, "Open", ("Zip (*.zip)",), place="models")
    choose_file(tmp_path / "three")
    choose_folder(None, "Folder", place="training")
    choose_file(None)
    save_file(None, "Save", "a.png", FORMATS)
    open_file(None, "Open", ("Zip (*.zip)",), place="models")
    choose_folder(None, "Folder", place="training")
    begun = [folder for _, folder, _ in choose_file.asked[-3:]]
    assert begun == [str(tmp_path / name) for name in ("one", "two", "three")]
    (tmp_path / "one" / "a").touch()
    assert file_dialogs.last_place("pictures") == tmp_path / "one"
    (tmp_path / "one" / "a").unlink()
    (tmp_path / "one").rmdir()
    assert file_dialogs.last_place("pictures").is_dir()  # a place that is gone is not begun in


def test_every_dialog_of_the_window_is_asked_here():
    from diffusion_studio import ui

    folder = file_dialogs.Path(ui.__file__).parent
    others = [
        file.name
        for file in folder.rglob("*.py")
        if "QFileDialog" in file.read_text(encoding="utf-8")
        and file != file_dialogs.Path(file_dialogs.__file__)
    ]
    assert not others
