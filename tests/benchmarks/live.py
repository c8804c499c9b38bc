"""How quick Live is: from a control that moves to the painted image, and whether the window stutters meanwhile.

    python tests/benchmarks/live.py [--students 32 64 64-plain] [--seconds 10] [--model NAME] [--legs]

Runs on the display there is (on a bare Linux: under `xvfb-run`), or with QT_QPA_PLATFORM=offscreen. The model is a student of
one step in the shape of the starter, with random weights, since the time does not depend on them; or an installed one. At 64
pixels the student works on Haar bands (12 channels of 32 by 32), as models of that size do here; `64-plain` is the same network
on the pixels themselves. `--legs` prints where the time between a movement and its image goes.
Every 16 ms a control moves: the seed, the class, the square of four seeds and the variation in turn. For each movement it counts
until an image at least as new is painted. Nothing is written outside a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVERY = 16  # milliseconds between movements
TICK = 10  # milliseconds of the timer whose gaps are counted
STUDENTS = {
    "32": (32, 0, "32×32 pixels"),
    "64": (64, 1, "64×64 pixels as Haar bands of 32×32×12"),
    "64-plain": (64, 0, "64×64 pixels"),
}  # size, levels of Haar bands, in words
BARS = {"32": 33.0, "64": 66.0, "64-plain": 66.0}  # milliseconds, 95th percentile
GAP = 20.0  # milliseconds, 99th percentile


def make_student(home: Path, kind: str) -> str:
    from dataclasses import replace

    import torch

    from diffusion_studio.diffusion.unet import UNet
    from diffusion_studio.diffusion.unet_config import SPACES
    from diffusion_studio.models.cards import find
    from diffusion_studio.models.folder import read_model, write_model
    from diffusion_studio.storage.atomic import write_json
    from diffusion_studio.training.distil.student import student_scheduler
    from diffusion_studio.ui.base.preferences import Preferences
    from diffusion_studio.ui.base.settings_file import SettingsFile

    starter = find("pixel-avatars-32")  # the default starter works on latents
    model = read_model(starter.path)
    torch.manual_seed(0)
    size, levels, _ = STUDENTS[kind]
    config = replace(model.network.config, sample_size=size >> levels)
    if levels:
        space = next(name for name, count in SPACES.items() if count == levels)
        channels = config.in_channels * 4**levels
        config = replace(config, in_channels=channels, out_channels=channels, space=space)
    network = UNet(config).eval()
    folder = home / "models" / f"student-{kind}"
    card = {
        "title": f"Student {kind}",
        "classes": list(starter.classes),
        "null_class": starter.null_class,
        "recommended": {"sampler": "consistency", "steps": 1},
    }
    write_model(folder, network, model.schedule, prediction=starter.prediction, card=card)
    write_json(folder / "scheduler" / "scheduler_config.json", student_scheduler(model.schedule.config))
    settings_file = SettingsFile()
    settings_file.store("window", Preferences(toured=True))  # the tour would lie over the canvas
    settings_file.save()
    return folder.name


def measure(name: str, seconds: float, by_legs: bool) -> dict[str, object]:
    """In a window of its own, in this process."""
    from live_legs import Legs
    from PySide6.QtCore import QTimer

    from diffusion_studio.jobs.live import NewestRequest
    from diffusion_studio.settings.generation import GenerationSettings
    from diffusion_studio.ui.pictures.canvas import Canvas
    from diffusion_studio.ui.window import app as ours

    asked: list[tuple[int, float]] = []  # number of a request, when its control moved
    painted: list[tuple[int, float]] = []  # number of the newest image painted, when
    ticks: list[float] = []
    worked: list[float] = []  # processor time of the window's thread at each movement
    moved_at = [0.0]
    legs = Legs()
    if by_legs:
        legs.watch()
    paint, put = Canvas.paintEvent, NewestRequest.put

    def timed_put(self, *args, **values):
        number = put(self, *args, **values)
        asked.append((number, moved_at[0]))
        return number

    def timed_paint(self, event):
        paint(self, event)
        page = getattr(window, "page", None)
        if page is not None and self is page.canvas and page.live.live.showing:
            painted.append((page.live.live._number, time.perf_counter()))

    NewestRequest.put, Canvas.paintEvent = timed_put, timed_paint
    started = time.perf_counter()
    application, window = ours.build([])
    window.closed.connect(application.quit)
    window.resize(1280, 800)
    window.show()

    def begin():
        page = window.page
        page.request.edit("model", name)
        page.request.show(GenerationSettings(model=name, seed=1, steps=1, sampler="consistency"))
        page.live.action.setChecked(True)
        warm = QTimer(page)
        warm.timeout.connect(lambda: warm_up(page, warm))
        warm.start(100)

    def warm_up(page, warm):
        """Move until the model is loaded, the fastest way is chosen and what is imported late is there; then drag."""
        page.request.edit("seed", 1 + page.request.settings.seed)
        if len({number for number, _ in painted}) >= 20 and time.perf_counter() - started > 6:
            warm.stop()
            QTimer.singleShot(1000, lambda: drag(page))

    def drag(page):
        asked.clear(), painted.clear(), legs.clear()
        begun, moves = time.perf_counter(), [0]
        page.live.wander.fold.setChecked(True)
        classes = ["", *page.request.card.classes]

        def tick():
            ticks.append(time.perf_counter())

        def move():
            passed = time.perf_counter() - begun
            if passed > seconds:
                timer.stop()
                QTimer.singleShot(50, end)
                return
            moves[0] += 1
            worked.append(time.thread_time())
            moved_at[0] = legs.moved_at = time.perf_counter()
            kind = int(4 * passed / seconds)
            if kind == 0:
                page.panel.form.seed.number.setValue(1000 + moves[0])
            elif kind == 1:
                page.request.change(class_label=classes[moves[0] % len(classes)], seed=moves[0])
            elif kind == 2:
                page.live.wander.pad._move((moves[0] % 100) / 100, (moves[0] % 37) / 37)
            else:
                page.request.change(variation_seed=5, variation_strength=(moves[0] % 99 + 1) / 100)

        def end():
            clock.stop()
            page.live.action.setChecked(False)
            window.close()

        timer, clock = QTimer(page), QTimer(page)
        timer.timeout.connect(legs.counted("a movement", move) if by_legs else move)
        clock.timeout.connect(tick)
        timer.start(EVERY)
        clock.start(TICK)

    QTimer.singleShot(1500, begin)
    application.exec()
    latencies, place, older = [], 0, 0
    for number, at in asked:
        while place < len(painted) and painted[place][0] < number:
            place += 1
        if place < len(painted):
            latencies.append(1000 * (painted[place][1] - at))
    older = sum(later[0] < earlier[0] for earlier, later in zip(painted, painted[1:], strict=False))
    gaps = sorted(1000 * (b - a) for a, b in zip(ticks, ticks[1:], strict=False))
    latencies.sort()

    def share(values, part):
        return values[min(int(part * len(values)), len(values) - 1)] if values else float("nan")

    return {
        "movements": len(asked),
        "images": len({number for number, _ in painted}),
        "p50": share(latencies, 0.5),
        "p95": share(latencies, 0.95),
        "worst": share(latencies, 1.0),
        "gap99": share(gaps, 0.99),
        "gap_worst": share(gaps, 1.0),
        "older": older,
        "legs": legs.rows(),
        "window": 1000 * (worked[-1] - worked[0]) / max(len(worked) - 1, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--students", nargs="+", choices=tuple(STUDENTS), default=["32", "64"])
    parser.add_argument("--legs", action="store_true", help="print where the time of an image goes")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--model", default="", help="an installed model, in place of the random students")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print("RESULT", json.dumps(measure(arguments.child, arguments.seconds, arguments.legs)), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for kind in arguments.students:
            environment = dict(os.environ)
            name = arguments.model
            if not name:
                os.environ["DIFFUSION_STUDIO_HOME"] = environment["DIFFUSION_STUDIO_HOME"] = folder
                name = make_student(home, kind)
            command = [sys.executable, __file__, "--child", name, "--seconds", str(arguments.seconds)]
            command += ["--legs"] * arguments.legs
            load = os.getloadavg()[0]
            done = subprocess.run(
                command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
            if not lines:
                print(done.stdout[-2000:], done.stderr[-2000:])
                sys.exit(f"The window ended without a result (code {done.returncode}).")
            found = json.loads(lines[-1].removeprefix("RESULT "))
            bar = BARS[kind] if not arguments.model else float("nan")
            what = name if arguments.model else f"{name} ({STUDENTS[kind][2]})"
            print(
                f"{what}, load {load:.1f}: control to painted image p50 {found['p50']:.1f} ms, "
                f"p95 {found['p95']:.1f} ms (bar {bar:.0f}), worst {found['worst']:.0f}; "
                f"{found['images'] / arguments.seconds:.0f} images/s of {found['movements'] / arguments.seconds:.0f} "
                f"movements/s; timer gaps 99% {found['gap99']:.1f} ms (bar {GAP:.0f}), worst {found['gap_worst']:.0f}; "
                f"the window works {found['window']:.1f} ms a movement; older than one shown before: {found['older']}",
                flush=True,
            )
            if arguments.legs:
                print(f"  {'milliseconds':58} {'median':>7} {'p95':>7} {'count':>6}")
            for words, middle, most, count in found["legs"]:
                print(f"  {words:58} {middle:7.1f} {most:7.1f} {count:6}", flush=True)
            if arguments.model:
                break


if __name__ == "__main__":
    main()
