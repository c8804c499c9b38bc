"""The process of a model, whichever it is: how noise and picture mix at a noise level, and what the network is given there.

A `Process` is a variance-preserving `NoiseSchedule`, a `Flow`, or a `ConsistencyProcess`. Everything above asks only what is in
the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from diffusion_studio.diffusion.consistency import ConsistencyProcess
from diffusion_studio.diffusion.flow_config import is_flow
from diffusion_studio.diffusion.flows import Flow
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.scheduler_classes import is_consistency
from diffusion_studio.diffusion.schedules import SCHEDULES, NoiseSchedule

PROCESSES: dict[str, Callable[[int], Process]] = {**SCHEDULES, "flow": Flow}  # T -> process


def process_from_config(config: Mapping[str, Any]) -> Process:
    """The process a diffusers scheduler_config.json describes. Raises ValueError saying what in it is not supported."""
    if is_consistency(config):
        return ConsistencyProcess.from_config(config)
    return Flow.from_config(config) if is_flow(config) else NoiseSchedule.from_config(config)
