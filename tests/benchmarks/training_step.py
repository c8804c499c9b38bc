"""The training step against diffusers' UNet2DModel and lucidrains' Unet, in float32 and under bfloat16 autocast, interleaved in
one process.

    python tests/benchmarks/training_step.py [--size 32] [--batch 32] [--rounds 10] [--threads N]

The same pictures and batch; with diffusers the same architecture and weights, with lucidrains (left out where it is not
installed, see peers.py) as many parameters. Every side has its optimizer step and gradient clipping. Ours also has what a real
run has: loss weights, finite checks and the moving average. Wall time counts on a quiet machine; on a
busy one compare the processor time, which leaves out waiting for others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from diffusion_studio.machine import malloc

malloc.keep()  # before torch starts a thread; all sides have the good of it

import numpy as np  # noqa: E402
import torch  # noqa: E402

from diffusion_studio.settings.training import TrainingSettings  # noqa: E402
from diffusion_studio.training.images import Pictures  # noqa: E402
from diffusion_studio.training.step.architectures import shape_for  # noqa: E402
from diffusion_studio.training.step.new_network import fresh_network  # noqa: E402
from diffusion_studio.training.step.trainer import Trainer  # noqa: E402
from tests.benchmarks.peers import lucidrains_network  # noqa: E402

CLASSES = ("a", "b", "c", "d")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--model-size", default="small")
    parser.add_argument("--skip", nargs="*", default=[], help="ways to leave out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ways = {name: way for name, way in ways_of(options).items() if name not in options.skip}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for index in range(options.rounds + 1):
        for name, step in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            step()
            if index:  # the first warms up
                times[name].append((time.perf_counter() - wall, time.process_time() - processor))
    report(times, options)


def ways_of(options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    config = shape_for(options.size, options.model_size, len(CLASSES))
    return {
        "diffusers float32": diffusers_step(config, options, autocast=False),
        "diffusers bfloat16 autocast": diffusers_step(config, options, autocast=True),
        **lucidrains_steps(config, options),
        "ours float32": our_step(config, options, "float32"),
        "ours bfloat16": our_step(config, options, "bfloat16"),
    }


def our_step(config, options: argparse.Namespace, precision: str) -> Callable[[], object]:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (256, 3, options.size, options.size), dtype=np.uint8)
    pictures = Pictures(images, np.arange(256) % len(CLASSES), CLASSES, [])
    settings = TrainingSettings(
        size=options.size, batch=options.batch, seed=0, model_size=options.model_size, optimizer="adamw"
    )  # the peers' optimizer
    trainer = Trainer(settings, pictures, device="cpu", precision=precision, network=fresh_network(config, 0))
    return lambda: trainer.step(0.0)


def diffusers_step(config, options: argparse.Namespace, *, autocast: bool) -> Callable[[], object]:
    """The loop of diffusers' own unconditional training example, without accelerate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import DDPMScheduler, UNet2DModel
    values = {name: value for name, value in config.to_dict().items() if not name.startswith("_")}
    network = UNet2DModel(**values)
    network.load_state_dict(fresh_network(config, 0).state_dict())
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    labels = torch.arange(options.batch) % len(CLASSES)

    def predict(noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return network(noisy, timesteps, class_labels=labels).sample

    return plain_step(network, predict, scheduler, options, autocast)


def lucidrains_steps(config, options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """Its Unet in the same loop; without classes, which it does not know."""
    from diffusers import DDPMScheduler

    parameters = sum(weight.numel() for weight in fresh_network(config, 0).parameters())
    steps = {}
    for name, autocast in (("float32", False), ("bfloat16 autocast", True)):
        network = lucidrains_network(parameters)
        if network is not None:
            scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
            steps[f"lucidrains {name}"] = plain_step(network.train(), network, scheduler, options, autocast)
    return steps


def plain_step(
    network: torch.nn.Module, predict: Callable, scheduler, options: argparse.Namespace, autocast: bool
) -> Callable[[], object]:
    """One step as everybody writes it."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-4)
    clean = torch.rand(options.batch, 3, options.size, options.size) * 2 - 1

    def step() -> float:
        noise = torch.randn_like(clean)
        timesteps = torch.randint(1000, (options.batch,))
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            prediction = predict(scheduler.add_noise(clean, noise, timesteps), timesteps)
        target = scheduler.get_velocity(clean, noise, timesteps)
        loss = torch.nn.functional.mse_loss(prediction.float(), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def report(times: dict[str, list[tuple[float, float]]], options: argparse.Namespace) -> None:
    ours = times["ours bfloat16"]
    rows = {}
    for name, pairs in times.items():
        wall, processor = ([pair[k] for pair in pairs] for k in (0, 1))
        rows[name] = {
            "wall_ms": round(1000 * statistics.median(wall)),
            "fastest_wall_ms": round(1000 * min(wall)),
            "processor_ms": round(1000 * statistics.median(processor)),
            "pictures_per_second": round(options.batch / statistics.median(wall), 1),
            "ours_is_faster_by": round(
                statistics.median(wall) / statistics.median(pair[0] for pair in ours), 2
            ),
            "at_their_fastest_by": round(min(wall) / min(pair[0] for pair in ours), 2),
            "ours_needs_less_processor_by": round(
                statistics.median(processor) / statistics.median(pair[1] for pair in ours), 2
            ),
        }
    if options.json:
        print(
            json.dumps(
                {"threads": options.threads, "batch": options.batch, "size": options.size, "ways": rows}
            )
        )
        return
    print(
        f"{options.batch} pictures of {options.size} pixels, {options.threads} threads, median of {options.rounds} rounds"
    )
    for name, row in rows.items():
        print(f"{name:28}" + "".join(f"  {key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
