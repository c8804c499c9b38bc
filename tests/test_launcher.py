"""`./studio` with a Python that only notes what it is asked to do, and the start of the app behind it."""

import os
import re
import shlex
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
TOOLS = (
    "cat chmod cp cut dirname env grep head id mkdir mv readlink rm sed sh sleep sort tail tr uname".split()
)
posix = pytest.mark.skipif(os.name != "posix", reason="the launcher is a POSIX shell script")

FAKE_PYTHON = """#!/bin/sh
# Notes each call; a file in $FAKE named like a step says how that step ends.
if [ "$1" = -I ]; then shift; else echo "$*" >>"$FAKE/not-isolated"; fi
[ -z "${PYTHONPATH-}${PYTHONHOME-}${PYTHONSTARTUP-}" ] || echo "$*" >>"$FAKE/not-isolated"
[ "$1" = -c ] || printf '%s\\n' "$*" >>"$FAKE/calls"
case "$*" in
    -c*) echo "Python 3.12"
        [ ! -e "$FAKE/too-old" ] || exit 3
        [ ! -e "$FAKE/no-venv" ] || exit 4
        echo "$0" ;;
    "-m venv"*) mkdir -p "$4/bin" && rm -rf "$4/.studio" && cp "$0" "$4/bin/python" ;;
    "-m pip config"*) cat "$FAKE/pip-config" 2>/dev/null ;;
    "-m pip install"*)
        env | grep ^PIP_ | sort >"$FAKE/pip-environment"
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
        assert not (self.fake / "not-isolated").exists(), (self.fake / "not-isolated").read_text()
        (self.fake / "calls").unlink(missing_ok=True)
        return types.SimpleNamespace(status=child.returncode, out=out, err=err, calls=calls)

    def calls(self):
        """What Python was asked since the last run, without the questions whether pip is there."""
        path = self.fake / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if "pip --version" not in line and "pip config" not in line]


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
        (
            "ERROR: Could not install packages: [Errno 28] No space left on device",
            "the disk is full. About 3 GB are needed in ",
        ),
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


# What is not run, and where things go ------------------------------------------------------------------------------------

SHADOWS = "venv pip ensurepip diffusion_studio json os sys site sitecustomize usercustomize torch pytest re logging".split()


def hostile(folder):
    """Modules that note in a file that they were run."""
    folder.mkdir(exist_ok=True)
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(
            f"open({str(folder / 'run')!r}, 'a').write('{name} ')\nraise SystemExit(9)\n"
        )
    return folder


def real_environment(machine):
    """A finished set-up whose Python is this one, with the tests' own environment behind it."""
    script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    (machine.checkout / ".venv" / "bin").mkdir(parents=True)
    machine.add("python", script, machine.checkout / ".venv" / "bin")
    stamps = machine.checkout / ".venv" / ".studio"
    stamps.mkdir()
    text = f"{machine.checkout}\n" + (machine.checkout / "pyproject.toml").read_text()
    for name in ("app", "test", "qt-offscreen", "qt-headless"):
        (stamps / name).write_text(text)


@posix
@pytest.mark.parametrize("where", ["the current folder", "PYTHONPATH", "PYTHONPATH with an empty entry"])
def test_modules_of_the_user_are_not_run_by_the_application(machine, tmp_path, where):
    real_environment(machine)
    place = hostile(tmp_path / "user")
    more = (
        {}
        if where == "the current folder"
        else {"PYTHONPATH": f"{place}:" if "empty" in where else str(place)}
    )
    more |= {"PYTHONHOME": str(place), "PYTHONSTARTUP": str(place / "json.py")} if more else {}
    child = subprocess.run(
        [machine.checkout / "studio", "--version"],
        cwd=place,
        env=machine.environment(**more),
        capture_output=True,
        text=True,
    )
    assert not (place / "run").exists(), (place / "run").read_text()
    assert child.returncode == 0, child.stderr
    assert child.stdout.strip()


@posix
def test_modules_of_the_user_are_not_run_by_the_tests(machine, tmp_path):
    real_environment(machine)
    place = hostile(tmp_path / "user")
    child = subprocess.run(
        [machine.checkout / "studio", "test", "--version"],
        cwd=place,
        env=machine.environment(PYTHONPATH=str(place)),
        capture_output=True,
        text=True,
    )
    assert not (place / "run").exists() and child.returncode == 0, child.stderr


@posix
def test_modules_of_the_user_are_not_run_while_setting_up(machine, tmp_path):
    """With a real interpreter, until pip would fetch: finding Python, making the environment, asking pip."""
    place = hostile(tmp_path / "user")
    (machine.bin / "python3.12").unlink()
    version = "python{}.{}".format(*sys.version_info)
    machine.add(version, f'#!/bin/sh\nexec {shlex.quote(os.path.realpath(sys.executable))} "$@"\n')
    (machine.checkout / "pyproject.toml").write_text("not toml")  # so that pip ends at once
    child = subprocess.run(
        [machine.checkout / "studio", "doctor"],
        cwd=place,
        env=machine.environment(PYTHONPATH=str(place), PIP_NO_INDEX="1"),
        capture_output=True,
        text=True,
    )
    assert child.returncode == 1 and not (place / "run").exists(), (place / "run").read_text()
    assert "installing failed" in child.stderr and (machine.checkout / ".venv" / "bin" / "pip").exists()


@posix
def test_a_python_in_the_current_folder_is_not_run(machine):
    machine.add("python3.13", '#!/bin/sh\ntouch "$FAKE/run"\n', machine.fake)
    result = machine.run("doctor", path=f".::{machine.bin}")
    assert result.status == 0 and not (machine.fake / "run").exists()


def test_every_interpreter_of_the_windows_launcher_is_isolated():
    lines = (ROOT / "packaging" / "studio.bat").read_text().splitlines()
    started = [line for line in lines if re.search(r'(py -%%V|%base%|"%python%"|\bpython) +-[a-zA-Z]', line)]
    assert len(started) == 6 and all(
        re.search(r"(-%%V|%base%|python%?\"?) -I -[cm] ", line) for line in started
    )
    assert any("PYTHONPATH" in line and "do set" in line for line in lines)


@posix
def test_relative_paths_are_meant_from_where_the_user_is(machine, tmp_path):
    real_environment(machine)
    place = hostile(tmp_path / "user")
    (place / "pictures").mkdir()
    child = subprocess.run(
        [machine.checkout / "studio", "check", "pictures"],
        cwd=place,
        env=machine.environment(),
        capture_output=True,
        text=True,
    )
    assert str(place / "pictures") in child.stdout + child.stderr or "pictures" in child.stdout + child.stderr
    assert "is not there" not in child.stdout + child.stderr and "Traceback" not in child.stderr


@posix
def test_qt_is_tried_in_an_isolated_child(monkeypatch):
    from diffusion_studio.machine import qt_check

    asked = []
    monkeypatch.setattr(
        qt_check.subprocess,
        "run",
        lambda command, **_: asked.append(command) or types.SimpleNamespace(returncode=0),
    )
    assert qt_check.check("offscreen").fine
    assert asked[0][1] == "-I"


@posix
def test_packages_come_from_where_the_user_says_and_go_into_the_environment(machine):
    (machine.fake / "pip-config").write_text(
        "global.index-url='https://mirror/simple'\nglobal.trusted-host='a\\nb'\ninstall.target='/elsewhere'\n"
        "install.user='true'\n:env:.prefix='/elsewhere'\n"
    )
    machine.run("doctor", PIP_PREFIX="/elsewhere", PIP_TARGET="/elsewhere", PIP_REQUIRE_VIRTUALENV="1",
                PIP_USER="1", PIP_NO_DEPS="1", PIP_DRY_RUN="1", PIP_PROXY="http://p")  # fmt: skip
    assert (machine.fake / "pip-environment").read_text().splitlines() == [
        "PIP_CONFIG_FILE=/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK=1",
        "PIP_INDEX_URL=https://mirror/simple",
        "PIP_PROXY=http://p",
        "PIP_TRUSTED_HOST=a b",
        "PIP_USER=0",
    ]


@posix
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a:b", r"contains a colon \(:\)"),
        ("a\nb", "contains a line break"),
        ("a\tb", "contains a control character"),
        (b"caf\xe9", "contains a character that is not UTF-8"),
    ],
)
def test_a_path_that_cannot_hold_an_environment_is_named(machine, name, words):
    if isinstance(name, bytes):
        name = os.fsdecode(name)
        machine.add(
            "python3.12", FAKE_PYTHON.replace("    -c*) echo", "    *argv*) exit 1 ;;\n    -c*) echo")
        )
    machine.checkout = machine.checkout.rename(machine.checkout.with_name(name))
    child = subprocess.run(
        [machine.checkout / "studio", "doctor"], env=machine.environment(), capture_output=True
    )
    said = child.stderr.decode("utf-8", "replace")
    assert child.returncode == 1 and re.search(f"the path .* {words}", said), said
    assert not (machine.checkout / ".venv").exists() and "\t" not in said


@posix
def test_without_room_it_says_how_much_is_needed_and_where(machine):
    df = "#!/bin/sh\nprintf 'Filesystem 1024-blocks Used Available Capacity Mounted on\\n/dev/a b 9 9 204800 98%% /a 5 b%%\\n'\n"
    machine.add("df", df)
    result = machine.run("doctor")
    assert (result.status, result.calls) == (1, [])
    assert f"About 3 GB are needed in {machine.checkout}, and 200 MB are free there" in result.err
    machine.add("df", df.replace("204800", "4194304"))
    assert machine.run("doctor").status == 0


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
