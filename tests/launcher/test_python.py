"""Which Python the launcher takes, and what it says where there is none."""

import os
import re
import subprocess
import sys

import pytest

from tests.launcher.conftest import APP, MAKE, PIP, ROOT, posix, short


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
