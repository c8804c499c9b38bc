"""`./studio` with a Python that only notes what it is asked to do, and the start of the app behind it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from diffusion_studio import __main__ as start
from diffusion_studio.machine import display, qt_check

ROOT = Path(__file__).parents[1]
TOOLS = "cat chmod cp cut dirname env grep head id mkdir mv readlink rm sed sh sleep tail tr uname".split()
posix = pytest.mark.skipif(os.name != "posix", reason="the launcher is a POSIX shell script")

FAKE_PYTHON = """#!/bin/sh
# Notes each call; a file in $FAKE named like a step says how that step ends.
[ "$1" = -c ] || printf '%s\\n' "$*" >>"$FAKE/calls"
case "$*" in
    -c*) echo "Python 3.12"
        [ ! -e "$FAKE/too-old" ] || exit 3
        [ ! -e "$FAKE/no-venv" ] || exit 4
        echo "$0" ;;
    "-m venv"*) mkdir -p "$4/bin" && rm -rf "$4/.studio" && cp "$0" "$4/bin/python" ;;
    "-m pip install"*)
        [ ! -e "$FAKE/slow-pip" ] || { touch "$FAKE/pip-began"; while [ -e "$FAKE/slow-pip" ]; do sleep 0.05; done; }
        [ ! -e "$FAKE/pip-fails" ] || { cat "$FAKE/pip-fails"; exit 1; } ;;
    "-m diffusion_studio.machine.qt_check"*) exit "$(cat "$FAKE/qt-status" 2>/dev/null || echo 0)" ;;
    "-m pytest"*) echo "platform $QT_QPA_PLATFORM in $PWD" ;;
    "-m diffusion_studio"*) printf 'with: %s\\n' "$@"; exit "$(cat "$FAKE/app-status" 2>/dev/null || echo 0)" ;;
esac
"""
MAKE, PIP, APP = "-m venv --clear", "-m pip install", "-m diffusion_studio"
CHECK = "-m diffusion_studio.machine.qt_check --install"


class Machine:
    """A checkout with the launcher, in a folder with a space in its name, and nothing else on PATH than is put there."""

    def __init__(self, folder):
        self.bin, self.fake = folder / "bin", folder / "fake"
        self.checkout = folder / "a place" / "studio (1)"
        for path in (self.bin, self.fake, self.checkout):
            path.mkdir(parents=True)
        for tool in [*TOOLS, "touch"]:
            (self.bin / tool).symlink_to(shutil.which(tool))
        for name in ("studio", "pyproject.toml"):
            shutil.copy(ROOT / name, self.checkout)
        self.add("python3.12", FAKE_PYTHON)

    def add(self, name, script, folder=None):
        path = (folder or self.bin) / name
        path.unlink(missing_ok=True)
        path.write_text(script)
        path.chmod(0o755)

    def environment(self, **variables):
        path = variables.pop("path", str(self.bin))
        return {"PATH": path, "FAKE": str(self.fake), "HOME": str(self.fake), **variables}

    def popen(self, *arguments, **variables):
        return subprocess.Popen(
            [self.checkout / "studio", *arguments],
            env=self.environment(**variables),
            cwd=self.fake,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, **variables):
        child = self.popen(*arguments, **variables)
        out, err = child.communicate(timeout=60)
        calls = self.calls()
        (self.fake / "calls").unlink(missing_ok=True)
        return types.SimpleNamespace(status=child.returncode, out=out, err=err, calls=calls)

    def calls(self):
        """What Python was asked since the last run, without the questions whether pip is there."""
        path = self.fake / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if "pip --version" not in line]


def short(calls):
    """The calls as the first of MAKE, PIP, CHECK and APP that each begins with."""
    return [
        next(kind for kind in (MAKE, PIP, CHECK, APP, "-m pytest") if call.startswith(kind)) for call in calls
    ]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def wait_for(path):
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come to be"
        time.sleep(0.02)


# Setting up -----------------------------------------------------------------------------------------------------------


@posix
def test_the_first_start_sets_up_and_the_second_only_starts(machine):
    first = machine.run("doctor")
    assert (first.status, short(first.calls)) == (0, [MAKE, PIP, APP])
    assert "set up" in first.err
    second = machine.run("doctor")
    assert (second.status, second.calls, second.err) == (0, ["-m diffusion_studio doctor"], "")


@posix
def test_arguments_and_exit_status_pass_through(machine):
    (machine.fake / "app-status").write_text("130")
    result = machine.run("generate", "--out", "a folder", "*", "")
    assert result.status == 130
    assert result.out.splitlines()[2:] == [
        "with: generate",
        "with: --out",
        "with: a folder",
        "with: *",
        "with: ",
    ]


@posix
def test_it_can_be_called_through_a_link(machine):
    (machine.bin / "ds").symlink_to(machine.checkout / "studio")
    child = subprocess.run(["ds", "models"], env=machine.environment(), capture_output=True, text=True)
    assert child.returncode == 0
    assert (machine.checkout / ".venv" / "bin" / "python").exists()


@posix
def test_a_new_pyproject_is_installed_into_the_same_environment(machine):
    machine.run("doctor")
    with open(machine.checkout / "pyproject.toml", "a") as file:
        file.write("# another version\n")
    assert short(machine.run("doctor").calls) == [PIP, APP]
    assert short(machine.run("doctor").calls) == [APP]


@posix
@pytest.mark.parametrize("damage", ["moved", "python gone", "python broken"])
def test_a_broken_environment_is_made_again(machine, damage):
    machine.run("doctor")
    if damage == "moved":
        machine.checkout = machine.checkout.rename(machine.checkout.with_name("elsewhere"))
    elif damage == "python gone":
        (machine.checkout / ".venv" / "bin" / "python").unlink()
    else:
        with open(machine.checkout / "pyproject.toml", "a") as file:
            file.write("# so that the environment is looked at\n")
        machine.add("python", "#!/bin/sh\nexit 127\n", machine.checkout / ".venv" / "bin")
    assert short(machine.run("doctor").calls) == [MAKE, PIP, APP]
    assert short(machine.run("doctor").calls) == [APP]


@posix
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_set_up_is_begun_again(machine, end):
    (machine.fake / "slow-pip").touch()
    child = machine.popen("doctor")
    wait_for(machine.fake / "pip-began")
    child.send_signal(end)
    child.wait(timeout=30)
    assert machine.checkout.joinpath(".setup", "lock").exists() == (end == signal.SIGKILL)
    (machine.fake / "slow-pip").unlink()  # after SIGKILL pip lives on until it is done
    child.communicate(timeout=30)
    calls = machine.calls()
    assert short(calls) == [MAKE, PIP]
    (machine.fake / "calls").unlink()
    assert short(machine.run("doctor").calls) == [MAKE, PIP, APP]


@posix
def test_two_starts_at_once_set_up_once(machine):
    (machine.fake / "slow-pip").touch()
    first = machine.popen("doctor")
    wait_for(machine.fake / "pip-began")
    second = machine.popen("models")
    time.sleep(0.3)
    assert second.poll() is None
    (machine.fake / "slow-pip").unlink()
    assert [child.communicate(timeout=30) and child.returncode for child in (first, second)] == [0, 0]
    assert sorted(short(machine.calls())) == sorted([MAKE, PIP, APP, APP])


@posix
def test_a_lock_left_by_the_dead_is_taken_over(machine):
    lock = machine.checkout / ".setup" / "lock"
    lock.mkdir(parents=True)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (lock / "pid").write_text(f"{gone.pid}\n")
    assert machine.run("doctor").status == 0
    assert not lock.exists()


@posix
@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("NewConnectionError: Temporary failure in name resolution", "no network"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "disk of .* is full"),
        (
            "ERROR: No matching distribution found for torch<2.14,>=2.10",
            "there is no torch<2.14,>=2.10 for this system",
        ),
        ("something else entirely", "installing failed: something else entirely"),
    ],
)
def test_a_failing_install_is_one_sentence_and_can_be_tried_again(machine, log, sentence):
    (machine.fake / "pip-fails").write_text(log + "\n")
    failed = machine.run("doctor")
    assert failed.status == 1
    assert re.search(f"could not be set up: .*{sentence}", failed.err)
    (machine.fake / "pip-fails").unlink()
    again = [MAKE, PIP, APP] if "space" in log else [PIP, APP]  # a full disk may have cut something off
    assert short(machine.run("doctor").calls) == again


# Python ---------------------------------------------------------------------------------------------------------------


@posix
def test_a_shim_that_does_not_run_is_passed_over(machine, tmp_path):
    shims = tmp_path / "shims"
    shims.mkdir()
    for name in ("python3.13", "python3.12", "python3"):
        machine.add(name, "#!/bin/sh\necho 'command not found' >&2; exit 127\n", shims)
    result = machine.run("doctor", path=f"{shims}:{machine.bin}")
    assert (result.status, short(result.calls)) == (0, [MAKE, PIP, APP])
    assert "command not found" not in result.err


@posix
def test_without_a_python_it_says_which_is_needed(machine):
    (machine.fake / "too-old").touch()
    result = machine.run("doctor")
    assert (result.status, result.calls) == (1, [])
    assert "needs Python 3.10 to 3.14, and here is only Python 3.12" in result.err


@posix
def test_without_the_venv_module_it_says_how_to_get_it(machine):
    (machine.fake / "no-venv").touch()
    result = machine.run("doctor")
    assert (result.status, result.calls) == (1, [])
    assert "apt-get install python3.12-venv" in result.err


@posix
@pytest.mark.parametrize(
    ("user", "sudo", "may"), [("0", "1", True), ("1000", "0", True), ("1000", "1", False)]
)
def test_the_venv_module_is_installed_where_nobody_need_be_asked(machine, user, sudo, may):
    (machine.fake / "no-venv").touch()
    machine.add("id", f"#!/bin/sh\necho {user}\n")
    machine.add("sudo", f'#!/bin/sh\n[ "$1" = -n ] || exit 9\nshift\n[ {sudo} = 0 ] || exit 1\nexec "$@"\n')
    machine.add("true", "#!/bin/sh\n")
    machine.add(
        "apt-get", '#!/bin/sh\necho "$*" >>"$FAKE/apt"\ncase "$*" in *install*) rm "$FAKE/no-venv" ;; esac\n'
    )
    result = machine.run("doctor")
    assert result.status == (0 if may else 1)
    assert (
        ("python3.12-venv" in (machine.fake / "apt").read_text())
        if may
        else not (machine.fake / "apt").exists()
    )


@posix
def test_the_probe_accepts_this_python():
    probe = re.search(r"^probe='(.*?)'$", (ROOT / "studio").read_text(), re.DOTALL | re.MULTILINE)[1]
    child = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    version, path = child.stdout.split("\n")[:2]
    assert version == "Python {}.{}".format(*sys.version_info)
    assert os.path.samefile(os.path.realpath(path), os.path.realpath(sys.executable))


# Tests and Qt ---------------------------------------------------------------------------------------------------------


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


# The app behind it ----------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """What the command line and the window are asked for, in their place."""
    made = []
    cli, app = types.ModuleType("cli"), types.ModuleType("app")
    cli.main = lambda argv: made.append(argv) or 5
    app.main = lambda: made.append("window") or 6
    monkeypatch.setitem(sys.modules, "diffusion_studio.cli.main", cli)
    monkeypatch.setitem(sys.modules, "diffusion_studio.ui.window.app", app)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return made


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


# Qt's libraries -------------------------------------------------------------------------------------------------------


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
        return qt_check.Verdict(len(tried) > 1, "missing", ("libEGL.so.1",))

    monkeypatch.setattr(qt_check.shutil, "which", lambda name: name)
    monkeypatch.setattr(qt_check.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(qt_check.subprocess, "run", run)
    monkeypatch.setattr(qt_check, "check", check)
    assert qt_check.main(["--install", "offscreen"]) == (0 if may else 1)
    installs = [command for command in asked if "install" in command]
    assert [command[:2] + command[-1:] for command in installs] == (
        [["sudo", "-n", "libegl1"]] if may else []
    )
