"""A machine of its own for the launcher: its folders, its Python, its system."""

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
