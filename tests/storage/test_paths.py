"""A path no file can have, and a folder nobody may look into, are said in a sentence before any work."""

import errno
import os
from pathlib import Path

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.storage import paths
from diffusion_studio.storage.atomic import write_atomic
from diffusion_studio.storage.paths import cannot_open, check_path, check_readable


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("x" * 300, "300 bytes"),
        ("here/" + "ä" * 200 + "/picture.png", "400 bytes"),
        ("a\0b", "NUL"),
        ("/".join(["folder"] * 700), "too long for a path"),
    ],
)
def test_what_no_file_can_be_called(path, words):
    with pytest.raises(UserError, match=words) as fault:
        check_path(Path(path))
    assert "\n" not in str(fault.value) and len(str(fault.value)) < 250
    with pytest.raises(UserError, match=words):  # whoever writes there, too
        write_atomic(Path(path), b"x")


@pytest.mark.parametrize("name", ["con", "NUL.png", "com1.txt", "what?", "a:b", "aux"])
def test_names_windows_keeps_for_itself(name):
    check_path(Path("folder") / name, windows=False)
    with pytest.raises(UserError, match="Windows"):
        check_path(Path("folder") / name, windows=True)


@pytest.mark.parametrize("name", ["picture.png", "x" * 255, "console", "~/pictures", ".", "..", "a b"])
def test_usual_names_are_allowed(name):
    check_path(Path(name))


def test_a_forbidden_folder_is_no_empty_one(tmp_path, monkeypatch):
    check_readable(tmp_path)
    check_readable(tmp_path / "missing")

    def forbidden(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(paths.os, "scandir", forbidden)
    with pytest.raises(UserError, match=r"cannot be opened: you do not have permission"):
        check_readable(tmp_path)


def test_control_characters_of_a_path_are_not_shown():
    assert "\n" not in cannot_open("a\nb", OSError(errno.ELOOP, "Too many levels"))


def test_a_free_name_keeps_the_ending_and_skips_what_is_there(tmp_path):
    (tmp_path / "cat.v2.png").touch()
    (tmp_path / "cat.v2-2.png").symlink_to(tmp_path / "nowhere")
    assert paths.free_name(tmp_path / "cat.v2.png") == tmp_path / "cat.v2-3.png"
    (tmp_path / "run.1").mkdir()
    assert paths.free_name(tmp_path / "run.1", folder=True) == tmp_path / "run.1-2"
    assert paths.free_name(tmp_path / "new") == tmp_path / "new"
