"""A whole run of 50 DDIM steps: ours with both previews of every step, diffusers' DDIMPipeline with none.

    python tests/benchmarks/sampling_run.py [--quick] [--threads N] [--steps 50] [--json]

The same weights, from the same folder, in turns, medians; ours as the command line runs it (`models.open_model`), each step
turned into two uint8 pictures. In brackets how many times faster than DDIMPipeline in float32. Exits 1 unless bfloat16 is at
least twice as fast with one picture.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from peers import diffusers_network, quiet_diffusers, reference_network

NEEDED = 2.0
Run = Callable[[int], np.ndarray]  # (pictures) -> (N, H, W, 3) uint8


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one picture, three rounds")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.batches, options.rounds = [1], 3
    torch.set_num_threads(options.threads)
    print(
        f"{options.threads} threads, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )
    with tempfile.TemporaryDirectory() as place:
        os.environ["DIFFUSION_STUDIO_HOME"] = place
        folder = Path(place, "models", "reference")
        runs = all_runs(folder, options.steps)
        ratios = [compare(runs, count, options) for count in options.batches]
    return 0 if ratios[0] >= NEEDED else 1


def all_runs(folder: Path, steps: int) -> dict[str, Run]:
    diffusers = quiet_diffusers()
    diffusers.DDPMPipeline(diffusers_network(reference_network()), diffusers.DDPMScheduler()).save_pretrained(
        folder
    )
    theirs = diffusers.DDIMPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    theirs.set_progress_bar_config(disable=True)

    def pipeline(count: int) -> np.ndarray:
        generators = [torch.Generator().manual_seed(7 + index) for index in range(count)]
        pictures = theirs(
            batch_size=count,
            generator=generators,
            num_inference_steps=steps,
            use_clipped_model_output=True,
            output_type="np",
        ).images
        return (pictures * 255).round().astype(np.uint8)

    return {
        "DDIMPipeline float32": pipeline,
        "ours float32": our_run(folder, steps, "float32"),
        "ours bfloat16": our_run(folder, steps, "bfloat16"),
    }


def our_run(folder: Path, steps: int, precision: str) -> Run:
    from diffusion_studio.models.cards import read_card
    from diffusion_studio.models.kinds import kind_of
    from diffusion_studio.settings.generation import GenerationSettings

    card = read_card(folder)
    model = kind_of(card).open(card, "cpu", precision)

    def run(count: int) -> np.ndarray:
        settings = GenerationSettings(
            model=card.name,
            steps=steps,
            sampler="ddim",
            spacing="leading",
            seed=7,
            count=count,
            precision=precision,
        )
        for frame in model.previews(settings):
            last = frame.denoised
            frame.views.view("noisy")  # the second preview of each step
        return last

    return run


def compare(runs: dict[str, Run], count: int, options: argparse.Namespace) -> float:
    """The ratio of our run in bfloat16."""
    pictures = {name: run(count) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            before = time.perf_counter()
            run(count)
            times[name].append(time.perf_counter() - before)
    first = next(iter(runs))
    slowest, rows = statistics.median(times[first]), {}
    for name in runs:
        median = statistics.median(times[name])
        difference = np.abs(pictures[name].astype(int) - pictures[first].astype(int))
        rows[name] = {
            "ms": round(1000 * median),
            "ratio": round(slowest / median, 2),
            "mean_difference_in_levels": round(float(difference.mean()), 2),
        }
    if options.json:
        print(json.dumps({"steps": options.steps, "batch": count, "runs": rows}), flush=True)
    else:
        print(f"\n{count} x 32 pixels, {options.steps} steps")
        for name, row in rows.items():
            print(
                f"  {name:24}{row['ms']:7d} ms  ({row['ratio']:.2f})"
                f"  {row['mean_difference_in_levels']:.2f} levels from DDIMPipeline's",
                flush=True,
            )
    return rows["ours bfloat16"]["ratio"]


if __name__ == "__main__":
    sys.exit(main())
