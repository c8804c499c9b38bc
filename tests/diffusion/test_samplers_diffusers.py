"""Samplers against those of diffusers, in float64."""

import inspect
import math
import types
import warnings

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.schedules import SCHEDULES, SPACINGS
from tests.diffusion.sampler_cases import SHAPE, STEPS, T, network, ours


class Double(types.ModuleType):
    """torch, but float32 is float64: for the schedulers that cast to float32 inside their step."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@pytest.fixture(scope="module")
def diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("diffusers")


@pytest.fixture
def scheduler(diffusers, monkeypatch):
    """scheduler(class, schedule, levels, **config): diffusers' own, over our alpha_bar, timesteps and sigmas in float64."""

    def build(kind, schedule, sigmas, **config):
        config = {"num_train_timesteps": T, "timestep_spacing": "trailing", **config}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            theirs = getattr(diffusers, kind)(**config)
            theirs.alphas_cumprod = torch.tensor(schedule.alpha_bar)
            theirs.set_timesteps(len(sigmas) - 1)
        monkeypatch.setattr(inspect.getmodule(type(theirs)), "torch", Double("torch"))
        timesteps = torch.tensor([schedule.timestep(sigma) for sigma in sigmas[:-1]], dtype=torch.float64)
        levels = torch.tensor(sigmas, dtype=torch.float64)
        if kind == "HeunDiscreteScheduler":  # visits every inner level twice
            timesteps = torch.cat([timesteps[:1], timesteps[1:].repeat_interleave(2)])
            levels = torch.cat([levels[:1], levels[1:-1].repeat_interleave(2), levels[-1:]])
        else:
            assert torch.allclose(timesteps, theirs.timesteps.double(), atol=1e-6)
        if hasattr(theirs, "sigmas"):
            theirs.sigmas, theirs.timesteps = levels, timesteps
        if kind in (
            "DDIMScheduler",
            "DDPMScheduler",
            "UniPCMultistepScheduler",
            "DPMSolverMultistepScheduler",
        ):
            theirs.timesteps = timesteps.round().long()
        return theirs

    return build


def theirs(scheduler, prediction, clip_here=False, **step_options):
    """The loop of a pipeline. `clip_here`: for schedulers that can not clip, x̂0 is clipped in what the network answers."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    exploding = "Euler" in type(scheduler).__name__ or "Heun" in type(scheduler).__name__
    if exploding:
        x = x * math.sqrt(1 + float(scheduler.sigmas[0]) ** 2)
    if "generator" in inspect.signature(scheduler.step).parameters:
        step_options["generator"] = generator
    for t in scheduler.timesteps:
        x_t = scheduler.scale_model_input(x, t)
        answer = network(x_t, float(np.float32(t)))
        if clip_here:
            sigma = float(scheduler.sigmas[scheduler.step_index])
            clean = (x - sigma * answer) if prediction == "epsilon" else _clean_from_v(x, sigma, answer)
            clean = clean.clamp(-1, 1)
            epsilon = (x - clean) / sigma
            answer = epsilon if prediction == "epsilon" else _v_from(clean, epsilon, sigma)
        x = scheduler.step(answer, t, x, **step_options).prev_sample
    return x


def _clean_from_v(x, sigma, v):
    a = 1 / (1 + sigma**2)
    return a * x - math.sqrt(1 - a) * v


def _v_from(clean, epsilon, sigma):
    a = 1 / (1 + sigma**2)
    return math.sqrt(a) * epsilon - math.sqrt(1 - a) * clean


AGREEMENT = {  # name: (ours, our options, theirs, its options, options of its step)
    "ddim": ("ddim", {}, "DDIMScheduler", {}, {"use_clipped_model_output": True}),
    "ddim eta 0.5": (
        "ddim",
        {"eta": 0.5},
        "DDIMScheduler",
        {},
        {"use_clipped_model_output": True, "eta": 0.5},
    ),
    "ddim eta 1": ("ddim", {"eta": 1.0}, "DDIMScheduler", {}, {"use_clipped_model_output": True, "eta": 1.0}),
    "ddpm": ("ddpm", {}, "DDPMScheduler", {"variance_type": "fixed_small"}, {}),
    "2M": ("dpmpp_2m", {}, "DPMSolverMultistepScheduler", {"final_sigmas_type": "zero"}, {}),
    "2M SDE": (
        "dpmpp_2m_sde",
        {},
        "DPMSolverMultistepScheduler",
        {"final_sigmas_type": "zero", "algorithm_type": "sde-dpmsolver++"},
        {},
    ),
    "UniPC": (
        "unipc",
        {},
        "UniPCMultistepScheduler",
        {"final_sigmas_type": "zero", "solver_type": "bh2"},
        {},
    ),
    "Euler ancestral": ("euler_ancestral", {}, "EulerAncestralDiscreteScheduler", {}, {}),
    "Heun": ("heun", {}, "HeunDiscreteScheduler", {}, {}),
}


@pytest.mark.parametrize("n", STEPS)
@pytest.mark.parametrize("clip", [True, False], ids=["clipped", "unclipped"])
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("case", AGREEMENT)
def test_pictures_are_diffusers_within_1e_9(scheduler, case, prediction, schedule, clip, n):
    """The whole walk, with the same noise, over trailing levels (Heun: Karras' levels).

    Made comparable by: alpha_bar, sigmas and timesteps in float64, and `torch.float32` read as float64 in the scheduler's
    module, for those that cast; DDIM with `use_clipped_model_output=True`; the multistep solvers of order 2 ("midpoint",
    "bh2") with `final_sigmas_type="zero"`, clipped by `thresholding` with `sample_max_value=1`; Euler ancestral, which can
    not clip, given a network's answer whose x̂0 is clipped. DDPM's variance is at least 1e-20 in diffusers: 3e-10 in x.
    """
    name, options, kind, config, step_options = AGREEMENT[case]
    schedule = SCHEDULES[schedule](T)
    sigmas = SPACINGS["karras" if name == "heun" else "trailing"](schedule, n)
    clipping = {"prediction_type": prediction}
    if kind in ("DDIMScheduler", "DDPMScheduler", "HeunDiscreteScheduler"):
        clipping["clip_sample"] = clip
    elif clip and "Multistep" in kind:
        clipping |= {"thresholding": True, "sample_max_value": 1.0}
    reference = theirs(
        scheduler(kind, schedule, sigmas, **config, **clipping),
        prediction,
        clip_here=clip and "Ancestral" in kind,
        **step_options,
    )
    mine = ours(name, schedule, sigmas, prediction, clip, options)
    assert mine.dtype == reference.dtype == torch.float64
    assert float((mine - reference).abs().max()) < 1e-9


@pytest.mark.parametrize(
    ("case", "spacing"),
    [("ddim", "leading"), ("ddpm", "leading"), ("ddpm", "linspace"), ("ddim eta 1", "leading")],
)
def test_ddim_and_ddpm_are_diffusers_over_other_levels(scheduler, case, spacing):
    """Not DDIM over linspace: diffusers walks each step to t - T // n there, which is not the next timestep."""
    schedule = SCHEDULES["linear"](T)
    sigmas = SPACINGS[spacing](schedule, 25)
    name, options, kind, config, step_options = AGREEMENT[case]
    reference = scheduler(kind, schedule, sigmas, timestep_spacing=spacing, **config)
    mine = ours(name, schedule, sigmas, "epsilon", True, options)
    assert float((mine - theirs(reference, "epsilon", **step_options)).abs().max()) < 1e-9


def test_ddpm_with_large_variance_is_diffusers_over_all_1000_steps(scheduler):
    """With fewer steps diffusers adds fixed_large noise after the last one too (wherever t > 0): not a picture's noise."""
    schedule = SCHEDULES["linear"](T)
    sigmas = SPACINGS["trailing"](schedule, T)
    reference = theirs(scheduler("DDPMScheduler", schedule, sigmas, variance_type="fixed_large"), "epsilon")
    mine = ours("ddpm", schedule, sigmas, "epsilon", True, {"large_variance": True})
    assert float((mine - reference).abs().max()) < 1e-9
