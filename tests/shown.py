"""Pictures of a step for jobs that only pretend to draw."""

from diffusion_studio.generation.trajectory import StepViews


def shown_views(denoised, noisy):
    return StepViews({"denoised": denoised, "noisy": noisy}.__getitem__)
