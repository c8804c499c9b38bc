"""How time and memory grow with the number of training images: synthetic sets, read, prepared, opened again and trained from.

    python tests/benchmarks/scale.py [--counts 1000 10000 100000] [--size 32] [--steps 20]

Each set is PNG files of noise made for this in a temporary folder. For each it prints the seconds to prepare it, to open what was
prepared (every row checked by its hash), to prepare it once one image has changed, a training step's median processor time,
and by how much the process grew.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import psutil
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    print(
        "| images | prepared, s | opened again, s | one changed, s | step, ms | memory of the images, MB | of the file, MB |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    for count in options.counts:
        with tempfile.TemporaryDirectory() as place:
            os.environ["DIFFUSION_STUDIO_HOME"] = str(Path(place, "home"))
            make(Path(place, "images"), count, options.size)
            row = measure(Path(place, "images"), options)
        print(f"| {count:,} | " + " | ".join(f"{value:,.1f}" for value in row) + " |", flush=True)


def make(folder: Path, count: int, size: int) -> None:
    draw = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"{number % 100:02d}"
        if number < 100:
            place.mkdir(parents=True)
        small = draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(small.repeat(size // 4, 0).repeat(size // 4, 1)).save(
            place / f"{number:07d}.png", compress_level=1
        )


def private(process: psutil.Process) -> int:
    """Bytes of the process that are not mapped from a file."""
    facts = process.memory_info()
    return int(facts.rss - getattr(facts, "shared", 0))


def measure(folder: Path, options: argparse.Namespace) -> list[float]:
    from diffusion_studio.settings.training import TrainingSettings
    from diffusion_studio.training import images
    from diffusion_studio.training.step.trainer import Trainer

    images.MANY = 0  # prepared, however few
    process, seconds = psutil.Process(), []
    before = private(process)
    for _ in range(2):
        begun = time.process_time()
        *_, pictures = images.load_pictures(folder, options.size, classes=False)
        seconds.append(time.process_time() - begun)
    gc.collect()
    grown = private(process) - before
    Image.new("RGB", (options.size, options.size)).save(folder / "00" / "0000000.png")
    begun = time.process_time()
    *_, pictures = images.load_pictures(folder, options.size, classes=False)
    seconds.append(time.process_time() - begun)
    settings = TrainingSettings(size=options.size, batch=32, seed=0)
    trainer = Trainer(settings, pictures, device="cpu", precision="bfloat16")
    times = []
    for step in range(options.steps + 1):
        begun = time.process_time()
        trainer.step(0.0)
        if step:
            times.append(time.process_time() - begun)
    trainer.close()
    assert isinstance(pictures, images.Pictures)
    return [*seconds, 1000 * median(times), max(0.0, grown / 1e6), pictures.images.nbytes / 1e6]


if __name__ == "__main__":
    main()
