"""What a diffusers scheduler_config.json says of a model: whether its class can be opened, and the settings it means.

Its class decides which of its keys count and what is meant where one is missing; keys of other classes, which diffusers
ignores, are ignored here too. Nothing the file says is silently replaced by a default: it is done, refused, or remarked on.
No torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from diffusion_studio.diffusion import flow_config
from diffusion_studio.diffusion.flow_config import is_flow
from diffusion_studio.diffusion.names import PREDICTIONS, SAMPLERS
from diffusion_studio.diffusion.scheduler_classes import (
    ALWAYS,
    CLASSES,
    FLOWS,
    LEARNED,
    LOWERED_BELOW,
    SHAPES,
    SIGMA_SPACINGS,
    TIMESTEP_SPACINGS,
    VARIANCES,
    ZERO_SNR,
    Config,
    is_consistency,
    scheduler_class,
)


def prediction_from_config(config: Config) -> str:
    """What a model with this scheduler_config.json predicts."""
    if is_consistency(config):
        return "consistency"
    return flow_config.PREDICTION if is_flow(config) else str(config.get("prediction_type") or "epsilon")


def value(config: Config, key: str, otherwise: Any = None) -> Any:
    """What `key` is for the configuration's class: what is written, its default, or `otherwise` where it does not know it."""
    kind = scheduler_class(config)
    if key not in kind.keys | ALWAYS and "_class_name" in config:
        return kind.defaults.get(key, otherwise)
    written = config.get(key)
    return kind.defaults.get(key, otherwise) if written is None else written


def check_config(config: Config) -> None:
    """Raises ValueError naming the first key whose value is not allowed, or means what cannot be done here."""
    if is_flow(config):
        flow_config.check_config(config)
        return
    kind = scheduler_class(config)
    counted = {key: config[key] for key in kind.keys | ALWAYS if config.get(key) is not None}
    whole = {
        "num_train_timesteps": (2, 100_000),
        "steps_offset": (0, 1000),
        "original_inference_steps": (1, 100_000),
    }
    for name, (least, most) in whole.items():
        given = counted.get(name, least)
        if type(given) is not int or not least <= given <= most:
            raise ValueError(f"{name} must be a whole number from {least} to {most}, not {str(given)[:40]}.")
    for name in POSITIVE:
        given = counted.get(name, 1.0)
        if type(given) not in (int, float) or not 0 < given < 1e6:
            raise ValueError(f"{name} must be a number above 0, not {str(given)[:40]}.")
    ratio = counted.get("dynamic_thresholding_ratio", 1.0)
    if type(ratio) not in (int, float) or not 0 < ratio <= 1:
        raise ValueError(f"dynamic_thresholding_ratio must be a number from 0 to 1, not {str(ratio)[:40]}.")
    for name in sorted((SHAPES | FLOWS | ZERO_SNR | SWITCHES) & set(counted)):
        if not isinstance(counted[name], bool):
            raise ValueError(f"{name} must be true or false, not {str(counted[name])[:40]}.")
    betas = counted.get("trained_betas")
    if betas is not None and not (isinstance(betas, list) and all(type(b) in (int, float) for b in betas)):
        raise ValueError("trained_betas must be a list of numbers.")
    for name, allowed in _CHOICES.items():
        given = counted.get(name, allowed[0])
        if given not in allowed:
            raise ValueError(f"{name} {str(given)[:40]!r} is not supported; allowed: {', '.join(allowed)}.")
    for name in sorted(FLOWS & set(counted)):
        if counted[name]:
            raise ValueError(f"{name} is true, so this is a flow-matching model, which cannot be opened.")
    both = [name for name in SIGMA_SPACINGS if counted.get(name)]
    if len(both) > 1:
        raise ValueError(f"{' and '.join(both)} cannot both be true.")


POSITIVE = (
    "beta_start beta_end clip_sample_range sample_max_value sigma_min sigma_max sigma_data s_noise rho"
).split()
SWITCHES = frozenset("clip_sample thresholding set_alpha_to_one skip_prk_steps clip_denoised".split())
_CHOICES = {
    "final_sigmas_type": ("zero", "sigma_min"),
    "prediction_type": tuple(PREDICTIONS),
    "variance_type": VARIANCES,
    "timestep_spacing": TIMESTEP_SPACINGS,
    "timestep_type": ("discrete",),
}


def spacing(config: Config) -> str:
    """The name of the spacing it is drawn with."""
    chosen = next((name for key, name in SIGMA_SPACINGS.items() if value(config, key, False)), None)
    return scheduler_class(config).spacing or chosen or str(value(config, "timestep_spacing", "leading"))


def clipping(config: Config) -> str:
    """The name of the clipping it is drawn with: a class that knows none draws without."""
    if value(config, "thresholding", False):
        return "dynamic"
    if is_consistency(config):
        return "range" if value(config, "clip_denoised", True) else "none"
    clips = "clip_sample" in scheduler_class(config).keys
    return "range" if value(config, "clip_sample", clips) else "none"


def clip_range(config: Config) -> float:
    """The largest magnitude of the predicted clean picture."""
    return float(value(config, "clip_sample_range", 1.0))


def threshold(config: Config) -> tuple[float, float]:
    """(quantile, largest threshold) of dynamic thresholding; those of Imagen where it does not threshold by itself."""
    if not value(config, "thresholding", False):
        return 0.995, math.inf
    return (
        float(value(config, "dynamic_thresholding_ratio", 0.995)),
        max(1.0, float(value(config, "sample_max_value", 1.0))),
    )


def large_variance(config: Config) -> bool:
    """Whether DDPM's fresh noise has the variance beta instead of the posterior's."""
    return str(value(config, "variance_type", "")).startswith("fixed_large")


def ends_above_zero(config: Config) -> bool:
    """Whether the last step leads to the noise level of timestep 0 and not to none (set_alpha_to_one, final_sigmas_type)."""
    return not value(config, "set_alpha_to_one", True) or value(config, "final_sigmas_type") == "sigma_min"


def learned_variance(config: Config) -> str:
    """How the network says the variance of DDPM's fresh noise, one of `LEARNED`; "" where it does not."""
    kind = str(value(config, "variance_type", ""))
    return kind if kind in LEARNED and scheduler_class(config).sampler == "ddpm" else ""


def sampler_options(config: Config, steps: int) -> dict[str, dict[str, Any]]:
    """By sampler, what its class makes of it in so many steps, besides what the user chooses."""
    return {
        "ddpm": {"large_variance": large_variance(config)},
        "plms": {"runge_kutta": not value(config, "skip_prk_steps", True)},
        "consistency": {
            "floor": float(value(config, "sigma_min", 0.002)) if is_consistency(config) else 0.0,
            "noise_scale": float(value(config, "s_noise", 1.0)),
        },
        **{name: {"lowered": steps < LOWERED_BELOW} for name in ("dpmpp_2m", "dpmpp_2m_sde")},
    }


def rounding(config: Config, spacing: str) -> Callable[[float], float] | None:
    """How the network is given a timestep between two whole ones; None: as it is.

    diffusers' multistep solvers round those of Karras' noise levels, and cut off those of other levels.
    """
    if scheduler_class(config).levels != "open" or spacing not in SIGMA_SPACINGS.values():
        return None
    cosine = config.get("_class_name") == "DPMSolverMultistepScheduler" and (
        config.get("beta_schedule") == "squaredcos_cap_v2"
    )
    return round if spacing == "karras" and not cosine else math.floor


def recipe(config: Config) -> dict[str, Any]:
    """Sampler, steps and eta of its class, or of what is nearest to it here."""
    kind = scheduler_class(config)
    sampler = kind.sampler
    if is_flow(config) and config.get("stochastic_sampling"):
        return {"sampler": "consistency", "steps": 4}
    if sampler == "dpmpp_2m" and str(config.get("algorithm_type", "")).startswith("sde"):
        sampler = "dpmpp_2m_sde"
    return {"sampler": sampler, "steps": kind.steps, **({"eta": kind.eta} if sampler == "ddim" else {})}


def remarks(config: Config) -> Iterator[str]:
    """A sentence for each thing it says, or leaves out, that is drawn otherwise here or had to be assumed."""
    if "_class_name" not in config:
        yield "scheduler_config.json names no class of scheduler; DDPMScheduler is assumed."
        return
    name, kind = str(config["_class_name"]), scheduler_class(config)
    own = SAMPLERS[recipe(config)["sampler"]]
    if kind.exact is None:
        yield f"{name} is not one of the samplers here; {own} is the nearest and the default."
    else:
        wanted = {**kind.exact, **_algorithm(name)}
        others = [key for key in wanted if _differs(config.get(key), wanted[key])]
        if others:
            said = ", ".join(f"{key} {str(config[key])[:40]}" for key in others)
            yield f"{name} with {said} is not one of the samplers here; {own} is the nearest and the default."
    unknown = [
        key
        for key in config
        if key not in KNOWN_KEYS and not key.startswith("_") and config[key] not in (None, False)
    ]
    if unknown:
        listed = ", ".join(f"“{key[:40]}”" for key in unknown[:5]) + ("…" if len(unknown) > 5 else "")
        yield f"scheduler_config.json says {listed}, which is not known here and has no effect; an export keeps it."


def _algorithm(name: str) -> dict[str, Any]:
    return (
        {"algorithm_type": ("dpmsolver++", "sde-dpmsolver++")}
        if name == "DPMSolverMultistepScheduler"
        else {}
    )


def _differs(given: object, wanted: object) -> bool:
    if given is None:
        return False
    if isinstance(wanted, tuple):
        return given not in wanted
    if wanted == -math.inf:  # written as a number, or by older versions as a text
        return str(given).lower() not in ("-inf", "-infinity")
    return bool(given != wanted)


KNOWN_KEYS = frozenset(
    key for kind in CLASSES.values() for key in (*kind.keys, *kind.defaults, *(kind.exact or {}))
) | frozenset(flow_config.CONFIG_KEYS) | ALWAYS | frozenset(
    "algorithm_type solver_order solver_type lower_order_final euler_at_final skip_prk_steps flow_shift interpolation_type "
    "timestep_scaling original_inference_steps eta noise_sampler_seed predictor_order corrector_order tau_func "
    "time_shift_type set_alpha_to_one shift_terminal use_lu_lambdas final_sigmas_type sigma_min sigma_max".split()
)  # fmt: skip
