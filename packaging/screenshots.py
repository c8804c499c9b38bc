"""Makes the README's screenshots, resources/screenshots/*.png, with the starter model and no display.

python packaging/screenshots.py
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


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ.update(DIFFUSION_STUDIO_HOME=str(home / "Diffusion Studio"), HOME=folder)
        os.environ.update(QT_QPA_PLATFORM="offscreen", QT_SCALE_FACTOR="2")
        sys.path.insert(0, str(ROOT))
        from diffusion_studio.ui import app

        application, window = app.build([])
        window.resize(*SIZE)
        window.fill()
        window.show()
        if window.page.panel.card is None:
            sys.exit("There is no starter model in resources/models to draw with.")
        window.page.panel.button.setFocus()
        fill_strip(application, window)
        shoot_finished(application, window, "light")
        shoot_forming(application, window, "dark")
        shoot_scrubbed(application, window, "light")
        shoot_gallery(application, window, "light")
        window.close()
        while window.isVisible():
            application.processEvents()


def fill_strip(application, window) -> None:
    """A few pictures of every class, as after some minutes of use."""
    panel = window.page.panel
    for place in range(1, panel.classes.count()):
        panel.classes.setCurrentIndex(place)
        generate(application, window, count=5, seed=100 * place)
    panel.classes.setCurrentIndex(0)
    window.interior.status.measure()


def shoot_finished(application, window, theme: str) -> None:
    window.studio.change_preferences(theme=theme)
    generate(application, window, count=16, seed=SEED)
    save(application, window, theme)


def shoot_forming(application, window, theme: str) -> None:
    """In the middle of a run."""
    window.studio.change_preferences(theme=theme)
    generation = window.page.generation

    taken = []

    def look(index: int, total: int, words: str) -> None:
        if not taken and index >= 0.55 * total:
            taken.append(index)
            save(application, window, theme)

    generation.progressed.connect(look)
    generate(application, window, count=16, seed=SEED + 1000)


def shoot_scrubbed(application, window, theme: str) -> None:
    """A step of the way, in the state the network sees."""
    window.studio.change_preferences(theme=theme)
    generate(application, window, count=4, seed=SEED)
    window.page.canvas.show_layer("noisy")
    window.page.steering.look_at(8)
    save(application, window, theme, "timeline")
    window.page.canvas.show_layer("denoised")


def shoot_gallery(application, window, theme: str) -> None:
    window.interior.visit([entry.label for entry in window.interior.entries].index("Gallery"))
    page = window.page
    while page.lister.busy or not page.grid.entries:
        application.processEvents()
    page.marks.star([entry.path for entry in page.grid.entries[2:20:7]], True)
    page.mark()
    page.grid.choose(9)
    wait(application, 1.0)
    save(application, window, theme, "gallery")


def wait(application, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        application.processEvents()


def generate(application, window, *, count: int, seed: int) -> None:
    page = window.page
    page.panel.form.fields["count"].show_value(count)
    page.panel.seed.show_value(seed)
    page.generate()
    while page.generation.running or window.studio.errands.busy:
        application.processEvents()


def save(application, window, theme: str, what: str = "generate") -> None:
    target = ROOT / "resources" / "screenshots" / f"{what}-{theme}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    window.grab().toImage().save(str(target))
    print(target)


if __name__ == "__main__":
    main()
