"""Makes the README's screenshots, resources/screenshots/*.png, with the starter model and no display.

python packaging/screenshots.py [generate] [timeline] [compare] [inpaint] [gallery]
python packaging/screenshots.py --every FOLDER [--home FOLDER] [SCENE …]    every page in every state, see every_screen.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZE = (1280, 800)
SEED = 7
STROKE = ((0.2, 0.72), (0.8, 0.72), (0.2, 0.82), (0.8, 0.84), (0.25, 0.92), (0.75, 0.92))  # of a brush


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--every"]:
        make_every(arguments[1:])
    elif arguments[:1] == ["--scenes"]:  # in a process that `every_screen.make` started
        from every_screen import run_scenes

        if not run_scenes(arguments[1], Path(arguments[2]), arguments[3], arguments[4:]):
            leave(1)
    else:
        make_readme(arguments)


def make_every(arguments: list[str]) -> None:
    sys.path.insert(0, str(ROOT / "packaging"))
    from every_screen import make

    if not arguments:
        sys.exit(__doc__)
    folder, rest = Path(arguments[0]), arguments[1:]
    home = folder / "home"
    if rest[:1] == ["--home"]:
        home, rest = Path(rest[1]), rest[2:]
    make(folder, home, rest)


def make_readme(wanted: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ.update(DIFFUSION_STUDIO_HOME=str(home / "Diffusion Studio"), HOME=folder)
        os.environ.update(QT_QPA_PLATFORM="offscreen", QT_SCALE_FACTOR="2")
        sys.path.insert(0, str(ROOT))
        from diffusion_studio.ui.window import app

        application, window = app.build([])
        window.resize(*SIZE)
        window.fill()
        window.context.change_preferences(toured=True)
        window.show()
        if window.page.request.card is None:
            sys.exit("There is no starter model in resources/models to generate with.")
        fill_strip(application, window)
        for name in wanted or SHOTS:
            SHOTS[name](application, window)
        window.close()
        while window.isVisible():
            application.processEvents()


def fill_strip(application, window) -> None:
    """A few images of every class, as after some minutes of use."""
    for number, label in enumerate(window.page.request.card.classes, start=1):
        generate(application, window, count=5, seed=100 * number, class_label=label)
    window.page.request.change(class_label="")
    window.status.measure()


def shoot_generate(application, window) -> None:
    shoot_finished(application, window, "light")
    shoot_forming(application, window, "dark")


def shoot_finished(application, window, theme: str) -> None:
    window.context.change_preferences(theme=theme)
    generate(application, window, count=16, seed=SEED)
    save(application, window, theme)


def shoot_forming(application, window, theme: str) -> None:
    """In the middle of a run."""
    window.context.change_preferences(theme=theme)
    generation = window.page.generation

    taken = []

    def look(index: int, total: int, words: str) -> None:
        if not taken and total and index >= 0.55 * total:
            taken.append(index)
            save(application, window, theme)

    generation.progressed.connect(look)
    generate(application, window, count=16, seed=SEED + 1000)


def shoot_timeline(application, window) -> None:
    """A step of the way, in the state the network sees."""
    generate(application, window, count=4, seed=SEED)
    window.page.canvas.show_layer("noisy")
    window.page.steering.look_at(8)
    save_in_both(application, window, "timeline")
    window.page.canvas.show_layer("denoised")


def shoot_compare(application, window) -> None:
    """Three samplers by three numbers of steps, of which two cells are selected to be compared."""
    page = window.page
    page.request.lock_seed(SEED)
    page.compare.action.setChecked(True)
    page.generate()
    while page.compare.running:
        application.processEvents()
    page.compare.view.sheet.select([(0, 0), (0, 2)])
    save_in_both(application, window, "compare")
    page.compare.action.setChecked(False)


def shoot_inpaint(application, window) -> None:
    """A picture whose lower part is to be regenerated."""
    from PySide6.QtCore import QPointF, Qt
    from PySide6.QtTest import QTest

    page, canvas = window.page, window.page.canvas
    generate(application, window, count=1, seed=SEED)
    page.start.commands.use_action.trigger()
    page.start.section.paint_button.click()
    page.start.tools.brush.resize(6)
    wait(application, 0.5)
    drawn = canvas.cell_rect(0)
    way = [drawn.topLeft() + QPointF(x * drawn.width(), y * drawn.height()) for x, y in STROKE]
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=way[0].toPoint())
    for point in way[1:]:
        QTest.mouseMove(canvas, point.toPoint())
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=way[-1].toPoint())
    save_in_both(application, window, "inpaint")
    page.start.remove()


def shoot_gallery(application, window) -> None:
    window.context.change_preferences(theme="light")
    window.contents.visit([entry.label for entry in window.contents.entries].index("Gallery"))
    page = window.page
    while page.collection.lister.busy or not page.grid.entries:
        application.processEvents()
    page.marking.star(page.grid.entries[2:20:7], True)
    page.grid.select(9)
    wait(application, 1.0)
    save(application, window, "light", "gallery")


def wait(application, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        application.processEvents()


def generate(application, window, *, count: int, seed: int, **values) -> None:
    page = window.page
    page.request.change(count=count, **values)
    page.request.lock_seed(seed)
    page.generate()
    while page.generation.running or window.context.background.busy:
        application.processEvents()
    window.contents.toasts.clear()


def save_in_both(application, window, what: str) -> None:
    for theme in ("light", "dark"):
        window.context.change_preferences(theme=theme)
        wait(application, 0.3)
        save(application, window, theme, what)


def save(application, window, theme: str, what: str = "generate") -> None:
    target = ROOT / "resources" / "screenshots" / f"{what}-{theme}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    window.grab().toImage().save(str(target))
    shrink(target)
    print(target)


def shrink(path: Path) -> None:
    """A palette of 256 colours is hardly distinguishable from the whole, at a third of the bytes."""
    from PIL import Image

    with Image.open(path) as image:
        small = image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


SHOTS = {
    "generate": shoot_generate,
    "timeline": shoot_timeline,
    "compare": shoot_compare,
    "inpaint": shoot_inpaint,
    "gallery": shoot_gallery,
}


def leave(code: int = 0) -> None:
    """End without Python's own teardown: it destroys Qt's objects in whichever order it comes to them, which has crashed.

    The window is closed and its threads have ended by now.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
    leave()
