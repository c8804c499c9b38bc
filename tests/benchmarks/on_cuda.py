"""Everything on a graphics card in one table, in at most four minutes: forward, whole run, training step and live images,
against diffusers eager and compiled.

    python tests/benchmarks/on_cuda.py [--device cuda] [--minutes 4] [--no-compile]

One process, in turns, medians of wall time with the device waited for at both ends. What no time is left for is said, not left
out silently. `--device cpu` runs the same on the processor, to see that it runs at all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from peers import diffusers_network, quiet_diffusers, reference_network

from diffusion_studio.diffusion.packed.engine import Plain, build
from diffusion_studio.diffusion.schedules import SCHEDULES
from diffusion_studio.generation.model import ImageModel
from diffusion_studio.generation.trajectory import Trajectory
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.step.new_network import fresh_network
from diffusion_studio.training.step.trainer import Trainer

Ways = dict[str, Callable[[], object]]
SHAPES = ((32, 1), (32, 16), (64, 1), (64, 16))
COMPILING = 45.0  # seconds that compiling may take of the whole, about


class Clock:
    def __init__(self, device: str, seconds: float) -> None:
        self.device, self.end = device, time.perf_counter() + seconds

    @property
    def left(self) -> float:
        return self.end - time.perf_counter()

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def compare(self, title: str, ways: Ways, seconds: float) -> None:
        """Print the medians of the ways, in turns; the first is what the others are compared to."""
        if self.left < 5:
            print(f"\n{title}: no time left")
            return
        for name in list(ways):
            try:
                for _ in range(3):
                    ways[name]()
                self.wait()
            except Exception as error:
                print(f"  {name}: {type(error).__name__}: {str(error)[:160]}")
                del ways[name]
        times: dict[str, list[float]] = {name: [] for name in ways}
        end = time.perf_counter() + min(seconds, self.left)
        while time.perf_counter() < end or min(map(len, times.values()), default=3) < 3:
            for name, way in ways.items():
                begun = time.perf_counter()
                way()
                self.wait()
                times[name].append(time.perf_counter() - begun)
        print(f"\n{title}")
        first = next(iter(times.values()), [1.0])
        for name, taken in times.items():
            middle = statistics.median(taken)
            ratio = statistics.median(first) / middle
            print(f"  {name:44}{1000 * middle:10.2f} ms  ({ratio:.2f})  of {len(taken)}", flush=True)


def compiled(network: torch.nn.Module) -> torch.nn.Module:
    return torch.compile(network, mode="reduce-overhead")  # type: ignore[return-value]  # with CUDA graphs of its own


def forwards(clock: Clock, device: str, compile_too: bool) -> None:
    network, short = reference_network(), torch.bfloat16
    theirs = diffusers_network(network).to(device)
    theirs_short = diffusers_network(network).to(device, short).to(memory_format=torch.channels_last)
    swift = compiled(theirs_short) if compile_too else None
    ours = build(network, dtype=short, device=device)
    exact = build(network, dtype=torch.float32, device=device)
    plain = Plain(network, short, torch.device(device), torch.contiguous_format)
    for size, count in SHAPES:
        x = torch.randn(count, 3, size, size, device=device)
        t = torch.full((count,), 500.0, device=device)
        narrow = x.to(short, memory_format=torch.channels_last)
        ways: Ways = {
            "diffusers float32, eager": lambda x=x, t=t: theirs(x, t).sample,
            "diffusers bfloat16 channels last, eager": lambda x=narrow, t=t: theirs_short(x, t).sample,
        }
        if swift is not None and clock.left > 2 * COMPILING:
            ways["diffusers bfloat16 channels last, compiled"] = lambda x=narrow, t=t: swift(x, t).sample
        ways |= {
            "ours float32": lambda x=x, t=t: exact(x, t, None),
            "ours plain bfloat16": lambda x=x, t=t: plain(x, t, None),
            "ours bfloat16": lambda x=x, t=t: ours(x, t, None),
        }
        with torch.inference_mode():
            clock.compare(f"Forward, {count} × {size} px", ways, 4)
            if ways:
                right, answer = theirs(x, t).sample, ours(x, t, None)
                error = float((answer - right).norm() / right.norm())
                print(f"  way chosen: {ours.chosen[tuple(x.shape)]}; relative error {error:.0e}")


def model_of(folder: Path, device: str, precision: str, *, fast: bool) -> ImageModel:
    from diffusion_studio.generation.opening import open_model
    from diffusion_studio.models.cards import read_card
    from diffusion_studio.models.folder import write_model

    place = folder / ("student" if fast else "model")
    if not place.exists():
        own = {"recommended": {"sampler": "consistency", "steps": 1}} if fast else {}
        card = {"title": place.name, **own}
        write_model(
            place, reference_network(), SCHEDULES["cosine"](1000), prediction="v_prediction", card=card
        )
    return open_model(read_card(place), device=device, precision=precision)


def autocast(device: str, pipeline: Callable[..., object], count: int) -> object:
    with torch.autocast(device, torch.bfloat16):
        return pipeline(batch_size=count, num_inference_steps=50, output_type="np")


def runs(clock: Clock, device: str, folder: Path) -> None:
    diffusers = quiet_diffusers()
    model = model_of(folder, device, "bfloat16", fast=False)
    for count in (1, 16):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler = diffusers.DDIMScheduler(
                beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", timestep_spacing="trailing"
            )
            network = diffusers_network(reference_network())
            pipeline = diffusers.DDIMPipeline(network, scheduler).to(device)
        pipeline.set_progress_bar_config(disable=True)
        asked = GenerationSettings(sampler="ddim", steps=50, seed=0, count=count)

        def ours(own: GenerationSettings, recorded: bool = False) -> object:
            *_, last = model.previews(own, trajectory=Trajectory() if recorded else None)
            return last.result

        ways: Ways = {
            "DDIMPipeline float32, 50 steps": lambda pipeline=pipeline, count=count: pipeline(
                batch_size=count, num_inference_steps=50, output_type="np"
            ),
            "DDIMPipeline, bfloat16 autocast, 50 steps": lambda pipeline=pipeline, count=count: autocast(
                device, pipeline, count
            ),
            "ours, 50 steps": lambda asked=asked: ours(asked),
            "ours, 50 steps, every step kept": lambda asked=asked: ours(asked, True),
            "ours, 10 steps of DPM++ 2M": lambda asked=asked: ours(
                replace(asked, sampler="dpmpp_2m", steps=10)
            ),
        }
        clock.compare(f"Whole run, {count} × 32 px", ways, 12)


def live(clock: Clock, device: str, folder: Path) -> None:
    model = model_of(folder, device, "bfloat16", fast=True)
    asked = GenerationSettings(sampler="consistency", steps=1, seed=0)
    numbers = iter(range(10**9))

    def frame(steps: int) -> object:
        *_, last = model.previews(replace(asked, steps=steps, seed=next(numbers)))
        return last.result

    ways: Ways = {
        f"{steps} step, image on the processor": lambda steps=steps: frame(steps) for steps in (1, 2, 4)
    }
    clock.compare("Live, 1 × 32 px", ways, 4)


def training(clock: Clock, device: str) -> None:
    diffusers = quiet_diffusers()
    batch, config = 64, reference_network().config
    images = np.random.default_rng(0).integers(0, 256, (512, 3, 32, 32), dtype=np.uint8)
    pictures = Pictures(images, np.zeros(512, np.int64), (), [str(k) for k in range(512)])
    settings = TrainingSettings(size=32, batch=batch, seed=0, optimizer="adamw")  # the peers'

    def theirs(short: bool) -> Callable[[], object]:
        network = diffusers_network(fresh_network(config, 0)).to(device).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=4e-4)
        scheduler = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
        clean = torch.rand(batch, 3, 32, 32, device=device) * 2 - 1

        def step() -> float:
            noise, steps = torch.randn_like(clean), torch.randint(1000, (batch,), device=device)
            with torch.autocast(device, torch.bfloat16, enabled=short):
                answer = network(scheduler.add_noise(clean, noise, steps), steps).sample
            loss = torch.nn.functional.mse_loss(answer.float(), scheduler.get_velocity(clean, noise, steps))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            return loss.item()

        return step

    trainers = {
        precision: Trainer(
            settings, pictures, device=device, precision=precision, network=fresh_network(config, 0)
        )
        for precision in ("float32", "bfloat16")
    }
    ways: Ways = {
        "diffusers float32": theirs(False),
        "diffusers bfloat16 autocast": theirs(True),
        **{
            f"ours {precision}": lambda trainer=trainer: trainer.step(0.0)
            for precision, trainer in trainers.items()
        },
    }
    clock.compare(f"Training step, {batch} × 32 px, optimizer and averages included", ways, 15)
    for trainer in trainers.values():
        trainer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--no-compile", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit(
            "There is no CUDA device here; nothing was measured. --device cpu runs the same code without one."
        )
    clock = Clock(options.device, 60 * options.minutes - 10)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIFFUSION_STUDIO_HOME"] = folder
        live(clock, options.device, Path(folder))
        runs(clock, options.device, Path(folder))
        training(clock, options.device)
        forwards(clock, options.device, not options.no_compile)
    if options.device == "cuda":
        print(f"\nmost memory: {torch.cuda.max_memory_allocated() / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
