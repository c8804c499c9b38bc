"""How quick the window is: on screen, to its first preview, between previews, and whether it stutters meanwhile.

    python tests/benchmarks/window.py [--model NAME_OR_FOLDER] [--runs 7] [--steps 50] [--count 1]

Runs on the display there is (on a bare Linux: under `xvfb-run`), or with QT_QPA_PLATFORM=offscreen. Each figure comes from
fresh processes; the two that are compared run in turn. Nothing is written outside a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15  # of a run with previews, one without, and one without a window
ROOT = Path(__file__).resolve().parents[2]

BARE = """
import sys, time
from PySide6.QtWidgets import QApplication, QMainWindow
class Window(QMainWindow):
    def paintEvent(self, event):
        print("visible", time.time(), flush=True)
        QTimer.singleShot(0, app.quit)
from PySide6.QtCore import QTimer
app = QApplication([])
window = Window()
window.resize(1280, 800)
window.show()
app.exec()
"""

OURS = """
import sys, time
from diffusion_studio.ui.window import app as ours
application, window = ours.build([])
from PySide6.QtCore import QTimer
paint, fill = window.paintEvent, window.fill
def painted(event):
    paint(event)
    print("visible", time.time(), flush=True)
    window.paintEvent = paint
def filled():
    fill()
    print("complete", time.time(), flush=True)
    QTimer.singleShot(0, window.close)
window.paintEvent, window.fill = painted, filled
window.closed.connect(application.quit)
window.show()
application.exec()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the window.")
    parser.add_argument("--model", default="", help="an installed model's name, or a model's folder")
    parser.add_argument("--runs", type=int, default=7, help="fresh processes per figure")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        generate_in_window(options)
        return
    with tempfile.TemporaryDirectory() as home:
        environment = prepare(Path(home), options)
        where = environment.get("QT_QPA_PLATFORM") or f"display {environment.get('DISPLAY', '?')}"
        print(
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {where}, {options.runs} runs, medians\n"
        )
        print_startup(environment, options.runs)
        print_generation(environment, options)


def prepare(home: Path, options: argparse.Namespace) -> dict[str, str]:
    """An empty home with the model in it, and compiled code kept, as after a first start."""
    folder = Path(options.model)
    if options.model and folder.is_dir():
        shutil.copytree(folder, home / "models" / folder.resolve().name)
        options.model = folder.resolve().name
    environment = {**os.environ, "DIFFUSION_STUDIO_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(home / "compiled")
    return environment


# --- on screen ---


def print_startup(environment: dict[str, str], runs: int) -> None:
    times: dict[str, list[float]] = {"bare": [], "visible": [], "complete": []}
    for run in range(runs + 1):
        bare, ours = timed(BARE, environment), timed(OURS, environment)
        if run:  # the first of each compiles
            times["bare"].append(bare["visible"])
            times["visible"].append(ours["visible"])
            times["complete"].append(ours["complete"])
    bare, visible, complete = (statistics.median(times[name]) for name in times)
    row("bare PySide6 window on screen", f"{bare * 1000:.0f} ms")
    row(
        "our window on screen",
        f"{visible * 1000:.0f} ms",
        f"{visible / bare:.2f} times the bare one (bar: 1.5)",
    )
    row(
        "everything in it, Generate can be clicked",
        f"{complete * 1000:.0f} ms",
        f"{complete / bare:.2f} times",
    )


def timed(code: str, environment: dict[str, str]) -> dict[str, float]:
    """Seconds from the start of a fresh process to each mark it prints."""
    begun = time.time()
    child = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    if child.returncode:
        sys.exit(child.stderr)
    return {name: float(at) - begun for name, at in (line.split() for line in child.stdout.splitlines())}


# --- generating ---


def print_generation(environment: dict[str, str], options: argparse.Namespace) -> None:
    command = [sys.executable, __file__, "--child", "--model", options.model]
    command += ["--steps", str(options.steps), "--count", str(options.count)]
    results = []
    for _ in range(max(options.runs // 2, 1)):
        child = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        if child.returncode:
            sys.exit(child.stderr)
        results.append(json.loads(child.stdout.splitlines()[-1]))
    middle = {name: statistics.median(result[name] for result in results) for name in results[0]}
    print(f"\n{options.steps} steps, count {options.count}, {results[0]['steps_per_second']:.1f} it/s")
    row("click to first preview, fresh process", f"{middle['first_preview']:.2f} s", "(bar: 3 s)")
    row("click to first preview, model loaded", f"{middle['next_preview'] * 1000:.0f} ms")
    row("steps with a preview", f"{middle['shown']:.0%}")
    row(
        "between previews",
        f"{middle['interval'] * 1000:.0f} ms",
        f"worst {middle['worst_interval'] * 1000:.0f} ms",
    )
    row("gap of a 10 ms timer, 99%", f"{middle['gap_99'] * 1000:.0f} ms", "(bar: 50 ms)")
    row("gap of a 10 ms timer, worst", f"{middle['gap_worst'] * 1000:.0f} ms", "(bar: 250 ms)")
    row("the same while torch is loaded, worst", f"{middle['gap_loading'] * 1000:.0f} ms")
    row("what previews cost the run", f"{middle['preview_cost']:+.1%}", "(bar: 3%)")
    row("what the window costs it in all", f"{middle['window_cost']:+.1%}")


def generate_in_window(options: argparse.Namespace) -> None:
    """One fresh process: click as soon as the button is there, then more runs, with and without previews in turn."""
    from diffusion_studio.ui.window import app

    application, window = app.build([])
    window.show()
    window.fill()
    page = window.page
    settings = {"steps": options.steps, "count": options.count, "seed": 1}
    if options.model:
        page.request.choose_model(options.model)
    for name, value in settings.items():
        page.panel.form.fields[name].show_value(value)
    result = Measurement(application, page).run()
    window.close()
    while window.isVisible():
        application.processEvents()
    print(json.dumps(result))


class Measurement:
    def __init__(self, application, page) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.application, self.page = application, page
        self.previews: list[float] = []
        self.gaps: list[float] = []
        self.last_tick = time.perf_counter()
        self.timer = QTimer(interval=10, timerType=Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.tick)
        page.generation.previewed.connect(lambda _: self.previews.append(time.perf_counter()))
        self.finished: list[float] = []
        page.generation.worker.reported.connect(self.note)

    def tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self.last_tick)
        self.last_tick = now

    def note(self, job: int, event: object) -> None:
        if type(event).__name__ == "Finished":
            self.finished.append(event.seconds)

    def run(self) -> dict[str, float]:
        self.last_tick = time.perf_counter()
        self.timer.start()
        first = self.click()
        loading = max(self.gaps)
        self.click()  # warm
        self.gaps.clear()
        following, intervals, shown = [], [], []
        with_previews, without, silent = [], [], []
        steps = self.page.request.value().steps
        for _ in range(ROUNDS):
            following.append(self.click())
            with_previews.append(self.finished[-1])
            intervals += [b - a for a, b in zip(self.previews, self.previews[1:], strict=False)]
            shown.append(len(self.previews) / (steps + 1))
            without.append(self.quiet())
            silent.append(self.silent())
        self.timer.stop()
        gaps = sorted(self.gaps)
        return {
            "steps_per_second": steps / statistics.median(with_previews),
            "first_preview": first,
            "next_preview": statistics.median(following),
            "shown": statistics.mean(shown),
            "interval": statistics.median(intervals),
            "worst_interval": max(intervals),
            "gap_99": gaps[int(len(gaps) * 0.99)],
            "gap_worst": gaps[-1],
            "gap_loading": loading,
            "preview_cost": statistics.median(with_previews) / statistics.median(without) - 1,
            "window_cost": statistics.median(with_previews) / statistics.median(silent) - 1,
        }

    def click(self) -> float:
        """Generate to the end; seconds from the click to the first preview."""
        self.previews.clear()
        begun = time.perf_counter()
        self.page.panel.foot.button.click()
        self.wait(lambda: not self.page.generation.running)
        return self.previews[0] - begun

    def quiet(self) -> float:
        """The same click with none but the first and the last picture shown; seconds of its steps."""
        from diffusion_studio.ui.base import worker

        every, worker.PREVIEW_EVERY = worker.PREVIEW_EVERY, math.inf
        try:
            self.click()
        finally:
            worker.PREVIEW_EVERY = every
        return self.finished[-1]

    def silent(self) -> float:
        """The same run with nothing shown and nothing recorded, as without a window; seconds of its steps."""
        from diffusion_studio.events import Preview
        from diffusion_studio.jobs import generate as jobs

        job = (event for event in jobs.generate(self.page.request.value()) if not isinstance(event, Preview))
        self.page.generation.worker.submit(job)
        self.wait(lambda: not self.page.generation.worker.busy)
        return self.finished[-1]

    def wait(self, done) -> None:
        from PySide6.QtCore import QEventLoop

        while not done():
            self.application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def row(what: str, figure: str, note: str = "") -> None:
    print(f"{what:<44}{figure:>10}  {note}")


if __name__ == "__main__":
    main()
