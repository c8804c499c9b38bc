"""What the launcher never runs, and where relative paths and packages belong."""

import os
import re
import shlex
import subprocess
import sys
import types

import pytest

from diffusion_studio.machine import qt_check
from tests.launcher.conftest import FAKE_PYTHON, ROOT, posix

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
