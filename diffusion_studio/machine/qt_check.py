"""Whether Qt can open a window here, found out by really trying it in a child process, and what the system lacks if not.

`python -m diffusion_studio.machine.qt_check [--install] screen|headless|offscreen` is what the launcher calls.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffusion_studio.language import tr
from diffusion_studio.machine.display import DRAWING, WAYLAND, X11, has_display, missing_libraries

NO_DISPLAY = (
    3  # exit status: nothing is missing, but no display answers; the application continues without a window
)

# A failing Qt aborts: no core file may be left where the user happens to be.
NO_CORE = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); " if os.name == "posix" else ""
TRY = {
    "screen": NO_CORE + "from PySide6.QtGui import QGuiApplication; QGuiApplication([])",
    "offscreen": NO_CORE + "from PySide6.QtGui import QGuiApplication; QGuiApplication([])",
    "headless": NO_CORE + "import ctypes, sys; from PySide6 import QtGui; ctypes.CDLL(sys.argv[1])",
}


@dataclass(frozen=True)
class QtVerdict:
    """What trying gave: fine, or a sentence and the libraries that are missing."""

    fine: bool
    sentence: str
    missing: tuple[str, ...] = ()

    @property
    def packages(self) -> list[str]:
        """The Debian packages of the missing libraries."""
        known = DRAWING | X11 | WAYLAND
        return sorted({known[name] for name in self.missing if name in known})


def check(kind: str = "") -> QtVerdict:
    """Try Qt in a child: "screen" on the display there is, "offscreen" without one, "headless" loads the plugin only."""
    kind = kind or ("screen" if has_display() else "headless")
    if kind == "headless" and sys.platform != "linux":
        kind = "offscreen"
    environment = dict(os.environ, QT_QPA_PLATFORM="offscreen") if kind == "offscreen" else dict(os.environ)
    # isolated: a module in the folder the user happens to be in, or on PYTHONPATH, is not run
    command = [sys.executable, "-I", "-c", TRY[kind], str(_x11_plugin())]
    try:
        child = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=120
        )
    except subprocess.TimeoutExpired:
        return QtVerdict(False, "Qt did not start within two minutes.")
    if child.returncode == 0:
        return QtVerdict(True, "Qt works.")
    missing = tuple(missing_libraries(kind))
    if missing:
        return QtVerdict(False, remedy(missing), missing)
    reason = next(
        (line.strip() for line in child.stderr.splitlines() if line.strip()),
        f"exit status {child.returncode}",
    )
    if "Error" in child.stderr:  # of Python's report the last line says what it was
        reason = child.stderr.strip().splitlines()[-1]
    return QtVerdict(False, f"Qt cannot open a window here: {reason}")


def install(packages: Sequence[str]) -> bool:
    """Install Debian packages where that may be done without asking: as root, or with a sudo that asks for no password."""
    prefix = _privilege()
    if prefix is None or not packages:
        return False
    print(f"Installing what Qt needs of the system: {' '.join(packages)}", file=sys.stderr, flush=True)
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        child = subprocess.run([*apt, *command], capture_output=True, text=True, errors="replace")
    if child.returncode:
        print("\n".join((child.stdout + child.stderr).strip().splitlines()[-5:]), file=sys.stderr)
    return child.returncode == 0


def _privilege() -> list[str] | None:
    """What to put before apt-get, or None where it may not be used."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def remedy(missing: Sequence[str]) -> str:
    """What is missing, and the one command that installs it."""
    packages = QtVerdict(False, "", tuple(missing)).packages
    sudo = "" if os.geteuid() == 0 else "sudo "
    if shutil.which("apt-get"):
        line = f"{sudo}apt-get install {' '.join(packages)}"
    elif tool := next((tool for tool in ("dnf", "zypper") if shutil.which(tool)), None):
        line = f"{sudo}{tool} install {' '.join(f'{chr(39)}{name}()(64bit){chr(39)}' for name in missing)}"
    else:
        return f"Qt needs system libraries that are missing here; install them with your package manager: {', '.join(missing)}"
    return f"Qt needs system libraries that are missing here ({', '.join(missing)}). This installs them:\n    {line}"


def _x11_plugin() -> Path:
    """Qt's X11 plugin, found without loading Qt."""
    package = importlib.util.find_spec("PySide6")
    places = list(package.submodule_search_locations or ()) if package else []
    return Path(places[0] if places else "PySide6", "Qt", "plugins", "platforms", "libqxcb.so")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="platform_check", description=tr("Find out whether Qt works here."))
    parser.add_argument(
        "--install", action="store_true", help="install what is missing where that may be done"
    )
    parser.add_argument("kind", choices=sorted(TRY))
    arguments = parser.parse_args(argv)
    verdict = check(arguments.kind)
    if arguments.install and install(verdict.packages):
        verdict = check(arguments.kind)
    if not verdict.fine and not verdict.missing and arguments.kind == "screen" and not has_display():
        return NO_DISPLAY
    if not verdict.fine:
        print(verdict.sentence, file=sys.stderr)
    return 0 if verdict.fine else 1


if __name__ == "__main__":
    sys.exit(main())
