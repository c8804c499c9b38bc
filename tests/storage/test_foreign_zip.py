"""Zips of others: only wanted names, each within its limit, nothing outside the folder, no bombs."""

import os
import stat
import struct
import zipfile

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.storage import foreign_zip
from diffusion_studio.storage.foreign_zip import is_zip, open_zip, unpack


def limit(path):
    return {".json": 100, ".bin": 1 << 30}.get(path.suffix.lower())


def entry(name, kind=0):
    info = zipfile.ZipInfo(name)
    info.filename = name  # on Windows the class itself would turn the backslashes
    info.external_attr = kind << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def write(path, *entries):
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in entries:
            archive.writestr(entry(info) if isinstance(info, str) else info, data)
    return path


def unpacked(source, folder, room=1 << 40):
    folder.mkdir(exist_ok=True)
    unpack(source, folder, limit, room)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refusal(source, folder, **more):
    with pytest.raises(UserError) as caught:
        unpacked(source, folder, **more)
    assert str(source) in str(caught.value) and list(folder.rglob("*")) == []
    return str(caught.value)


def test_only_wanted_names_are_unpacked(tmp_path):
    source = write(tmp_path / "a.zip", ("m/a.json", "{}"), ("m/setup.py", "x"), ("m/photo.png", "x" * 10_000))
    assert unpacked(source, tmp_path / "out") == ["m/a.json"]


def test_a_name_that_is_not_wanted_counts_for_nothing(tmp_path):
    """Not for the room, the limits or its kind: a bomb nobody unpacks does no harm."""
    bomb = entry("photo.png", stat.S_IFLNK)
    source = write(tmp_path / "a.zip", ("a.json", "{}"), (bomb, b"\0" * (32 << 20)))
    assert unpacked(source, tmp_path / "out", room=1000) == ["a.json"]


def test_names_written_with_backslashes_are_folders(tmp_path):
    source = write(tmp_path / "a.zip", ("model\\", ""), ("model\\unet\\config.json", "{}"))
    assert unpacked(source, tmp_path / "out") == ["model/unet/config.json"]


@pytest.mark.parametrize(
    "name",
    ["../a.json", "/a.json", "a/../../b.json", "..\\a.json", "a\\..\\..\\b.json", "\\a.json", "C:a.json", "C:\\a.json",
     "\\\\server\\share\\a.json", "../photo.png"],
)  # fmt: skip
def test_a_name_outside_the_folder_refuses_the_archive(tmp_path, name):
    source = write(tmp_path / "a.zip", ("good.json", "{}"), (name, "{}"))
    assert "outside its folder" in refusal(source, tmp_path / "out")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_link_or_device_is_refused(tmp_path, kind):
    source = write(tmp_path / "a.zip", (entry("a.json", kind), "/etc/passwd"))
    assert "link or a device" in refusal(source, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names",
    [("a.json", "a.json"), ("A.json", "a.JSON"), ("m/a.json", "m\\a.json"), ("m/./a.json", "m//a.json")],
)
def test_a_name_that_is_there_twice_is_refused(tmp_path, names):
    source = write(tmp_path / "a.zip", *((name, "{}") for name in names))
    assert "twice" in refusal(source, tmp_path / "out")


def test_each_file_has_its_own_limit(tmp_path):
    source = write(tmp_path / "a.zip", ("a.json", b" " * 101))
    assert "'a.json' of 101 bytes; 100 bytes at most" in refusal(source, tmp_path / "out")


def test_what_packs_a_thousand_times_smaller_is_refused(tmp_path):
    source = write(tmp_path / "a.zip", ("weights.bin", b"\0" * (32 << 20)))
    assert source.stat().st_size < 100_000
    assert "to 32 MB" in refusal(source, tmp_path / "out")


def test_there_must_be_room(tmp_path):
    source = write(tmp_path / "a.zip", ("a.bin", os.urandom(600)), ("b.bin", os.urandom(600)))
    assert "room" in refusal(source, tmp_path / "out", room=1000)


def test_a_size_that_is_a_lie_unpacks_no_more(tmp_path):
    """The directory says 50 bytes, the packed data are more."""
    source = write(tmp_path / "a.zip", ("a.json", b" " * 5000))
    data = bytearray(source.read_bytes())
    for mark, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<L", data, data.index(mark) + place, 50)
    source.write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        unpacked(source, tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) <= 50


def test_a_list_of_files_too_large_to_be_read_is_refused(tmp_path, monkeypatch):
    source = write(tmp_path / "a.zip", *((f"{'x' * 200}{k}.txt", "") for k in range(50)))
    monkeypatch.setattr(foreign_zip, "LARGEST_DIRECTORY", 10_000)
    assert "lists more files" in refusal(source, tmp_path / "out")


def test_the_size_of_the_list_is_also_found_in_a_large_archive(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            zipfile, "ZIP_FILECOUNT_LIMIT", 10
        )  # so that it is written as archives above 65,535 files are
        source = write(tmp_path / "a.zip", *((f"{'x' * 200}{k}.txt", "") for k in range(50)))
    with open_zip(source) as archive:
        assert len(archive.infolist()) == 50
    monkeypatch.setattr(foreign_zip, "LARGEST_DIRECTORY", 10_000)
    assert "lists more files" in refusal(source, tmp_path / "out")


def test_a_password_is_named(tmp_path):
    source = write(tmp_path / "a.zip", ("a.json", "{}"))
    data = bytearray(source.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    source.write_bytes(data)
    assert "password" in refusal(source, tmp_path / "out")


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_pipe_named_like_a_zip_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.zip")
    assert not is_zip(tmp_path / "a.zip")
    assert "named pipe" in refusal(tmp_path / "a.zip", tmp_path / "out")
