"""The classes of diffusers' schedulers: what each knows, means where a key is missing, and which sampler is nearest. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diffusion_studio.diffusion import flow_config
from diffusion_studio.diffusion.flow_config import is_flow

Config = Mapping[str, Any]
CONSISTENCY = "CMStochasticIterativeScheduler"
LEARNED = ("learned", "learned_range")  # the network answers with the variance too, in as many channels again
VARIANCES = ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", *LEARNED)
TIMESTEP_SPACINGS = ("leading", "trailing", "linspace")
SIGMA_SPACINGS = {
    "use_karras_sigmas": "karras",
    "use_exponential_sigmas": "exponential",
    "use_beta_sigmas": "beta",
}
CLIPS = frozenset({"clip_sample", "clip_sample_range"})
THRESHOLDS = frozenset({"thresholding", "dynamic_thresholding_ratio", "sample_max_value"})
SPACES = frozenset({"timestep_spacing", "steps_offset"})
SHAPES = frozenset(SIGMA_SPACINGS)
FLOWS = frozenset({"use_flow_sigmas", "use_dynamic_shifting"})
ZERO_SNR = frozenset({"rescale_betas_zero_snr"})
ALWAYS = frozenset(
    "num_train_timesteps beta_start beta_end beta_schedule trained_betas prediction_type".split()
)
SMALL = {"beta_start": 0.00085, "beta_end": 0.012}
ENDS = frozenset({"final_sigmas_type"})
EXTREMES = frozenset({"sigma_min", "sigma_max"})
LOWERED_BELOW = 15  # steps, in which diffusers' multistep solvers take the last one of first order
LOWERED = {"lower_order_final": True, "solver_order": 2}
UNCLIPPED = {"lambda_min_clipped": -math.inf}


@dataclass(frozen=True, kw_only=True)
class SchedulerClass:
    """A class of diffusers' schedulers that works on alpha_bar and whole timesteps."""

    sampler: str  # ours that walks as it does, or is nearest
    steps: int = 50
    eta: float = 0.0
    keys: frozenset[str] = SPACES  # it knows besides those all of them know
    defaults: Config = field(default_factory=dict)  # where they are not DDPM's
    exact: Config | None = field(
        default_factory=dict
    )  # sampling keys with which `sampler` is its own; None: never
    spacing: str = ""  # whatever the file says
    # "open": n + 1 timesteps of which 0 is left out; "fractional": not rounded, Karras between them; "strided": T // n between
    # them; "distilled": of those that original_inference_steps visit
    levels: str = "whole"


_DDPM = SchedulerClass(sampler="ddpm", keys=SPACES | CLIPS | THRESHOLDS | ZERO_SNR | {"variance_type"})
_DDIM = SchedulerClass(sampler="ddim", keys=SPACES | CLIPS | THRESHOLDS | ZERO_SNR | {"set_alpha_to_one"})
_LINSPACE = {"timestep_spacing": "linspace"}
_MULTISTEP: dict[str, Any] = {
    "sampler": "dpmpp_2m",
    "steps": 20,
    "keys": SPACES | THRESHOLDS | SHAPES | FLOWS | ZERO_SNR | ENDS | {"variance_type"},
    "defaults": _LINSPACE,
    "levels": "open",
}
_EULER: dict[str, Any] = {
    "keys": SPACES | SHAPES | ZERO_SNR | ENDS | EXTREMES | {"timestep_type"},
    "defaults": _LINSPACE,
    "levels": "fractional",
}
_KARRAS: dict[str, Any] = {
    "keys": SPACES | SHAPES,
    "defaults": {**_LINSPACE, **SMALL},
    "levels": "fractional",
    "steps": 20,
}
_DISTILLED: dict[str, Any] = {
    "steps": 4,
    "keys": SPACES | CLIPS | THRESHOLDS | ZERO_SNR | {"original_inference_steps"},
    "defaults": {**SMALL, "beta_schedule": "scaled_linear", "clip_sample": False},
    "spacing": "trailing",
    "levels": "distilled",
}
FLOWS_CLASS: dict[str, Any] = {"keys": frozenset(flow_config.CONFIG_KEYS)}
CLASSES: Mapping[str, SchedulerClass] = {
    "DDPMScheduler": _DDPM,
    "DDPMParallelScheduler": _DDPM,
    "DDIMScheduler": _DDIM,
    "DDIMParallelScheduler": _DDIM,
    "DDIMInverseScheduler": SchedulerClass(sampler="ddim", keys=_DDIM.keys - THRESHOLDS, exact=None),
    "RePaintScheduler": SchedulerClass(sampler="ddpm", keys=frozenset({"clip_sample"}), exact=None),
    "PNDMScheduler": SchedulerClass(
        sampler="plms",
        keys=SPACES | {"set_alpha_to_one", "skip_prk_steps"},
        defaults={"set_alpha_to_one": False},
        exact={"prediction_type": "epsilon", "timestep_spacing": ("leading", "trailing")},
    ),
    "DPMSolverMultistepScheduler": SchedulerClass(
        **_MULTISTEP,
        exact={**LOWERED, **UNCLIPPED, "solver_type": "midpoint", "use_lu_lambdas": False},
    ),
    "DPMSolverMultistepInverseScheduler": SchedulerClass(**_MULTISTEP, exact=None),
    "DPMSolverSinglestepScheduler": SchedulerClass(
        **{**_MULTISTEP, "keys": THRESHOLDS | SHAPES | FLOWS | ENDS | {"variance_type"}}, exact=None
    ),
    "DPMSolverSDEScheduler": SchedulerClass(**_KARRAS, sampler="dpmpp_2m_sde", exact=None),
    "UniPCMultistepScheduler": SchedulerClass(
        **{**_MULTISTEP, "sampler": "unipc", "keys": (_MULTISTEP["keys"] | EXTREMES) - {"variance_type"}},
        exact={
            **LOWERED,
            "predict_x0": True,
            "solver_type": "bh2",
            "disable_corrector": [],
            "solver_p": None,
        },
    ),
    "DEISMultistepScheduler": SchedulerClass(**_MULTISTEP, exact=None),
    "SASolverScheduler": SchedulerClass(**{**_MULTISTEP, "sampler": "dpmpp_2m_sde"}, exact=None),
    "EulerDiscreteScheduler": SchedulerClass(sampler="ddim", **_EULER),
    "EulerAncestralDiscreteScheduler": SchedulerClass(
        sampler="euler_ancestral", **{**_EULER, "keys": SPACES | ZERO_SNR}
    ),
    "HeunDiscreteScheduler": SchedulerClass(
        sampler="heun",
        **{
            **_KARRAS,
            "keys": SPACES | SHAPES | CLIPS,
            "defaults": {**_KARRAS["defaults"], "clip_sample": False},
        },
    ),
    "KDPM2DiscreteScheduler": SchedulerClass(**_KARRAS, sampler="heun", exact=None),
    "KDPM2AncestralDiscreteScheduler": SchedulerClass(
        **{**_KARRAS, "steps": 50}, sampler="euler_ancestral", exact=None
    ),
    "LMSDiscreteScheduler": SchedulerClass(**{**_KARRAS, "defaults": _LINSPACE, "steps": 50}, sampler="lms"),
    "LCMScheduler": SchedulerClass(sampler="consistency", exact={"timestep_scaling": 10.0}, **_DISTILLED),
    CONSISTENCY: SchedulerClass(
        sampler="consistency",
        steps=2,
        keys=EXTREMES | {"sigma_data", "s_noise", "rho", "clip_denoised"},
        spacing="trailing",
        levels="strided",
    ),
    **{
        name: SchedulerClass(**FLOWS_CLASS, **flow_config.recommended({"_class_name": name}))
        for name in flow_config.SCHEDULERS
    },
    "TCDScheduler": SchedulerClass(sampler="ddim", eta=0.3, exact=None, **_DISTILLED),
}
NOT_OPENED = {  # by the beginnings of class names
    "EDM": "of an EDM model, which is given noise levels instead of timesteps and scales its input by them",
    "CosineDPM": "of an EDM model, which is given noise levels instead of timesteps and scales its input by them",
    "ScoreSdeVe": "of a variance-exploding score model (NCSN++), which is given noise levels instead of timesteps",
    "ScoreSdeVp": "of a score model in continuous time",
    "KarrasVe": "of a variance-exploding model (Karras et al. 2022), which is given noise levels instead of timesteps",
    "IPNDM": "of a model on a schedule of its own that no beta_schedule describes",
    "UnCLIP": "of an unCLIP model, a part of a text-to-image pipeline",
    "VQDiffusion": "of a model of discrete codes",
    "Amused": "of a model of discrete codes",
    "DDPMWuerstchen": "of a Würstchen model, which works on latents in continuous time",
    "CogVideoX": "of a video model with a shifted noise schedule",
    "ConsistencyDecoder": "of a decoder of latents",
    "SCM": "of a continuous-time consistency model",
    "Helios": "of a flow-matching video model",
    "LTX": "of a flow-matching video model",
}


def scheduler_class(config: Config) -> SchedulerClass:
    """The class a configuration names; DDPM's where it names none. Raises ValueError for one that is not opened."""
    name = str(config.get("_class_name") or "DDPMScheduler")
    if is_flow(config):
        return SchedulerClass(**FLOWS_CLASS, **flow_config.recommended(config))
    if name in CLASSES:
        return CLASSES[name]
    meaning = next((words for begin, words in NOT_OPENED.items() if name.startswith(begin)), "")
    shown = (
        f"{name[:60]}, the scheduler {meaning}"
        if meaning
        else f"the scheduler “{name[:60]}”, which is not known here"
    )
    raise ValueError(
        f"the model is sampled with {shown}. Models of discrete timesteps can be opened, those of "
        f"{', '.join(known.removesuffix('Scheduler') for known in CLASSES)}."
    )


def is_consistency(config: Config) -> bool:
    """Whether a scheduler_config.json is one of a consistency model."""
    return config.get("_class_name") == CONSISTENCY
