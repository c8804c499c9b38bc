"""How the gallery copes with 20,000 images: how soon its first page is there, and whether anything stutters while it is read,
scrolled and searched.

    python tests/benchmarks/gallery.py [--count 20000] [--days 40]

Runs on the display there is (on a bare Linux: under `xvfb-run`), or with QT_QPA_PLATFORM=offscreen. A timer of 10 ms runs all
the while; the worst time between two of its ticks is what a hand at the mouse would feel. Everything is written into a
temporary folder.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRST_PAGE, GAP = 1.0, 0.100  # seconds: the bars


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the gallery.")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--home", help="keep the pictures there, for the next time")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure(options.count)
        sys.stdout.flush()
        os._exit(0)  # Python's own teardown destroys Qt's objects in whichever order, which has crashed
    with nullcontext(options.home) if options.home else tempfile.TemporaryDirectory() as home:
        shutil.rmtree(Path(home) / "cache", ignore_errors=True)
        if not (Path(home) / "outputs").is_dir():
            fill(Path(home) / "outputs", options.count, options.days)
        where = os.environ.get("QT_QPA_PLATFORM") or f"display {os.environ.get('DISPLAY', '?')}"
        print(f"{options.count:,} pictures, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {where}")
        environment = {**os.environ, "DIFFUSION_STUDIO_HOME": home, "PYTHONPATH": str(ROOT)}
        for words in ("without a cache, as the first time", "with its cache"):
            print(f"\n{words}")
            child = [sys.executable, __file__, "--child", "--count", str(options.count)]
            subprocess.run(child, env=environment, check=True)


def fill(folder: Path, count: int, days: int) -> None:
    """Small pictures that differ in what they say: one is drawn, the others are its bytes with other text."""
    import numpy as np
    from PIL import Image

    from diffusion_studio.pictures import embedding
    from diffusion_studio.settings.generation import GenerationSettings

    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    for number in range(count):
        day = date.today() - timedelta(days=number * days // count)
        place = folder / f"{day:%Y-%m-%d}"
        place.mkdir(parents=True, exist_ok=True)
        settings = GenerationSettings(
            model=("faces", "cats")[number % 2], seed=number, steps=10 + number % 40
        )
        facts = {"width": 32, "height": 32, "model_title": "Faces", "model_hash": "0123456789"}
        clock = number % 86_400
        name = f"{clock // 3600:02}{clock // 60 % 60:02}{clock % 60:02}-{number}.png"
        pixels.save(place / name, compress_level=1, **embedding.options("PNG", settings, facts))


class Ticks:
    """A timer that notes how late it is, in whatever phase the measurement is."""

    def __init__(self) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.last, self.worst = time.perf_counter(), 0.0
        self.busy, self.most = (
            time.thread_time(),
            0.0,
        )  # the same in time of the processor: what other programs take is not in it
        self.collecting = self.pause = 0.0  # what the collector of garbage held all threads up at most
        gc.callbacks.append(self.collect)
        self.timer = QTimer(interval=10, timerType=Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.tick)
        self.timer.start()

    def tick(self) -> None:
        now = time.perf_counter()
        self.worst, self.last = max(self.worst, now - self.last), now
        busy = time.thread_time()
        self.most, self.busy = max(self.most, busy - self.busy), busy

    def collect(self, phase: str, facts: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self.collecting = now
        else:
            self.pause = max(self.pause, now - self.collecting)

    def phase(self) -> tuple[float, float, float]:
        """Since the last call: the worst gap, the most that the window's thread worked between two ticks, and the longest
        collection of garbage, in whichever thread."""
        self.tick()
        result = self.worst, self.most, self.pause
        self.worst = self.most = self.pause = 0.0
        return result


def measure(count: int) -> None:
    from PySide6.QtCore import QTimer

    from diffusion_studio.ui.window.app import build

    application, window = build([])
    window.resize(1280, 800)
    window.show()
    wait(application, lambda: window.filled and window.contents.page.isVisible(), 20)
    settle(application, 5)  # torch is loaded ahead meanwhile
    gc.freeze()  # as `app.main` does some seconds after the start
    labels = [entry.label for entry in window.contents.entries]
    ticks, begun = Ticks(), time.perf_counter()
    window.contents.visit(labels.index("Gallery"))
    page = window.page
    wait(application, lambda: first_page(page), 60)
    row("first page with its thumbnails", time.perf_counter() - begun, FIRST_PAGE, ticks)
    wait(application, lambda: len(page.entries) == count, 60)
    row("all of them listed", time.perf_counter() - begun, None, ticks)
    scroll(application, page)
    row("scrolled while they are read", None, None, ticks)
    wait(application, lambda: page.entries and all(e.settings for e in page.entries.values()), 600)
    row("what they say is known", time.perf_counter() - begun, None, ticks)
    settle(application, 0.5)
    ticks.phase()
    scroll(application, page)
    row("scrolled from end to end", None, None, ticks)
    for text in ("seed:7", "steps>=45 model:cats", "0-5"):
        begun = time.perf_counter()
        page.head.search.setText(text)
        wait(application, lambda: len(page.grid.entries) < count, 20)
        row(f"searched for {text}", time.perf_counter() - begun, None, ticks)
        page.head.search.setText("")
        wait(application, lambda: len(page.grid.entries) == count, 20)
        ticks.phase()
    begun = time.perf_counter()
    page.grid.selection.select_all()
    application.processEvents()
    row("all selected", time.perf_counter() - begun, None, ticks)
    page.grid.select(0)
    page.actions_.star_wanted.emit(True)
    settle(application, 0.2)
    row("one starred", None, None, ticks)
    page.refresh()
    wait(application, lambda: not page.collection.lister.busy, 60)
    settle(application, 0.2)
    row("listed again", None, None, ticks)
    ticks.timer.stop()
    window.closed.connect(application.quit)
    QTimer.singleShot(0, window.close)
    application.exec()


def first_page(page) -> bool:  # type: ignore[no-untyped-def]
    grid = page.grid
    seen = grid.layout_.visible(0, grid.viewport().height())
    return bool(grid.entries) and all(page.thumbs.get(grid.entries[place].path) is not None for place in seen)


def scroll(application, page) -> None:  # type: ignore[no-untyped-def]
    """Slowly for a second, then in leaps over the whole height, as a hand on the bar does."""
    bar = page.grid.verticalScrollBar()
    for step in range(100):
        bar.setValue(step * 20)
        pump(application, 0.01)
    for step in range(200):
        bar.setValue(bar.maximum() * step // 199)
        pump(application, 0.02)


def pump(application, seconds: float) -> None:  # type: ignore[no-untyped-def]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        application.processEvents()
        time.sleep(0.001)


settle = pump


def wait(application, until, seconds: float) -> None:  # type: ignore[no-untyped-def]
    end = time.perf_counter() + seconds
    while not until():
        if time.perf_counter() > end:
            raise SystemExit("that took too long")
        application.processEvents()
        time.sleep(0.001)


def row(what: str, seconds: float | None, bar: float | None, ticks: Ticks) -> None:
    gap, busy, pause = ticks.phase()
    took = "" if seconds is None else f"{seconds * 1000:8.0f} ms"
    over = " OVER THE BAR" if gap > GAP or (bar is not None and seconds is not None and seconds > bar) else ""
    limit = f" (bar {bar * 1000:.0f})" if bar else ""
    print(
        f"  {what:<36}{took:>12}{limit:<12} worst gap {gap * 1000:4.0f} ms, of it work {busy * 1000:4.0f} ms, "
        f"garbage {pause * 1000:3.0f} ms{over}",
        flush=True,
    )


if __name__ == "__main__":
    main()
