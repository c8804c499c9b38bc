"""The one way foreign files are opened: kinds of files, limits, links, and what is said about each."""

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from diffusion_studio.storage import foreign_file
from diffusion_studio.storage.foreign_file import (
    UnsuitableFile,
    blocks,
    copy_foreign,
    leads_outside,
    open_foreign,
    read_beginning,
    read_foreign,
    read_foreign_json,
    size_in_words,
)

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, devices and links as POSIX has them")


def reason(path, limit=100, **more):
    with pytest.raises(UnsuitableFile) as caught:
        open_foreign(path, limit, **more).close()
    assert caught.value.filename == str(path)
    return caught.value.strerror


def test_a_regular_file_is_read_up_to_its_limit(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"x" * 100)
    assert read_foreign(file, 100) == b"x" * 100
    assert read_beginning(file, 8) == b"x" * 8
    assert reason(file, 99) == "it is larger than 99 bytes"


@posix
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert reason(tmp_path / "pipe") == "it is a named pipe, not a regular file"
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    assert "pipe" in reason(tmp_path / "link")


@posix
def test_a_pipe_that_takes_the_place_of_a_file_is_refused_too(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    file = tmp_path / "file"
    file.write_bytes(b"x")
    seen, stat = os.stat(file), os.stat
    with monkeypatch.context() as patch:
        patch.setattr(foreign_file.os, "stat", lambda path: seen if path == tmp_path / "pipe" else stat(path))
        assert "pipe" in reason(tmp_path / "pipe")


@posix
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device_is_refused_by_its_name_and_by_a_link(tmp_path, device):
    (tmp_path / "README.md").symlink_to(device)
    assert reason(tmp_path / "README.md") == "it is a device, not a regular file"
    assert "device" in reason(Path(device))


@posix
def test_a_socket_and_a_folder_are_refused():
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as served:
        served.bind(f"{short}/s")  # such a name may have 100 letters at most
        assert reason(Path(short, "s")) == "it is a socket, not a regular file"
        assert reason(Path(short)) == "it is a folder"


@pytest.mark.skipif(sys.platform != "linux", reason="an endless regular file of size 0")
def test_a_file_that_says_it_is_empty_is_bounded_as_well():
    with pytest.raises(UnsuitableFile, match="larger than 10 bytes"):
        read_foreign(Path("/proc/cpuinfo"), 10)
    with open_foreign(Path("/proc/cpuinfo"), 10) as file, pytest.raises(UnsuitableFile):
        list(blocks(file, 10))


@posix
def test_a_sparse_giant_is_not_read(tmp_path):
    with open(tmp_path / "README.md", "wb") as file:
        file.truncate(1 << 40)
    assert reason(tmp_path / "README.md", 1 << 20) == "it is larger than 1 MB"


@pytest.mark.parametrize("name", ["a\0b", "\ud800" if os.name == "posix" else "a\0"])
def test_names_that_no_file_has_are_an_error_of_the_same_kind(tmp_path, name):
    with pytest.raises(OSError, match=r"no file can have this name|\[Errno"):
        open_foreign(tmp_path / name, 10)


def test_what_the_system_says_stays_what_it_says(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_foreign(tmp_path / "nowhere", 10)


@posix
def test_a_loop_of_links_ends(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"):
        open_foreign(tmp_path / "a", 10)


# Links ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model" / "unet").mkdir(parents=True)
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "model"


@posix
def test_a_link_the_user_named_is_followed(tmp_path, model):
    (tmp_path / "named").symlink_to(tmp_path / "secret")
    assert read_foreign(tmp_path / "named", 10) == b"secret"
    (tmp_path / "folder").symlink_to(model)
    assert read_foreign(tmp_path / "folder" / "config.json", 10, within=tmp_path / "folder") == b"{}"


@posix
@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "unet/../../secret"])
def test_a_link_that_leads_out_of_the_folder_is_not_followed(model, target):
    (model / "README.md").symlink_to(target)
    assert reason(model / "README.md", 1 << 20, within=model).startswith(
        f"it is a link that leads out of {model}"
    )


@posix
def test_a_linked_folder_that_leads_outside_is_not_followed(tmp_path, model):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    (model / "scheduler").symlink_to("../elsewhere")
    assert "leads out of" in reason(model / "scheduler" / "config.json", within=model)
    # a folder whose name begins like the model's is outside as well
    (tmp_path / "model-2").mkdir()
    (tmp_path / "model-2" / "x").write_text("")
    (model / "x").symlink_to("../model-2/x")
    assert "leads out of" in reason(model / "x", within=model)


@posix
def test_a_link_inside_the_folder_is_followed(model):
    (model / "unet" / "config.json").symlink_to("../config.json")
    assert read_foreign(model / "unet" / "config.json", 10, within=model) == b"{}"


@posix
def test_a_snapshot_may_link_to_the_blobs_of_its_own_repository(tmp_path):
    repository, other = tmp_path / "models--a--b", tmp_path / "models--c--d"
    snapshot = repository / "snapshots" / "1234"
    for folder in (snapshot, repository / "blobs", other / "blobs"):
        folder.mkdir(parents=True)
    for place in (repository, other):
        (place / "blobs" / "0").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/0")
    (snapshot / "other.json").symlink_to(other / "blobs" / "0")
    assert read_foreign(snapshot / "config.json", 10, within=snapshot) == b"{}"
    assert "leads out of" in reason(snapshot / "other.json", within=snapshot)
    # blobs that are a link themselves lead elsewhere
    away = tmp_path / "away" / "snapshots" / "1"
    away.mkdir(parents=True)
    (tmp_path / "away" / "blobs").symlink_to("/etc")
    (away / "config.json").symlink_to("../../blobs/passwd")
    assert leads_outside(away / "config.json", away)


# The rest -------------------------------------------------------------------------------------------------------------


def test_json_with_a_byte_order_mark_and_without(tmp_path):
    file = tmp_path / "a.json"
    for start in (b"", b"\xef\xbb\xbf"):
        file.write_bytes(start + b'{"a": 1}')
        assert read_foreign_json(file) == {"a": 1}


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 200_000])
def test_what_is_no_json_is_one_kind_of_error(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(ValueError, match=r"."):
        read_foreign_json(tmp_path / "a.json")


def test_a_copy_has_the_same_bytes_and_replaces_nothing(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)) * 10_000)
    copy_foreign(tmp_path / "a", tmp_path / "b", 1 << 30)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    with pytest.raises(FileExistsError):
        copy_foreign(tmp_path / "a", tmp_path / "b", 1 << 30)


def test_sizes_are_words():
    assert [size_in_words(count) for count in (99, 1 << 20, 3 << 29, 512 << 20)] == [
        "99 bytes",
        "1 MB",
        "1.5 GB",
        "512 MB",
    ]
