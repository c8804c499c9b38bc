"""One forward of the U-Net with the same weights: diffusers, ours as plain modules, ours as the app runs it.

    python tests/benchmarks/forward.py [--quick] [--threads N] [--sizes 32 64] [--batches 1 4 16] [--json]

All ways in one process and in turns, medians; in brackets how many times faster than diffusers in float32. The last column
is the relative distance of the answers from diffusers' in float32. Only a quiet machine gives numbers worth keeping.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from peers import diffusers_network, lucidrains_network, reference_network
from torch import Tensor

from diffusion_studio.diffusion.packed.engine import FastNetwork, Plain, build

FIRST = "diffusers float32"
Way = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="batch 1 and 4 at 32 pixels, a few rounds")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=15, help="for each size and batch")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.batches, options.seconds = [32], [1, 4], 1.5
    torch.set_num_threads(options.threads)
    ways = all_ways()
    print(
        f"{options.threads} threads, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )
    for size in options.sizes:
        for count in options.batches:
            show(size, count, compare(ways, size, count, options.seconds), options.json)


def all_ways() -> dict[str, Way]:
    network = reference_network()
    short, cpu = torch.bfloat16, torch.device("cpu")
    ways = {
        FIRST: diffusers_way(network, torch.float32, torch.contiguous_format),
        "diffusers bfloat16, channels last": diffusers_way(network, short, torch.channels_last),
        "ours plain float32": Plain(network, torch.float32, cpu, torch.contiguous_format),
        "ours plain bfloat16": Plain(network, short, cpu, torch.contiguous_format),
        "ours plain bfloat16, channels last": Plain(network, short, cpu, torch.channels_last),
        "ours engine float32": build(network, dtype=torch.float32, device=cpu),
        "ours engine bfloat16": build(network, dtype=short, device=cpu),
    }
    theirs = lucidrains_network(sum(parameter.numel() for parameter in network.parameters()))
    if theirs is not None:
        ways["lucidrains float32, as many parameters"] = torch.no_grad()(
            lambda x, t, labels=None: theirs(x, t)
        )
    return ways


def diffusers_way(network, dtype: torch.dtype, layout: torch.memory_format) -> Way:
    twin = diffusers_network(network).to(dtype).to(memory_format=layout)

    @torch.no_grad()
    def run(x: Tensor, timestep: Tensor, labels: None = None) -> Tensor:
        return twin(x.to(dtype, memory_format=layout), timestep).sample.float()

    return run


def compare(ways: dict[str, Way], size: int, count: int, seconds: float) -> dict[str, dict]:
    generator = torch.Generator().manual_seed(1)
    x, timestep = torch.randn(count, 3, size, size, generator=generator), torch.full((count,), 500.0)
    answers = {name: way(x, timestep, None) for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds or len(times[FIRST]) < 3:
        for name, way in ways.items():
            before = time.perf_counter()
            way(x, timestep, None)
            times[name].append(time.perf_counter() - before)
    right, slowest = answers[FIRST], statistics.median(times[FIRST])
    rows = {}
    for name, way in ways.items():
        median = statistics.median(times[name])
        rows[name] = {"ms": round(1000 * median, 2), "ratio": round(slowest / median, 2)}
        if not name.startswith("lucidrains"):  # whose weights are others
            rows[name]["error"] = float((answers[name] - right).norm() / right.norm())
        if isinstance(way, FastNetwork):
            rows[name]["way"] = way.chosen[tuple(x.shape)]
    return rows


def show(size: int, count: int, rows: dict[str, dict], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"size": size, "batch": count, "ways": rows}), flush=True)
        return
    print(f"\n{count} x {size} pixels")
    for name, row in rows.items():
        error = f"{row['error']:8.0e}" if "error" in row else " " * 8
        print(
            f"  {name:40}{row['ms']:9.1f} ms  ({row['ratio']:.2f}){error}  {row.get('way', '')}", flush=True
        )


if __name__ == "__main__":
    main()
