"""Pictures of a step for jobs that only pretend to draw."""

from diffusion_studio.pictures.step_views import StepViews


def shown_views(denoised, noisy):
    return StepViews({"denoised": denoised, "noisy": noisy}.__getitem__)
