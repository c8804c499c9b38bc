"""Own files: what cannot be understood or read is never written over, and nobody's change is lost."""

import json
import os
import re
import subprocess
import sys
import threading
import time

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.storage import notices, own_files
from diffusion_studio.storage.locks import FileLock, locked

DAMAGED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a": 1}{',
    b"\x00" * 100,
    b'"text"',
    b"1e999",
]


@pytest.fixture
def said():
    heard = []
    end = notices.listen(lambda notice: heard.append(notice.sentence))
    yield heard
    end()


def broken(path):
    return sorted(path.parent.glob(f"{path.name}.broken-*"))


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize(
    "act", [own_files.read, lambda path: own_files.change(path, lambda v: {**v, "b": 2})]
)
def test_what_cannot_be_understood_is_set_aside_and_said_once(tmp_path, said, content, act):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    act(path)
    act(path)
    (aside,) = broken(path)
    assert aside.read_bytes() == content
    assert re.fullmatch(r"a\.json\.broken-\d{4}-\d\d-\d\d-\d{6}", aside.name)
    assert len(said) == 1 and str(path) in said[0] and aside.name in said[0]
    assert own_files.change(path, lambda values: {**values, "c": 3})["c"] == 3 and len(broken(path)) == 1


def test_every_broken_file_is_kept(tmp_path):
    path = tmp_path / "a.json"
    for number in range(3):
        path.write_text(f"[{number}]")
        own_files.read(path)
    assert sorted(aside.read_text() for aside in broken(path)) == ["[0]", "[1]", "[2]"]


def test_a_wrong_shape_is_damage(tmp_path, said):
    path = tmp_path / "a.json"
    path.write_text('{"pictures": 3}')
    check = lambda values: "" if isinstance(values["pictures"], dict) else "“pictures” is no object"  # noqa: E731
    assert own_files.read(path, check=check) == {}
    assert "“pictures” is no object" in said[0] and broken(path)


@pytest.mark.parametrize("act", [lambda path: path.mkdir(), lambda path: os.mkfifo(path)])
@pytest.mark.skipif(os.name == "nt", reason="no pipes with names")
def test_what_cannot_be_read_stays_and_its_change_is_refused(tmp_path, said, act):
    path = tmp_path / "a.json"
    act(path)
    before = path.lstat()
    assert own_files.read(path) == {} and own_files.read(path) == {}
    assert len(said) == 1 and str(path) in said[0]
    with pytest.raises(UserError, match=r"a\.json"):
        own_files.change(path, lambda values: {"b": 2})
    assert path.lstat().st_ino == before.st_ino and not broken(path)


@pytest.mark.parametrize("number", [1, 5, 13])  # EPERM, EIO, EACCES
def test_a_disk_that_does_not_give_the_file_loses_nothing(tmp_path, monkeypatch, said, number):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    real = os.open

    def fail(name, *arguments, **options):
        if os.fspath(name) == str(path):
            raise OSError(number, os.strerror(number), str(path))
        return real(name, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fail)
        assert own_files.read(path) == {}
        with pytest.raises(UserError, match="cannot be read"):
            own_files.change(path, lambda values: {"b": 2})
    assert path.read_text() == '{"a": 1}' and said


def test_a_file_of_a_later_version_stays_and_is_said(tmp_path, said):
    path = tmp_path / "a.json"
    text = json.dumps({"version": 2, "a": 1})
    path.write_text(text)
    assert own_files.read(path) == {}
    assert "later version" in said[0] and str(path) in said[0]
    with pytest.raises(UserError, match="later version"):
        own_files.change(path, lambda values: {"b": 2})
    assert path.read_text() == text and not broken(path)


def test_a_file_that_cannot_be_set_aside_is_not_changed(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("{")

    def refuse(*_arguments, **_options):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr("shutil.copyfile", refuse)
    with pytest.raises(UserError, match="not changed"):
        own_files.change(path, lambda values: {"b": 2})
    assert path.read_text() == "{"


def test_text_of_other_editors_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert own_files.read(path) == {"a": 1}


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_the_file_stays_a_link(tmp_path):
    (tmp_path / "dots").mkdir()
    (tmp_path / "dots" / "real.json").write_text('{"a": 1}')
    path = tmp_path / "a.json"
    path.symlink_to(tmp_path / "dots" / "real.json")
    own_files.change(path, lambda values: {**values, "b": 2})
    assert path.is_symlink() and json.loads((tmp_path / "dots" / "real.json").read_text()) == {"a": 1, "b": 2}


def test_doing_nothing_writes_nothing(tmp_path):
    path = tmp_path / "a.json"
    own_files.change(path, lambda values: None)
    assert not path.exists()


def test_threads_lose_no_change(tmp_path):
    path = tmp_path / "a.json"

    def add(name):
        for number in range(40):
            own_files.change(path, lambda values, key=f"{name}{number}": {**values, key: 1})

    threads = [threading.Thread(target=add, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(own_files.read(path)) == 120


def test_processes_lose_no_change(tmp_path):
    code = """
import sys; from pathlib import Path; from diffusion_studio.storage import own_files
for number in range(60):
    own_files.change(Path(sys.argv[1]), lambda values: {**values, sys.argv[2] + str(number): 1})
"""
    path = tmp_path / "a.json"
    children = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "abc"]
    assert [child.wait(100) for child in children] == [0, 0, 0]
    assert len(own_files.read(path)) == 180


# Locks ----------------------------------------------------------------------------------------------------------------

HOLD = """
import sys, time; from pathlib import Path; from diffusion_studio.storage.locks import FileLock
lock = FileLock(Path(sys.argv[1])); assert lock.acquire(); print("held", flush=True); sys.stdin.read()
"""


def test_a_lock_of_a_process_that_is_killed_is_free(tmp_path):
    path = tmp_path / "lock"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        child.stdout.readline()
        lock = FileLock(path)
        assert not lock.acquire() and not lock.acquire(0.05)
    finally:
        child.kill()
        child.communicate()
    assert lock.acquire(5)
    lock.release()
    lock.release()  # no harm


def test_a_lock_holds_among_threads_and_waits(tmp_path):
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire() and not second.acquire()
    timer = threading.Timer(0.1, first.release)
    timer.start()
    assert second.acquire(20)
    timer.join()
    second.release()


def test_a_lock_whose_file_was_replaced_is_taken_anew(tmp_path):
    first, path = FileLock(tmp_path / "lock"), tmp_path / "lock"
    assert first.acquire()
    path.unlink()
    first.release()
    assert first.acquire() and path.exists()
    first.release()


def test_a_disk_without_locks_is_no_reason_to_fail(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire() and not second.acquire()
    first.release()


def test_who_waits_too_long_is_told(tmp_path):
    with locked(tmp_path / "a.json"):
        found = []

        def ask():
            try:
                with locked(tmp_path / "a.json", wait=0.05):
                    pass
            except UserError as error:
                found.append(str(error))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert "a.json" in found[0] and "another process" in found[0]


# Notices --------------------------------------------------------------------------------------------------------------


def test_what_was_said_before_anybody_listened_is_heard_once():
    notices.say("One.")
    notices.say("One.")
    heard = []
    end = notices.listen(heard.append)
    notices.say("Two.")
    notices.say("One.")
    end()
    notices.say("Three.")
    assert [notice.sentence for notice in heard] == ["One.", "Two."]


@pytest.mark.slow
def test_a_waiting_change_is_not_starved(tmp_path):
    """Four processes hammer one file; a fifth gets its turn within seconds."""
    code = """
import sys, time; from pathlib import Path; from diffusion_studio.storage import own_files
end = time.monotonic() + 4
while time.monotonic() < end: own_files.change(Path(sys.argv[1]), lambda values: {"n": values.get("n", 0) + 1})
"""
    path = tmp_path / "a.json"
    children = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(4)]
    time.sleep(1)
    for _ in range(5):
        own_files.change(path, lambda values: {**values, "mine": 1})
    assert [child.wait(60) for child in children] == [0] * 4
