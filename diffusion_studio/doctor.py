"""What a bug report needs: versions, devices, precision, folders, and whether Qt works here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable
from functools import partial

from diffusion_studio import __version__
from diffusion_studio.storage import places
from diffusion_studio.storage.log import log_file, tail

PACKAGES = ("torch", "PySide6-Essentials", "pillow", "numpy", "safetensors", "platformdirs")


def text() -> str:
    """The report as aligned lines."""
    rows = report()
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def report() -> list[tuple[str, str]]:
    """(what, value) line by line. An error in one line is its value, and never hides the others."""
    rows = [
        ("Diffusion Studio", __version__),
        ("Python", f"{platform.python_version()} ({sys.executable})"),
        ("System", platform.platform()),
        *((name, _value(partial(importlib.metadata.version, name))) for name in PACKAGES),
        ("Processor", _value(_processor)),
        ("Memory", _value(_memory)),
        ("Threads", _value(_threads)),
    ]
    devices = _devices()
    rows += [(f"Device {name}", value) for name, value in devices.items()]
    rows += [
        (f"Precision on {name}", _value(partial(_precision, name))) for name in devices if name != "none"
    ]
    rows += [(f"Folder of {name}", str(place())) for name, place in PLACES.items()]
    rows += [("Log", _value(_log)), ("Models", _value(_models)), ("Qt", _value(_qt))]
    return rows


def with_log() -> str:
    """The report and the end of the log, for a bug report."""
    ending = tail(places.log_dir())
    return f"{text()}\n\n{ending}" if ending else text()


PLACES: dict[str, Callable[[], object]] = {
    "settings": places.config_dir,
    "data": places.data_dir,
    "models": places.models_dir,
    "LoRAs": places.loras_dir,
    "sprites": places.sprites_dir,
    "runs": places.runs_dir,
    "images": places.outputs_dir,
    "cache": places.cache_dir,
    "logs": places.log_dir,
}


def _value(find: Callable[[], str]) -> str:
    try:
        return find()
    except Exception as error:  # a broken installation is what the report is for
        return f"unknown: {type(error).__name__}: {error}"


def _processor() -> str:
    from diffusion_studio.machine.devices import cpu_name

    return f"{cpu_name()}, {os.cpu_count()} cores"


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    return f"{memory.total / 1e9:.1f} GB, {memory.available / 1e9:.1f} GB free"


def _threads() -> str:
    from diffusion_studio.machine.devices import describe_threads

    return describe_threads()


def _devices() -> dict[str, str]:
    """What torch can compute on, by name."""
    try:
        import torch

        from diffusion_studio.machine.devices import available_devices

        found = {"cpu": "the processor"}
        for name in available_devices():
            if name == "cuda":
                facts = torch.cuda.get_device_properties(0)
                found[name] = (
                    f"{facts.name}, {facts.total_memory / 1e9:.1f} GB, driver for CUDA {torch.version.cuda}"
                )
            elif name == "mps":
                found[name] = "Apple's GPU"
        return found
    except Exception as error:
        return {"none": f"torch does not work here: {type(error).__name__}: {error}"}


def _precision(device: str) -> str:
    """Which number formats run, in milliseconds, and which one “auto” takes."""
    from diffusion_studio.machine.devices import choose_precision, measure_precision

    speeds = ", ".join(f"{name} {time:.2f} ms" for name, time in measure_precision(device).items())
    return f"{speeds}; auto takes {choose_precision('auto', device)}"


def _log() -> str:
    path = log_file(places.log_dir())
    return f"{path}, {path.stat().st_size:,} bytes" if path.is_file() else f"{path}, nothing logged yet"


def _models() -> str:
    from diffusion_studio.models.cards import installed

    cards = installed()
    starters = sum(card.starter for card in cards)
    return f"{len(cards)} installed, {starters} of them included with the app"


def _qt() -> str:
    from diffusion_studio.machine.display import has_display
    from diffusion_studio.machine.qt_check import check

    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    if has_display():
        place = f"display {display}" if display else "the desktop"
    else:
        place = f"display {display} does not respond" if display else "no display"
    return f"{place}; {check().sentence}"
