"""How long an image as good as diffusers' takes: a model made fast, against DDIMPipeline and DDPMPipeline of its teacher.

    python tests/benchmarks/time_to_quality.py FAST OUT/learn OUT/held-out [--count 300] [--steps 1 2 4 8] [--ddpm 1]

FAST is an installed model of pixels that was made fast. DDIMPipeline with 50 steps and DDPMPipeline with 1,000 take the very
weights of its teacher, in float32, and are told the class of each image, which they cannot be. All make one image at a time, in
turns, and medians are taken; DDPM, which takes longest, makes `--ddpm` of them. Quality is of `--count` images of each of the
others (measures.py says which two packages that needs); of DDPM it is taken to be no worse than of DDIM.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[2] / "packaging" / "starter"))

import numpy as np
import torch
from measures import Judge, generate, read
from peers import quiet_diffusers

from diffusion_studio.generation.opening import open_model
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.pictures.channels import on_white

AT_ONCE = 25  # images of a batch that is judged and not timed
Run = Callable[[int], object]  # seed -> an image


class Pipeline:
    """DDIMPipeline or DDPMPipeline with the weights of a model of ours."""

    def __init__(self, kind: str, card: ModelCard, steps: int) -> None:
        diffusers = quiet_diffusers()
        unet = (
            diffusers.UNet2DModel.from_pretrained(card.path / "unet", low_cpu_mem_usage=False).float().eval()
        )
        scheduler = getattr(diffusers, f"{kind}Scheduler").from_pretrained(card.path / "scheduler")
        self.pipeline = getattr(diffusers, f"{kind}Pipeline")(unet, scheduler)
        self.pipeline.set_progress_bar_config(disable=True)
        self.steps, self.rows = steps, torch.zeros(1, dtype=torch.long)
        plain, classes = unet.forward, card.class_count
        if classes:
            unet.forward = lambda *args, **values: plain(*args, **{**values, "class_labels": self.rows})

    def __call__(self, seeds: range, rows: torch.Tensor) -> np.ndarray:
        """(N, 3, H, W) uint8, one for each seed and class."""
        self.rows = rows
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        images = self.pipeline(
            batch_size=len(seeds), generator=generators, num_inference_steps=self.steps, output_type="np"
        ).images
        return (images * 255).round().astype(np.uint8).transpose(0, 3, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fast", help="the installed model that was made fast")
    parser.add_argument("learned", type=Path, help="the folder it was trained on")
    parser.add_argument("held_out", type=Path, help="images of the same kind that it never saw")
    parser.add_argument("--count", type=int, default=300, help="images judged for each way; 0: only time")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4, 8], help="of the fast model")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ddpm", type=int, default=1, help="images timed of DDPM; 0: leave it out")
    options = parser.parse_args()
    fast = cards.find(options.fast)
    teacher = cards.find(str(fast.trained.get("teacher", "")))
    if teacher.autoencoder is not None or teacher.network.space != "pixels" or teacher.channels != 3:
        sys.exit(f"{teacher.title} is none of RGB pixels, which the pipelines generate.")
    print(
        f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}; {fast.title}, taught by {teacher.title}"
    )
    ddim, ddpm = Pipeline("DDIM", teacher, 50), Pipeline("DDPM", teacher, 1000)
    ours = our_runs(fast, teacher, options.steps)
    one = torch.zeros(1, dtype=torch.long)
    runs: dict[str, Run] = {"DDIMPipeline, 50 steps": lambda seed: ddim(range(seed, seed + 1), one), **ours}
    seconds = timed(runs, options.rounds)
    if options.ddpm:
        slow = {"DDPMPipeline, 1,000 steps": lambda seed: ddpm(range(seed, seed + 1), one)}
        seconds |= timed(slow, options.ddpm, warm=False)
    reference = seconds["DDIMPipeline, 50 steps"]
    longest = seconds.get("DDPMPipeline, 1,000 steps", float("nan"))
    for name, taken in seconds.items():
        print(
            f"{name:28} {1000 * taken:9.1f} ms   DDIM's 50: {reference / taken:6.1f} times"
            f"   DDPM's 1,000: {longest / taken:7.1f} times",
            flush=True,
        )
    if options.count:
        judge = Judge(read(options.learned, fast.size), read(options.held_out, fast.size))
        print(f"{'DDIMPipeline, 50 steps':28} {judge(*drawn(ddim, teacher, options.count))}", flush=True)
        model = open_model(fast)
        for steps in options.steps:
            quality = judge(*generate(model, replace(fast.defaults(), steps=steps), options.count))
            print(f"{words(fast, steps):28} {quality}", flush=True)


def words(card: ModelCard, steps: int) -> str:
    return f"{card.title}, {steps} step{'s' * (steps > 1)}"


def our_runs(fast: ModelCard, teacher: ModelCard, counts: list[int]) -> dict[str, Run]:
    """The fast model in so many steps, and its teacher as its card recommends it."""

    def run(card: ModelCard, steps: int) -> Run:
        model, settings = open_model(card), replace(card.defaults(), steps=steps)

        def of_seed(seed: int) -> object:
            *_, last = model.previews(replace(settings, seed=seed))
            return on_white(last.result)

        return of_seed

    recommended = teacher.defaults().steps
    return {
        **{words(fast, steps): run(fast, steps) for steps in counts},
        words(teacher, recommended): run(teacher, recommended),
    }


def timed(runs: dict[str, Run], rounds: int, *, warm: bool = True) -> dict[str, float]:
    """Median seconds of an image, in turns; the first of each is not counted where it warms up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + warm):
        for name, run in runs.items():
            begun = time.perf_counter()
            run(turn)
            times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(taken[warm:]) for name, taken in times.items()}


def drawn(pipeline: Pipeline, card: ModelCard, count: int) -> tuple[np.ndarray, torch.Tensor]:
    """(count, 3, H, W) uint8 and the class of each, in turn."""
    rows = torch.arange(count) % max(len(card.classes), 1)
    parts = [
        pipeline(range(start, min(start + AT_ONCE, count)), rows[start : start + AT_ONCE])
        for start in range(0, count, AT_ONCE)
    ]
    return np.concatenate(parts), rows


if __name__ == "__main__":
    main()
