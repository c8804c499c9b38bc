"""Sleep is prevented through wakepy and allowed again, whatever happens; without a service nothing happens."""

import os
import subprocess
import sys

import pytest
import wakepy
from wakepy import keep

from diffusion_studio.machine.sleep import keep_awake


@pytest.fixture
def awake(monkeypatch):
    """Whether wakepy was asked and how long it held; WAKEPY_FAKE_SUCCESS is its own way of being tested."""
    monkeypatch.setenv("WAKEPY_FAKE_SUCCESS", "yes")
    modes = []
    running = keep.running

    def ask(**options):
        modes.append(running(**options))
        return modes[-1]

    monkeypatch.setattr(keep, "running", ask)
    return modes


def test_sleep_is_prevented_until_the_block_ends(awake):
    with keep_awake("a test"):
        assert awake[0].active
    assert not awake[0].active


def test_it_is_allowed_again_after_a_fault(awake):
    with pytest.raises(ZeroDivisionError), keep_awake("a test"):
        1 / 0  # noqa: B018
    assert not awake[0].active


def test_nothing_happens_without_a_desktop_session(monkeypatch, capfd):
    monkeypatch.delenv("WAKEPY_FAKE_SUCCESS", raising=False)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/at/all")
    reached = []
    with keep_awake("a test"):
        reached.append(True)
    assert reached and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("moment", ["begin", "end"])
def test_a_service_that_fails_stops_nothing(monkeypatch, moment):
    class Broken:
        active_method = "broken"

        def __enter__(self):
            if moment == "begin":
                raise OSError("no bus")
            return self

        def __exit__(self, *_):
            raise OSError("no bus any more")

    monkeypatch.setattr(keep, "running", lambda **_: Broken())
    reached = []
    with keep_awake("a test"):
        reached.append(True)
    assert reached


def test_there_is_a_method_for_each_platform():
    names = {method.name for method in wakepy.core.registry.get_methods_for_mode("keep.running")}
    assert {"org.gnome.SessionManager", "caffeinate", "SetThreadExecutionState"} <= names


def test_it_is_not_loaded_before_it_is_needed():
    code = "import sys, diffusion_studio.machine.sleep; sys.exit('wakepy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}, check=False).returncode == 0
