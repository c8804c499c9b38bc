"""What a diffusers scheduler_config.json says of a flow: whether it is one, what of it is supported, its shift, its steps.

Plain Python, so that a model's card can be read without numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

PREDICTION = "flow_prediction"  # as diffusers' solvers call it beside use_flow_sigmas
SCHEDULERS = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
LARGEST_SHIFT = 1000.0
SPACING_KEYS = {
    "use_karras_sigmas": "karras",
    "use_exponential_sigmas": "exponential",
    "use_beta_sigmas": "beta",
}
SAMPLER_OF = {
    "FlowMatchHeunDiscreteScheduler": "heun",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "UniPCMultistepScheduler": "unipc",
}
CONFIG_KEYS = (
    "num_train_timesteps shift use_dynamic_shifting base_shift max_shift base_image_seq_len max_image_seq_len "
    "shift_terminal use_karras_sigmas use_exponential_sigmas use_beta_sigmas time_shift_type stochastic_sampling"
).split()


def is_flow(config: Mapping[str, Any]) -> bool:
    """Whether a scheduler_config.json is one of a flow."""
    return bool(
        str(config.get("_class_name", "")).startswith("FlowMatch")
        or config.get("use_flow_sigmas")
        or config.get("prediction_type") == PREDICTION
    )


def check_config(config: Mapping[str, Any]) -> None:
    """Raises ValueError naming the first key of a flow's scheduler_config.json that is not supported, and what is allowed."""
    name = str(config.get("_class_name", SCHEDULERS[0]))
    if name.startswith("FlowMatch") and name not in SCHEDULERS:
        raise ValueError(
            f"the model is sampled with {name[:60]}, which is not supported; of flows, {' and '.join(SCHEDULERS)} are."
        )
    if not name.startswith("FlowMatch"):
        if not config.get("use_flow_sigmas"):
            raise ValueError(f"prediction_type {PREDICTION} needs use_flow_sigmas: true.")
        if config.get("prediction_type", "epsilon") != PREDICTION:
            raise ValueError(
                f"use_flow_sigmas needs the prediction_type {PREDICTION}, not {str(config.get('prediction_type'))[:40]}."
            )
    if config.get("invert_sigmas"):
        raise ValueError("invert_sigmas is not supported: noise must be at t = 1 and the image at t = 0.")
    shifts = ("shift", "flow_shift", "base_shift", "max_shift")
    counts = ("num_train_timesteps", "base_image_seq_len", "max_image_seq_len")
    for key in shifts:
        _check_number(config, key, 0, LARGEST_SHIFT)
    for key in counts:
        value = config.get(key, 2)
        if type(value) is not int or not 2 <= value <= 1_000_000:
            raise ValueError(f"{key} must be a whole number from 2 to 1000000, not {str(value)[:40]}.")
    if config.get("shift_terminal"):
        _check_number(config, "shift_terminal", 0, 0.99)
    if config.get("base_image_seq_len", 256) == config.get("max_image_seq_len", 4096):
        raise ValueError("base_image_seq_len and max_image_seq_len must differ.")
    both = [key for key in SPACING_KEYS if config.get(key)]
    if len(both) > 1:
        raise ValueError(f"{' and '.join(both)} cannot both be true.")
    kind = config.get("time_shift_type", "exponential")
    if kind not in ("exponential", "linear"):
        raise ValueError(f"time_shift_type must be exponential or linear, not {str(kind)[:40]!r}.")


def _check_number(config: Mapping[str, Any], key: str, low: float, high: float) -> None:
    value = config.get(key)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value <= high:
        raise ValueError(f"{key} must be a number above {low:g} and at most {high:g}, not {str(value)[:40]}.")


def dynamic_shift(config: Mapping[str, Any], tokens: int) -> float:
    """The shift for a picture of so many tokens (Black Forest Labs' FLUX): mu rises in a straight line with their number.

    s = e^mu for time_shift_type "exponential", mu for "linear".
    """
    base, most = float(config.get("base_shift", 0.5)), float(config.get("max_shift", 1.15))
    few, many = int(config.get("base_image_seq_len", 256)), int(config.get("max_image_seq_len", 4096))
    mu = base + (most - base) * (tokens - few) / (many - few)
    linear = config.get("time_shift_type", "exponential") == "linear"
    return min(max(mu if linear else math.exp(min(mu, 50.0)), 1e-3), LARGEST_SHIFT)


def recommended(config: Mapping[str, Any]) -> dict[str, Any]:
    """Sampler, steps and spacing with which a flow generates as its scheduler of diffusers does."""
    name = str(config.get("_class_name", ""))
    usual = "linspace" if name.startswith("FlowMatch") else "trailing"
    spacing = next((kind for key, kind in SPACING_KEYS.items() if config.get(key)), usual)
    return {"sampler": SAMPLER_OF.get(name, "ddim"), "steps": 28, "spacing": spacing}
