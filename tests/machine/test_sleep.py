"""Sleep is held off by the platform's own service and given back, whatever happens; without one nothing happens."""

import subprocess

import pytest

from diffusion_studio.machine import sleep


@pytest.fixture
def started(monkeypatch):
    """The processes that hold sleep off; they are `cat`."""
    begun = []
    monkeypatch.setattr(sleep, "command", lambda platform, reason: ["cat"])
    popen = subprocess.Popen

    def start(*arguments, **options):
        begun.append(popen(*arguments, **options))
        return begun[-1]

    monkeypatch.setattr(sleep.subprocess, "Popen", start)
    return begun


@pytest.mark.skipif(sleep.sys.platform == "win32", reason="there it is a call, not a process")
def test_sleep_is_held_off_until_the_block_ends(started):
    with sleep.keep_awake("a test"):
        assert started[0].poll() is None
    assert started[0].poll() is not None


@pytest.mark.skipif(sleep.sys.platform == "win32", reason="there it is a call, not a process")
def test_it_is_given_back_after_a_fault(started):
    with pytest.raises(ZeroDivisionError), sleep.keep_awake("a test"):
        1 / 0  # noqa: B018
    assert started[0].poll() is not None


def test_without_a_service_nothing_happens(monkeypatch):
    monkeypatch.setattr(sleep.shutil, "which", lambda name: None)
    assert sleep.command("linux", "x") == sleep.command("darwin", "x") == sleep.command("freebsd", "x") == []
    with sleep.keep_awake("a test"):
        pass


def test_a_service_that_can_not_be_started_stops_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(sleep, "command", lambda platform, reason: [str(tmp_path / "nothing")])
    with sleep.keep_awake("a test"):
        pass


def test_the_services(monkeypatch):
    monkeypatch.setattr(sleep.shutil, "which", lambda name: f"/usr/bin/{name}")
    linux = sleep.command("linux", "Training faces")
    assert linux[0] == "systemd-inhibit" and "--why=Training faces" in linux
    assert sleep.command("darwin", "x")[:2] == ["caffeinate", "-i"]
