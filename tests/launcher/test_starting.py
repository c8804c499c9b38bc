"""Tests, Qt and the application that the launcher starts."""

import subprocess
import sys

import pytest

from diffusion_studio import __main__ as start
from diffusion_studio.machine import display, qt_check
from tests.launcher.conftest import APP, CHECK, posix, short


@posix
def test_the_tests_have_a_set_up_of_their_own(machine):
    machine.run("doctor")
    first = machine.run("test", "-k", "a b")
    assert first.calls[0].endswith("-e .[test]")
    assert first.calls[1:] == [f"{CHECK} offscreen", "-m pytest -k a b"]
    assert first.out == f"platform offscreen in {machine.checkout}\n"
    assert short(machine.run("test").calls) == ["-m pytest"]
    assert short(machine.run("doctor").calls) == [APP]


@posix
@pytest.mark.parametrize("system", ["Linux", "Darwin"])
def test_qt_is_tried_before_the_first_window(machine, system):
    machine.add("uname", f"#!/bin/sh\necho {system}\n")
    check = [f"{CHECK} screen"] if system == "Linux" else []
    assert machine.run(DISPLAY=":7").calls[2:] == [*check, APP]
    assert machine.run(DISPLAY=":7").calls == [APP]


@posix
def test_where_qt_cannot_work_no_window_is_begun(machine):
    machine.add("uname", "#!/bin/sh\necho Linux\n")
    (machine.fake / "qt-status").write_text("1")
    assert machine.run(WAYLAND_DISPLAY="wayland-0").status == 1
    result = machine.run(WAYLAND_DISPLAY="wayland-0")  # not remembered: it may have been mended
    assert (result.status, result.calls) == (1, [f"{CHECK} screen"])
    assert machine.run("doctor").status == 0  # the command line needs no Qt


@posix
@pytest.mark.parametrize(
    ("display", "status", "kind"), [({}, "1", "headless"), ({"DISPLAY": ":7"}, "3", "screen")]
)
def test_without_a_display_the_app_is_started_all_the_same(machine, display, status, kind):
    machine.add("uname", "#!/bin/sh\necho Linux\n")
    (machine.fake / "qt-status").write_text(status)
    result = machine.run(**display)
    assert (result.status, result.calls[2:]) == (0, [f"{CHECK} {kind}", APP])
    assert machine.run(**display).calls == ([APP] if kind == "headless" else [f"{CHECK} screen", APP])


def test_a_verb_goes_to_the_command_line(calls):
    assert start.console(["generate", "--seed", "7"]) == 5
    assert calls == [["generate", "--seed", "7"]]


@pytest.mark.parametrize("name", ["", ":987"])
def test_without_a_display_a_sheet_is_made(calls, monkeypatch, capsys, name):
    monkeypatch.setenv("DISPLAY", name)
    monkeypatch.setattr(display, "_answers", lambda: False)
    assert start.console([]) == 5
    assert calls == [["generate", "--count", "4", "--sheet"]]
    captured = capsys.readouterr()
    assert "no display" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_with_a_display_the_window_opens(calls, monkeypatch, name):
    monkeypatch.setenv(name, ":7")
    monkeypatch.setattr(display, "_answers", lambda: True)
    monkeypatch.setattr(display, "_absent", lambda libraries: [])
    assert start.console([]) == 6
    assert calls == ["window"]


def test_instead_of_qts_abort_there_is_a_sentence(calls, monkeypatch, capsys):
    assert start.gui() == 1
    assert "no display" in capsys.readouterr().err
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr(display, "_answers", lambda: True)
    monkeypatch.setattr(display, "_absent", lambda libraries: [name for name in libraries if "icccm" in name])
    monkeypatch.setattr(qt_check.shutil, "which", lambda name: name if name == "apt-get" else None)
    assert start.gui() == 1
    assert "apt-get install libxcb-icccm4" in capsys.readouterr().err
    assert calls == []


def test_a_display_where_nobody_answers_is_none(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("QT_QPA_PLATFORM", "")
    monkeypatch.setenv("DISPLAY", ":987")
    try:
        display.ctypes.CDLL("libxcb.so.1")
    except OSError:
        pytest.skip("needs libxcb")
    assert not display.has_display()


def test_qt_really_starts_offscreen():
    verdict = qt_check.check("offscreen")
    assert (verdict.fine, verdict.missing) == (True, ())


def test_what_is_missing_is_named_with_the_line_that_mends_it(monkeypatch):
    monkeypatch.setitem(qt_check.TRY, "headless", "raise SystemExit(1)")
    monkeypatch.setattr(
        display,
        "_absent",
        lambda names: [name for name in names if name in ("libEGL.so.1", "libxcb.so.1")],
    )
    monkeypatch.setattr(sys, "platform", "linux")
    for tool, line in (
        ("apt-get", "apt-get install libegl1 libxcb1"),
        ("dnf", "dnf install 'libEGL.so.1()(64bit)' 'libxcb.so.1()(64bit)'"),
        ("", "libEGL.so.1, libxcb.so.1"),
    ):
        monkeypatch.setattr(qt_check.shutil, "which", lambda name, tool=tool: name if name == tool else None)
        verdict = qt_check.check("headless")
        assert not verdict.fine
        assert verdict.packages == ["libegl1", "libxcb1"]
        assert line in verdict.sentence


def test_an_abort_with_all_libraries_there_tells_qts_own_reason(monkeypatch):
    fail = "import os, sys; print('could not connect to display :987', file=sys.stderr, flush=True); os._exit(134)"
    monkeypatch.setitem(qt_check.TRY, "screen", fail)
    monkeypatch.setattr(display, "_absent", lambda libraries: [])
    assert (
        qt_check.check("screen").sentence == "Qt cannot open a window here: could not connect to display :987"
    )


@posix
@pytest.mark.parametrize("may", [True, False])
def test_missing_libraries_are_installed_only_where_nobody_need_be_asked(monkeypatch, may):
    asked, tried = [], []

    def run(command, **options):
        asked.append(command)
        return subprocess.CompletedProcess(command, 0 if may else 1, "", "")

    def check(kind):
        tried.append(kind)
        return qt_check.QtVerdict(len(tried) > 1, "missing", ("libEGL.so.1",))

    monkeypatch.setattr(qt_check.shutil, "which", lambda name: name)
    monkeypatch.setattr(qt_check.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(qt_check.subprocess, "run", run)
    monkeypatch.setattr(qt_check, "check", check)
    assert qt_check.main(["--install", "offscreen"]) == (0 if may else 1)
    installs = [command for command in asked if "install" in command]
    assert [command[:2] + command[-1:] for command in installs] == (
        [["sudo", "-n", "libegl1"]] if may else []
    )
