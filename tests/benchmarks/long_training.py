"""Whether memory and step time stay flat over a long training: 20,000 steps of a tiny one, with everything a real run does.

    OMP_NUM_THREADS=1 python tests/benchmarks/long_training.py [--steps 20000] [--size 8] [--batch 2] [--sample-every 10]

The whole job runs, with its reports, checkpoints and sheets of samples. Memory is what the process holds (RSS); time is that
of the processor, which leaves out waiting for other programs, and the median of each stretch, which leaves out a save. Slopes
are medians of those between any two stretches after the first tenth (Theil-Sen); exits 1 where memory grows by more than
1 MB, or a step by more than 1%, in 1,000 steps.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

STRETCH = 250  # steps
MOST_MEMORY, MOST_TIME = 1.0, 1.0  # MB, and percent of a step, in 1,000 steps


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--sample-every", type=float, default=10.0, help="seconds between sheets of samples")
    parser.add_argument("--autosave", type=float, default=10.0, help="seconds between checkpoints")
    parser.add_argument("--json", action="store_true", help="the figures alone, as one line of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["DIFFUSION_STUDIO_HOME"] = str(Path(place, "home"))
        figures = summary(follow(options, Path(place)), options.steps)
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{key}: {value}" for key, value in figures.items())
    )
    return (
        0
        if figures["memory_mb_per_1000_steps"] < MOST_MEMORY
        and figures["step_time_percent_per_1000_steps"] < MOST_TIME
        else 1
    )


def follow(options: argparse.Namespace, place: Path) -> list[tuple[int, float, float]]:
    """(step, RSS in MB, processor milliseconds a step) at the end of every stretch of the run."""
    import psutil

    from diffusion_studio.settings.training import TrainingSettings
    from diffusion_studio.training import loop
    from diffusion_studio.training_events import Loss

    settings = TrainingSettings(
        folder=str(pictures(place / "pictures", options.size)),
        name="long",
        size=options.size,
        batch=options.batch,
        steps=options.steps,
        autosave=options.autosave,
        sample_every=options.sample_every,
        seed=1,
    )
    loop.REPORT_EVERY = 0.0  # a report after every step: more of what might leak, and a time for each step
    process, found, times = psutil.Process(), [], []
    before = time.process_time()
    for event in loop.train(settings):
        now = time.process_time()
        if not isinstance(event, Loss):
            before = now
            continue
        times.append(now - before)
        if event.step % STRETCH == 0 and (not found or event.step > found[-1][0]):
            gc.collect()
            found.append((event.step, process.memory_info().rss / 1e6, 1000 * sorted(times)[len(times) // 2]))
            print(
                f"\rstep {event.step}: {found[-1][1]:.0f} MB, {found[-1][2]:.2f} ms", end="", file=sys.stderr
            )
            times = []
        before = time.process_time()
    print(file=sys.stderr)
    return found


def pictures(folder: Path, size: int) -> Path:
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    for number in range(64):
        picture = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


def summary(found: list[tuple[int, float, float]], steps: int) -> dict[str, float]:
    import numpy as np

    table = np.array([row for row in found if row[0] > steps / 10])
    thousands = table[:, 0] / 1000
    first, last = np.triu_indices(len(table), 1)
    memory, time_ = (
        np.median((table[last, k] - table[first, k]) / (thousands[last] - thousands[first])) for k in (1, 2)
    )
    return {
        "steps": int(found[-1][0]),
        "memory_mb_at_first": round(table[0, 1], 1),
        "memory_mb_at_last": round(table[-1, 1], 1),
        "memory_mb_per_1000_steps": round(float(memory), 4),
        "step_ms": round(float(np.median(table[:, 2])), 3),
        "step_ms_per_1000_steps": round(float(time_), 5),
        "step_time_percent_per_1000_steps": round(float(100 * time_ / np.median(table[:, 2])), 3),
    }


if __name__ == "__main__":
    sys.exit(main())
