"""Every page in its states, light and dark, at three sizes: pictures to look at before a release.

    python packaging/screenshots.py --every FOLDER [--home FOLDER] [SCENE …]

Each size has a process of its own, as the size of the screen counts at the start. The home is filled once (`seeded_home.py`)
and copied for each of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenes import EMPTY, FULL, FULLEST

ROOT = Path(__file__).resolve().parents[1]
SIZES = {
    "1280x800": (1280, 800, 1),
    "2560x1440": (2560, 1440, 1),
    "scale-2": (1280, 800, 2),
    "900x600": (900, 600, 1),
}
SMALLEST = "900x600"  # of the fullest scenes alone
THEMES = ("light", "dark")
SECONDS = 240  # that anything may take


def make(target: Path, home: Path, scenes: list[str]) -> None:
    """`home` is filled where it is not there yet; all scenes where none is named."""
    target, home = target.resolve(), home.resolve()
    path = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "packaging")))}
    if not (home / "outputs").is_dir():
        filling = {**os.environ, **path, "DIFFUSION_STUDIO_HOME": str(home)}
        subprocess.run([sys.executable, str(ROOT / "packaging" / "seeded_home.py")], env=filling, check=True)
    failed = False
    for name in SIZES:
        for state in ("empty", "full"):
            copy = target / "homes" / f"{name}-{state}"
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir(parents=True)
            if state == "full":
                shutil.copytree(home, copy, dirs_exist_ok=True)
            environment = {**os.environ, **path, "DIFFUSION_STUDIO_HOME": str(copy), "HOME": str(copy)}
            environment |= platform(target, *SIZES[name])
            command = [sys.executable, str(ROOT / "packaging" / "screenshots.py"), "--scenes", state]
            command += [str(target), name, *scenes]
            failed |= bool(subprocess.run(command, env=environment).returncode)
    shutil.rmtree(target / "homes")
    if failed:
        sys.exit("Some scenes failed; see above.")


def platform(folder: Path, width: int, height: int, scale: int) -> dict[str, str]:
    """Qt without a display, on a screen of this size."""
    screen = {"name": "screen", "x": 0, "y": 0, "width": width * scale, "height": height * scale}
    screen |= {"logicalDpi": 96, "logicalBaseDpi": 96, "dpr": 1}
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / f"{width}x{height}-{scale}.json"
    config.write_text(json.dumps({"screens": [screen]}))
    return {"QT_QPA_PLATFORM": f"offscreen:configfile={config}", "QT_SCALE_FACTOR": str(scale)}


class Studio:
    """The window, and ways to bring it into a state."""

    def __init__(self, target: Path, size: str) -> None:
        from diffusion_studio.ui.window import app

        self.target, self.size = target, size
        self.application, self.window = app.build([])
        self.window.resize(*SIZES[size][:2])
        self.window.fill()
        self.window.context.change_preferences(toured=True)
        self.window.show()
        self.rest()

    def rest(self, seconds: float = 0.4) -> None:
        """Until nothing is loading, and some more."""
        self.until(lambda: not self.window.context.background.busy)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.application.processEvents()

    def until(self, done: Callable[[], Any]) -> None:
        end = time.monotonic() + SECONDS
        while not done():
            if time.monotonic() > end:
                raise TimeoutError("That took too long.")
            self.application.processEvents()
            time.sleep(0.002)

    def visit(self, page: str) -> Any:
        self.window.context.go_to(page)
        self.rest()
        return self.window.page

    def shoot(self, name: str) -> None:
        """What is on screen, dialogs and menus over the window included, in both themes."""
        for theme in THEMES:
            self.window.context.change_preferences(theme=theme)
            self.rest()
            self.save(f"{name}-{self.size}-{theme}.png")

    def save(self, name: str) -> None:
        from PySide6.QtGui import QPainter

        picture = self.window.grab()
        painter = QPainter(picture)
        for other in self.application.topLevelWidgets():
            if (
                other is not self.window
                and other.isVisible()
                and other.windowType() != 0
                and other.width() > 1
            ):
                painter.drawPixmap(other.pos() - self.window.pos(), other.grab())
        painter.end()
        picture.save(str(self.target / name))
        print(self.target / name, flush=True)

    def generate(self, **values: Any) -> None:
        page = self.window.page
        page.request.change(**values)
        page.generate()
        self.until(lambda: not page.generation.running)
        self.rest()

    def close(self) -> None:
        self.window.close()
        self.until(lambda: not self.window.isVisible())


def run_scenes(state: str, target: Path, size: str, wanted: list[str]) -> bool:
    """Whether all of them could be made."""
    every = EMPTY if state == "empty" else FULLEST if size == SMALLEST else FULL
    scenes = [scene for scene in every if not wanted or scene.__name__ in wanted]
    if not scenes:
        return True
    whole = True
    studio = Studio(target, size)
    for scene in scenes:
        try:
            scene(studio)
        except Exception as error:  # the others are worth having
            whole = False
            import traceback

            traceback.print_exc()
            print(f"{scene.__name__}: {error}", file=sys.stderr)
    studio.close()
    return whole
