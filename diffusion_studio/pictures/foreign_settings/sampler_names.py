"""The names other programs give samplers and noise schedules, and which of ours they are."""

from __future__ import annotations

import re

# Theirs, without case, "k_" before and spaces, dashes and underscores -> ours. Euler is DDIM without fresh noise: in sigma
# both are the same step (Karras et al. 2022, app. C).
SAMPLERS = {
    "dpm++2m": "dpmpp_2m",
    "dpmpp2m": "dpmpp_2m",
    "dpmsolver++": "dpmpp_2m",
    "dpmsolvermultistep": "dpmpp_2m",
    "dpmsolvermultistepscheduler": "dpmpp_2m",
    "dpm++2msde": "dpmpp_2m_sde",
    "dpmpp2msde": "dpmpp_2m_sde",
    "dpmpp2msdegpu": "dpmpp_2m_sde",
    "unipc": "unipc",
    "unipcmultistepscheduler": "unipc",
    "ddim": "ddim",
    "ddimscheduler": "ddim",
    "euler": "ddim",
    "eulerdiscretescheduler": "ddim",
    "ddpm": "ddpm",
    "ddpmscheduler": "ddpm",
    "eulera": "euler_ancestral",
    "eulerancestral": "euler_ancestral",
    "eulerancestraldiscretescheduler": "euler_ancestral",
    "heun": "heun",
    "heundiscretescheduler": "heun",
    "lms": "lms",
    "lmsdiscretescheduler": "lms",
    "plms": "plms",
    "pndm": "plms",
    "pndmscheduler": "plms",
    "consistency": "consistency",
    "lcm": "consistency",
    "lcmscheduler": "consistency",
}
# "beta" of other programs is over timesteps; diffusers', over sigma, has a name of its own here.
SPACINGS = {
    "karras": "karras",
    "exponential": "exponential",
    "beta": "beta_timesteps",
    "betasigmas": "beta",
    "simple": "trailing",
    "trailing": "trailing",
    "sgmuniform": "trailing",
    "normal": "linspace",
    "uniform": "linspace",
    "linspace": "linspace",
    "ddim": "leading",
    "ddimuniform": "leading",
    "leading": "leading",
    "quadratic": "quadratic",
}
# A schedule at the end of a sampler's name: "DPM++ 2M Karras", "dpmpp_2m_k" of InvokeAI, "DPM++ 2M Trailing" of Draw Things.
ENDINGS = re.compile(r"(?<=\w)[ _](karras|exponential|beta|trailing|sgm[ _]uniform|k)$", re.IGNORECASE)
AUTOMATIC = ("", "automatic", "native", "default")  # the program chose, and does not say what

# How ours are called in the line of parameters, so that others find what they know.
SCHEDULE_NAMES = {
    "trailing": "Simple",
    "leading": "DDIM",
    "linspace": "Uniform",
    "quadratic": "Quadratic",
    "karras": "Karras",
    "exponential": "Exponential",
    "beta": "Beta sigmas",
    "beta_timesteps": "Beta",
}


def our_sampler(name: str) -> str:
    """Our name of another program's sampler, "" where there is none here."""
    return SAMPLERS.get(_plain(name), "")


def our_spacing(name: str) -> str:
    """Our name of another program's schedule of noise levels, "" where there is none here."""
    return SPACINGS.get(_plain(name), "")


def divided(sampler: str, schedule: str) -> tuple[str, str]:
    """Sampler and schedule apart, where the name of the first holds the second."""
    ending = ENDINGS.search(sampler)
    if ending is None:
        return sampler, schedule
    word = "karras" if ending[1].lower() == "k" else ending[1]
    return sampler[: ending.start()], schedule if schedule.casefold() not in AUTOMATIC else word


def says_nothing(schedule: str) -> bool:
    return schedule.casefold() in AUTOMATIC


def _plain(name: str) -> str:
    name = name.casefold().strip()
    return re.sub(r"[ _\-]", "", name.removeprefix("k_").removeprefix("sample_"))
