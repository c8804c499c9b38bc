"""How quick the timeline is: painting a step while one scrubs, steps a second, and what recording costs a generation in time
and memory.

    python tests/benchmarks/timeline.py [--pictures 16] [--side 64] [--steps 50] [--model NAME] [--rounds 6] [--long 400]

The pictures that are scrubbed are synthetic, in the real window; the generation is real, with the installed model of that
name (none: the one that comes along). Runs on the display there is (on a bare Linux: under `xvfb-run`), or with
QT_QPA_PLATFORM=offscreen. Nothing is written outside a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZES = ((1280, 800), (2560, 1440))
SECONDS = 2.0  # of scrubbing at 60 steps a second


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the timeline.")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--model", default="")
    parser.add_argument("--rounds", type=int, default=6, help="pairs of generations")
    parser.add_argument("--long", type=int, default=400, help="steps of the run whose memory is watched")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DIFFUSION_STUDIO_HOME"] = home
        sys.path.insert(0, str(ROOT))
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
        print_scrubbing(options)
        print_recording(options)
        print_memory(options)


# --- scrubbing ---


def print_scrubbing(options: argparse.Namespace) -> None:
    from diffusion_studio.ui.window import app

    application, window = app.build([])
    window.fill()
    window.show()
    steering = window.page.steering
    run = synthetic_run(options)
    steering.runs.add(run)
    print(
        f"{options.pictures} pictures of {options.side}x{options.side}, {options.steps} steps, milliseconds a step"
    )
    print(
        f"{'window':>11} {'view':>11} {'median':>7} {'95%':>6} {'worst':>6} {'processor':>9}"
        f"   at 60 Hz for {SECONDS:.0f} s"
    )
    for size in SIZES:
        window.resize(*size)
        steering.look_at_run(run)
        for layer in ("denoised", "noisy", "noise", "difference"):
            window.page.canvas.show_layer(layer)
            application.processEvents()
            processor = time.thread_time()
            times = sorted(scrub(application, window, options.steps))
            processor = 1000 * (time.thread_time() - processor) / len(times)
            shown, wanted = scrub_by_clock(application, window, options.steps)
            print(
                f"{size[0]:>6}x{size[1]:<4} {layer:>11} {statistics.median(times):7.2f}"
                f" {times[int(0.95 * len(times))]:6.2f} {times[-1]:6.2f} {processor:9.2f}   {shown} of {wanted} steps shown"
            )
    window.close()
    while window.isVisible():
        application.processEvents()


def synthetic_run(options: argparse.Namespace):
    """Steps from noise to smooth pictures, as a sampler leaves them."""
    import torch

    from diffusion_studio.generation.trajectory import State, Trajectory
    from diffusion_studio.settings.generation import GenerationSettings
    from diffusion_studio.ui.generate.generations import GenerationRun

    shape = (options.pictures, 3, options.side, options.side)
    clean, noise = torch.rand(shape[0], 3, 8, 8) * 2 - 1, torch.randn(shape)
    clean = torch.nn.functional.interpolate(clean, size=shape[2:], mode="bilinear")
    trajectory = Trajectory()
    pictures = tuple(range(options.pictures))
    trajectory.begin(
        GenerationSettings(steps=options.steps, count=options.pictures, seed=7, model="synthetic"), pictures
    )
    for index in range(options.steps + 1):
        left = 1 - index / options.steps
        denoised = clean + 0.3 * left * torch.randn(shape)
        trajectory.append(
            State(
                index=index,
                total=options.steps,
                sigma=20 * left**2,
                timestep=999 * left,
                x=clean + 20 * left**2 * noise,
                denoised=denoised,
                memory=(denoised, 0.1),
                ahead=[],
                random=[],
            )
        )
    return GenerationRun(trajectory)


def there_and_back(steps: int) -> list[int]:
    return [*range(steps + 1), *range(steps - 1, -1, -1)]


def scrub(application, window, steps: int) -> list[float]:
    """Milliseconds from a wanted step until canvas and timeline are painted with it, on the screen too."""
    steering, canvas, painted = window.page.steering, window.page.canvas, []
    usual = canvas.paintEvent
    canvas.paintEvent = lambda event: (usual(event), painted.append(event.rect()))
    times = []
    for index in there_and_back(steps):
        application.processEvents()
        painted.clear()
        begun = time.perf_counter()
        steering.timeline.step_wanted.emit(index)
        steering.timeline.track.repaint()  # at once, and with it all that the step has made out of date
        times.append(1000 * (time.perf_counter() - begun))
        assert painted, "the canvas was not painted with the step"
    canvas.paintEvent = usual
    return times


def scrub_by_clock(application, window, steps: int) -> tuple[int, int]:
    """A step every 60th of a second: how many were painted, of how many wanted."""
    from PySide6.QtCore import QEventLoop, Qt, QTimer

    steering, canvas, painted, wanted = window.page.steering, window.page.canvas, [], []
    usual = canvas.paintEvent
    canvas.paintEvent = lambda event: (usual(event), painted.append(steering.timeline.track.index))
    order = there_and_back(steps)
    loop, timer = QEventLoop(), QTimer(interval=16, timerType=Qt.TimerType.PreciseTimer)

    def tick() -> None:
        wanted.append(order[len(wanted) % len(order)])
        steering.timeline.step_wanted.emit(wanted[-1])

    timer.timeout.connect(tick)
    timer.start()
    QTimer.singleShot(int(1000 * SECONDS), loop.quit)
    loop.exec()
    timer.stop()
    application.processEvents()
    canvas.paintEvent = usual
    changes = sum(a != b for a, b in zip(painted, painted[1:], strict=False)) + bool(painted)
    return changes, len(wanted)


# --- recording ---


def print_recording(options: argparse.Namespace) -> None:
    """Pairs of generations that take their steps in turns, so that what else the machine does hits both alike."""
    from diffusion_studio.generation.trajectory import Trajectory
    from diffusion_studio.models import cards

    card = cards.find(options.model)
    settings = replace(card.defaults(), model=card.name, steps=options.steps, seed=7)
    print(f"\n{card.title}, {options.steps} steps, milliseconds a step with and without recording")
    for count in (1, 4, 16):
        asked = replace(settings, count=count)
        run_in_turns([steps_of(asked, None)])  # loads the model, chooses convolutions
        plain, recorded = [], []
        for number in range(options.rounds):
            both = [steps_of(asked, None), steps_of(asked, Trajectory())]
            order = (0, 1) if number % 2 else (1, 0)
            times = run_in_turns([both[place] for place in order])
            plain += times[order.index(0)]
            recorded += times[order.index(1)]
        before, after = statistics.median(plain), statistics.median(recorded)
        print(
            f"{count:>3} pictures: {before:7.2f} plain, {after:7.2f} recorded: {100 * (after / before - 1):+.1f} %"
        )


def print_memory(options: argparse.Namespace) -> None:
    """How far the process grows in a long run of 16 pictures, against what is kept of it."""
    import psutil

    from diffusion_studio.generation.trajectory import Trajectory
    from diffusion_studio.models import cards

    card, process = cards.find(options.model), psutil.Process()
    settings = replace(card.defaults(), model=card.name, steps=options.long, seed=7, count=16)
    grown, kept = [], 0
    for trajectory in (None, Trajectory()):
        before, most = process.memory_info().rss, 0
        for _ in steps_of(settings, trajectory):
            most = max(most, process.memory_info().rss - before)
            kept = max(kept, trajectory.size if trajectory else 0)
        grown.append(most / 1e6)
    print(
        f"\n{options.long} steps of 16 pictures: the process grows by {grown[0]:.0f} MB, recorded by {grown[1]:.0f},"
        f" of which {kept / 1e6:.0f} are kept"
    )


def steps_of(settings, trajectory):
    from diffusion_studio.events import Preview
    from diffusion_studio.jobs.generate import generate

    return (
        event for event in generate(settings, save=False, trajectory=trajectory) if isinstance(event, Preview)
    )


def run_in_turns(jobs) -> list[list[float]]:
    """The milliseconds of each step of each, but for the first, which loads."""
    times: list[list[float]] = [[] for _ in jobs]
    for job in jobs:
        next(job)
    while True:
        for job, own in zip(jobs, times, strict=True):
            begun = time.perf_counter()
            if next(job, None) is None:
                return times
            own.append(1000 * (time.perf_counter() - begun))


if __name__ == "__main__":
    main()
