"""Does switching between models leave memory flat? Opens two in turns, each drawing a picture, in one process.

python tests/benchmarks/switch_models.py [--switches 200]
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))
WARM_UP = 20  # switches, until the allocators have what they want


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--switches", type=int, default=200)
    switches = parser.parse_args().switches
    with tempfile.TemporaryDirectory() as home:
        os.environ["DIFFUSION_STUDIO_HOME"] = home
        report(measure(switches))


def measure(switches: int) -> list[float]:
    """MB of this process after each switch."""
    from diffusion_studio.generation import opening as models
    from diffusion_studio.models import cards, library

    first = cards.find("")
    pair = [first, library.duplicate_model(first.name)]
    process, used = psutil.Process(), []
    for turn in range(switches):
        card = pair[turn % 2]
        model = models.open_model(card, device="cpu", precision="bfloat16" if turn % 4 > 1 else "float32")
        for _ in model.previews(replace(card.defaults(), steps=2, seed=turn)):
            pass
        del model
        gc.collect()
        used.append(process.memory_info().rss / 1e6)
    return used


def report(used: list[float]) -> None:
    rest = np.array(used[WARM_UP:])
    slope = np.polyfit(np.arange(len(rest)), rest, 1)[0]
    print(f"{len(used)} switches: {used[0]:.0f} MB after the first, {used[WARM_UP - 1]:.0f} MB after {WARM_UP}, "
          f"{used[-1]:.0f} MB after the last (from then on {min(rest):.0f} to {max(rest):.0f}; slope "
          f"{100 * slope:+.2f} MB per 100)")  # fmt: skip


if __name__ == "__main__":
    main()
