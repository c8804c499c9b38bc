"""The fastest way this machine has to run a trained network, chosen for each shape by timing and then kept.

On a CPU the network packed for oneDNN (`engine_network`) competes with the plain module; elsewhere two layouts of the latter do,
on CUDA each also recorded as a graph. In runs of few steps, one image of a small network is computed on one thread of the
processor, unless all of them are much faster (`FastNetwork.briefly`).
"""

from __future__ import annotations

import copy
import hashlib
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor

from diffusion_studio.diffusion.packed.network import Engine
from diffusion_studio.diffusion.packed.recorded import Recorded
from diffusion_studio.diffusion.packed.threads import settled_workers
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_blocks import LONGEST_EXPLICIT_ATTENTION, TimestepEmbedding

Forward = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]
Remember = Callable[..., Any]  # (key) -> what is kept under it, or None; (key, value) keeps the value

SEVERAL = 4  # pictures: packed for so many, a network is as fast for 2 or 16, and up to 30% faster than packed for one
BUDGET = 0.6  # seconds, about, to choose the way of a new shape, once on a machine
ROUNDS, FEW = 7, 4  # in turns, on the whole batch; with fewer than FEW a time is mostly noise
# What another way must take of the first one's time to be chosen: measured well, or in a few rounds only
GAIN, GAIN_OF_FEW = 0.97, 0.85
# Images, and seconds they take on one thread at most, for which one thread may do: the threads of one such forward wait for each
# other between hundreds of short operations, ten times as long as they work where something else runs too (measured). All are
# worth it from this share of the one thread's time on.
FOR_ONE, SHORT, WORTH_ALL = 2, 0.05, 0.6
CLOCK = (
    time.perf_counter if sys.platform == "win32" else time.thread_time
)  # Windows counts the latter by 16 ms
HOPELESS = 1.3  # times slower than another, a way is not looked at any more
# How far the packed network may be off; a wrong operation is off by far more.
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.1}


def build(
    network: UNet, *, dtype: torch.dtype, device: torch.device | str, remember: Remember | None = None
) -> FastNetwork:
    """The network, whose weights must not change afterwards, as a function to sample with.

    `remember` keeps what the timing chose beyond the process: the same seed then gives the same bits every time.
    """
    device = torch.device(device)
    if network.training:
        network = copy.deepcopy(network).eval()
    engine = packed(network, dtype) if device.type == "cpu" else None
    ways: dict[str, Callable[[], Forward]] = {}
    if engine is not None:
        both = Packed(network, engine)
        ways["packed"] = lambda: both
        ways["packed, written-out attention"] = lambda: partial(both, explicit=LONGEST_EXPLICIT_ATTENTION)
    ways["plain"] = partial(Plain, network, dtype, device, torch.contiguous_format)
    if device.type != "mps":
        ways["plain, channels last"] = partial(Plain, network, dtype, device, torch.channels_last)
    if device.type == "cuda":
        for name in ("plain", "plain, channels last"):
            ways[f"{name}, recorded"] = partial(_recorded, ways[name])
    architecture = hashlib.sha256(repr(network.config).encode()).hexdigest()[:12]
    return FastNetwork(ways, f"{architecture} {dtype} on {device.type}", remember)


def _recorded(way: Callable[[], Forward]) -> Forward:
    return Recorded(way())


class FastNetwork:
    """network(x (N, C, H, W), timestep (N,) or scalar, labels (N,) or None) -> prediction; x and prediction float32.

    Called from several threads it runs one at a time. Raises what the network raises for a wrong shape or label.
    """

    def __init__(
        self, ways: Mapping[str, Callable[[], Forward]], name: str, remember: Remember | None = None
    ) -> None:
        self.ways, self.name, self.remember = ways, name, remember
        self.chosen: dict[tuple[int, tuple[int, ...]], str] = {}  # by threads and shape
        self.made: dict[str, Forward] = {}
        self.alone: dict[tuple[int, ...], bool] = {}  # whether a shape is computed on one thread
        self.worker: ThreadPoolExecutor | None = None  # ends with the network
        self.lock = threading.Lock()

    def __call__(self, x: Tensor, timestep: Tensor, labels: Tensor | None = None) -> Tensor:
        timestep = timestep.float().expand(len(x)).contiguous()
        with self.lock:
            return self.answer(x, timestep, labels)

    def briefly(self, x: Tensor, timestep: Tensor, labels: Tensor | None = None) -> Tensor:
        """The prediction for x (N, C, H, W) in a run of few steps, beside a window that paints each of its images: on one thread
        where that is about as fast. Bits differ between numbers of threads, so a run has to ask in one of the two ways alone.
        """
        timestep = timestep.float().expand(len(x)).contiguous()
        answer = partial(self.answer, x, timestep, labels)
        with self.lock:
            return self.on_one_thread(answer) if self.is_alone(x, timestep, labels) else answer()

    def answer(self, x: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
        """The prediction for x (N, C, H, W), by the way that is fastest with the threads of the caller."""
        known = torch.get_num_threads(), tuple(x.shape)
        if known not in self.chosen:
            self.chosen[known] = self.recall(known[1]) or self.choose(x, timestep, labels)
        return self.way(self.chosen[known])(x, timestep, labels)

    def on_one_thread(self, run: Callable[[], Tensor]) -> Tensor:
        """run() -> (N, C, H, W), computed with one thread of the processor; what it raises is raised here."""
        self.worker = self.worker or settled_workers(1, 1, "one-thread")
        return self.worker.submit(run).result()

    def is_alone(self, x: Tensor, timestep: Tensor, labels: Tensor | None) -> bool:
        """Whether x (N, C, H, W) is computed on one thread: the same every time, for that changes the last bits."""
        shape = tuple(x.shape)
        if x.device.type != "cpu" or len(x) > FOR_ONE or torch.get_num_threads() == 1:
            return False
        if shape not in self.alone:
            key = f"threads {self.key(shape)}"
            known = self.remember(key) if self.remember else None
            if known not in ("one", "all"):
                known = self.threads_for(x, timestep, labels)
                if self.remember:
                    self.remember(key, known)
            self.alone[shape] = known == "one"
        return self.alone[shape]

    def threads_for(self, x: Tensor, timestep: Tensor, labels: Tensor | None) -> str:
        """What is faster for x (N, C, H, W), "one" or "all". What one thread needs is its processor time, whatever else runs."""
        first, worked = partial(self.way(next(iter(self.ways))), x, timestep, labels), []

        def alone() -> Tensor:
            begun = CLOCK()
            answer = first()
            worked.append(CLOCK() - begun)
            return answer

        calls = {"one": partial(self.on_one_thread, alone), "all": first}
        times = measure(calls, time.perf_counter() + BUDGET / 2)
        worth = "all" in times and min(times["all"]) < WORTH_ALL * min(worked)
        return "all" if worth or min(worked) > SHORT else "one"

    def way(self, name: str) -> Forward:
        """The forward of this name, made when it is first needed."""
        if name not in self.made:
            self.made[name] = self.ways[name]()
        return self.made[name]

    @property
    def records(self) -> bool:
        """Whether a forward of some shape is recorded."""
        return any(isinstance(way, Recorded) for way in self.made.values())

    def unrecorded(self, shape: tuple[int, ...]) -> Forward | None:
        """The forward whose recording was found fastest for x of this shape; None where none was, or it is not known yet."""
        way = self.made.get(self.chosen.get((torch.get_num_threads(), shape), ""))
        return way.forward if isinstance(way, Recorded) else None

    def recall(self, shape: tuple[int, ...]) -> str | None:
        """The name that an earlier process found fastest for this shape; None where that is not known."""
        known = self.remember(self.key(shape)) if self.remember else None
        return known if known in self.ways else None

    def choose(self, x: Tensor, timestep: Tensor, labels: Tensor | None) -> str:
        """The name of the fastest for x (N, C, H, W), timed on it and remembered."""

        def run(name: str, count: int) -> None:
            self.way(name)(x[:count], timestep[:count], None if labels is None else labels[:count])
            if x.is_cuda:
                torch.cuda.synchronize()

        name = choose(list(self.ways), run, len(x))
        self.made = {kept: way for kept, way in self.made.items() if kept in {name, *self.chosen.values()}}
        if self.remember:
            self.remember(self.key(tuple(x.shape)), name)
        return name

    def key(self, shape: tuple[int, ...]) -> str:
        """Under which the choice is remembered: what its speed depends on."""
        sizes = "x".join(map(str, shape))
        return f"fastest way {self.name} {sizes} {torch.get_num_threads()} threads torch {torch.__version__}"


def choose(names: list[str], run: Callable[[str, int], None], count: int, budget: float = BUDGET) -> str:
    """The fastest name by run(name, pictures), on ever larger parts of a batch of `count` until only one is near the best.

    Parts of the batch only sort out what is hopeless; the whole batch is timed in `ROUNDS` turns, as far as `budget` allows.
    """
    if len(names) < 2:
        return names[0]
    first, deadline = names[0], time.perf_counter() + budget
    part = min(2, count)  # one image says little about several
    while True:
        rounds = ROUNDS if part == count else 2
        times = measure({name: partial(run, name, part) for name in names}, deadline, rounds)
        best = fastest(times, first)
        least = min(map(min, times.values()))
        names = [name for name in times if min(times[name]) <= HOPELESS * least]
        if len(names) < 2 or part == count or time.perf_counter() > deadline:
            return best
        part = min(2 * part, count)


def fastest(times: Mapping[str, list[float]], first: str) -> str:
    """The name with the least time, unless its gain over `first` may be noise.

    The least of several times is what a call takes where nothing else runs; that other work did not spoil all of one way's
    turns shows in the medians, which must agree.
    """
    best = min(times, key=lambda name: min(times[name]))
    if best == first or first not in times:
        return best
    few = min(len(times[best]), len(times[first])) < FEW
    gains = min(times[best]) < (GAIN_OF_FEW if few else GAIN) * min(times[first])
    return best if gains and (few or median(times[best]) < median(times[first])) else first


def measure(
    calls: Mapping[str, Callable[[], object]], deadline: float, rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Seconds of each call, in turns; those not begun with before the deadline are missing.

    The first call is slow, since oneDNN makes its kernels then: it counts only where there is no time for another.
    """
    times: dict[str, list[float]] = {}
    for name, call in calls.items():
        if times and time.perf_counter() > deadline:
            break
        times[name] = [_time(call)]
    least = min(map(min, times.values()))
    near = [name for name in times if min(times[name]) <= 5 * least]
    for turn in range(rounds):
        for name in (
            near[turn % len(near) :] + near[: turn % len(near)]
        ):  # nobody always runs after the same one
            if time.perf_counter() > deadline:
                return times
            seconds = _time(calls[name])
            times[name] = [*times[name], seconds] if turn else [seconds]
        least = min(map(min, times.values()))
        near = [name for name in near if min(times[name]) <= HOPELESS * least]
        if len(near) < 2:
            break
    return times


def _time(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


class Packed:
    """The network packed for one picture, and for several once they are asked for: oneDNN likes another order for them."""

    def __init__(self, network: UNet, one: Engine) -> None:
        self.network, self.one = network, one
        self.several: Engine | None = None

    def __call__(self, x: Tensor, timestep: Tensor, labels: Tensor | None, explicit: int = 0) -> Tensor:
        if len(x) == 1:
            return self.one(x, timestep, labels, explicit)
        self.several = self.several or packed(self.network, self.one.dtype, SEVERAL) or self.one
        return self.several(x, timestep, labels, explicit)


def packed(network: UNet, dtype: torch.dtype, count: int = 1) -> Engine | None:
    """The network packed for oneDNN, or None where this torch, CPU or architecture does not give the right answer with it."""
    if (
        dtype not in TOLERANCES
        or not torch.backends.mkldnn.is_available()
        or network.config.padding != "zeros"
    ):
        return None
    try:
        engine = Engine(network, dtype, count)
        return engine if difference(engine, network) < TOLERANCES[dtype] else None
    except Exception:  # operations private to torch may vanish or change: then the plain module is there
        return None


def difference(engine: Forward, network: UNet) -> float:
    """Largest relative distance of the engine's answers from the network's, for one picture and for two unlike ones."""
    config, random = network.config, torch.Generator().manual_seed(0)
    side = 2 * config.smallest_factor
    x = torch.randn(2, config.channels, side, side, generator=random)
    timestep = torch.tensor([1.0, (config.num_train_timesteps or 1000) / 2])
    labels = None
    if isinstance(network.class_embedding, torch.nn.Embedding):
        labels = torch.arange(2) % network.class_embedding.num_embeddings
    elif isinstance(network.class_embedding, TimestepEmbedding):
        labels = timestep
    elif network.class_embedding is not None:
        labels = torch.randn(2, network.time_embedding.linear_2.out_features, generator=random)
    largest = 0.0
    plain = Plain(network, torch.float32, torch.device("cpu"), torch.contiguous_format)
    for count in (1, 2):
        batch = x[:count], timestep[:count], None if labels is None else labels[:count]
        right, answer = plain(*batch), engine(*batch)
        largest = max(largest, float((answer - right).norm() / right.norm().clamp(min=1e-9)))
    return largest


class Plain:
    """The module as it is, copied in a dtype and a memory layout."""

    def __init__(
        self, network: UNet, dtype: torch.dtype, device: torch.device, memory_format: torch.memory_format
    ) -> None:
        weight = network.conv_in.weight
        self.network, self.dtype, self.memory_format = network, dtype, memory_format
        if (weight.dtype, weight.device, memory_format) != (dtype, device, torch.contiguous_format):
            self.network = copy.deepcopy(network).to(device, dtype)
            self.network.to(memory_format=memory_format)  # type: ignore[call-overload]

    def __call__(self, x: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
        with torch.inference_mode():
            prediction = self.network(x.to(self.dtype, memory_format=self.memory_format), timestep, labels)
        return prediction.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
