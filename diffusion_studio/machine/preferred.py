"""What “Automatic” means on this computer, where the user has chosen: asked before anything is measured. Loads no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(slots=True)
class Preferred:
    device: str = "auto"
    precision: str = "auto"


preferred = Preferred()


def prefer(device: str = "auto", precision: str = "auto") -> None:
    """Let “Automatic” be this device, where it is there, and this precision, where the device has it."""
    preferred.device, preferred.precision = device, precision


def limit_threads(count: int) -> None:
    """Have torch use so many threads on the CPU; 0: as many as it thinks best. Only before torch is loaded."""
    if count > 0:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(count)
