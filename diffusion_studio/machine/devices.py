"""What this machine can do: which device, which precision is truly faster here. Measured once, remembered in the cache folder."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import suppress
from functools import cache
from typing import Any

import psutil
import torch

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.machine import garbage
from diffusion_studio.machine.preferred import preferred
from diffusion_studio.storage import own_files
from diffusion_studio.storage.places import cache_dir

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
WORTH_IT = 1.1  # how much faster the shorter format must be to be chosen by itself


def choose_device(name: str) -> str:
    """ "auto" is the best there is; a device that is not there is a `UserError`, never silently another."""
    there = available_devices()
    if name == "auto":
        return preferred.device if preferred.device in there else there[0]
    if name not in there:
        raise UserError(
            tr(
                "Device “{name}” is not available here; available: {there}.",
                name=name,
                there=", ".join(there),
            )
        )
    return name


def available_devices() -> list[str]:
    """The best first."""
    found = ["cuda"] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_precision(name: str, device: str) -> str:
    """ "auto" is bfloat16 where it was measured to be faster on this machine, else float32."""
    if name == "auto" and not (preferred.precision == "float16" and device == "cpu"):
        name = preferred.precision
    if name != "auto":
        if name == "float16" and device == "cpu":
            raise UserError(tr("float16 runs on GPUs only; on the CPU choose float32 or bfloat16."))
        return name
    key = f"precision {device} {machine(device)}"
    choice = remember(key)
    if choice not in DTYPES:
        speeds = measure_precision(device)
        faster = speeds.get("bfloat16", float("inf")) * WORTH_IT < speeds["float32"]
        choice = remember(key, "bfloat16" if faster else "float32")
    return str(choice)


def measure_precision(device: str) -> dict[str, float]:
    """Milliseconds of a small stack of convolutions in float32 and, where it runs, bfloat16; about a quarter of a second.

    On the CPU of one thread, by the time it is really given: beside other work two threads wait for each other, in whichever
    format, and what was measured then would be remembered for good.
    """
    speeds = {}
    threads = torch.get_num_threads()
    try:
        if device == "cpu":
            torch.set_num_threads(1)
        for name in ("float32", "bfloat16"):
            with suppress(RuntimeError, NotImplementedError):
                speeds[name] = _time_convolutions(device, DTYPES[name])
    finally:
        torch.set_num_threads(threads)
    return speeds


@torch.no_grad()
def _time_convolutions(device: str, dtype: torch.dtype) -> float:
    layers = torch.nn.Sequential(*(torch.nn.Conv2d(64, 64, 3, padding=1) for _ in range(4))).to(device, dtype)
    x = torch.zeros(4, 64, 32, 32, device=device, dtype=dtype)
    clock = time.thread_time if device == "cpu" and sys.platform != "win32" else time.perf_counter
    times = []
    for _ in range(8):
        begun = clock()
        layers(x).float().sum().item()
        times.append(clock() - begun)
    return min(times[2:]) * 1000


def machine(device: str = "cpu") -> str:
    """A name for this hardware and torch, under which measurements are remembered."""
    chip = torch.cuda.get_device_name() if device == "cuda" else cpu_name()  # a Mac's GPU goes with its CPU
    return f"{chip} {torch.get_num_threads()} threads torch {torch.__version__}"


@cache
def cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            facts = dict(line.split(":", 1) for line in file if ":" in line)
        model = {key.strip(): value.strip() for key, value in facts.items()}
        if "model name" in model:
            return f"{model['model name']} ({model.get('model', '?')})"
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def remember(key: str, value: object = None) -> Any:
    """The value remembered under `key`; given one, remembers it. A lost or broken cache only means measuring again."""
    path = cache_dir() / "speed.json"
    if value is None:
        return own_files.read(path).get(key)
    with suppress(OSError, UserError):  # a cache that cannot be written is no reason to fail
        own_files.change(path, lambda known: {**known, key: value})
    return value


def describe_threads() -> str:
    return f"{torch.get_num_threads()} of {os.cpu_count()} threads"


def explain_fault(error: BaseException, device: str) -> str | None:
    """A sentence for a device that ran out of memory or failed; None where the error is about something else."""
    text = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "memory" in text.lower():
        where = "memory" if device == "cpu" else f"memory on the device “{device}”"
        return tr(
            "There is not enough {where} for this; choose a smaller width and height, fewer images at once, a shorter "
            "precision, a smaller model or another device.",
            where=where,
        )
    if device != "cpu" and any(word in text for word in ("CUDA", "cuDNN", "CUBLAS", "MPS", "HIP")):
        return f"The device “{device}” failed; choose the CPU, or start the application again."
    return None


def free_bytes(device: str) -> int:
    """What is free now of the memory that a device computes in; a Mac's GPU shares the processor's."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    return int(psutil.virtual_memory().available)


def free_memory() -> None:
    """Give what nobody holds any more back to the device."""
    garbage.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
