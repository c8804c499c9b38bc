"""A student as a model: the process it is sampled with, where its teacher is kept, and what its card says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from diffusion_studio.diffusion import scheduler_config
from diffusion_studio.diffusion.flow_config import SCHEDULERS, is_flow
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.language import plural
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.cards import read_card
from diffusion_studio.models.folder import read_model
from diffusion_studio.models.import_sources import files_of
from diffusion_studio.settings.distillation import Distillation
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, copy_foreign

TEACHER = "teacher"  # in a run's folder


def student_scheduler(
    teacher: Mapping[str, Any], method: str = "consistency", *, bounded: bool = True
) -> dict[str, Any]:
    """The scheduler_config.json under which diffusers samples a student as intended.

    Noise is added between the steps of a consistency model: that is LCMScheduler over the teacher's noise schedule, or the
    stochastic Euler scheduler of a flow. A progressive student takes steps of DDIM, or of the flow's own scheduler. `bounded`:
    whether what is denoised lies in [-1, 1], as pixels do and latents do not.
    """
    if method == "progressive":
        own = {name: value for name, value in teacher.items() if name != "variance_type"}
        if is_flow(teacher):
            return {**own, "stochastic_sampling": False}
        return {
            **own,
            "_class_name": "DDIMScheduler",
            "clip_sample": bounded,
            "clip_sample_range": 1.0,
            "set_alpha_to_one": True,
            "timestep_spacing": "trailing",
        }
    if is_flow(teacher):
        return {**teacher, "_class_name": SCHEDULERS[0], "stochastic_sampling": True}
    value = scheduler_config.value
    timesteps = int(value(teacher, "num_train_timesteps", 1000))
    return {
        "_class_name": "LCMScheduler",
        "_diffusers_version": "0.42.0",
        "num_train_timesteps": timesteps,
        "original_inference_steps": min(50, timesteps),
        "beta_start": value(teacher, "beta_start", 1e-4),
        "beta_end": value(teacher, "beta_end", 0.02),
        "beta_schedule": value(teacher, "beta_schedule", "linear"),
        **({"trained_betas": teacher["trained_betas"]} if teacher.get("trained_betas") else {}),
        "rescale_betas_zero_snr": bool(value(teacher, "rescale_betas_zero_snr", False)),
        "prediction_type": scheduler_config.prediction_from_config(teacher),
        "clip_sample": bounded,
        "clip_sample_range": 1.0,
        "set_alpha_to_one": True,
        "timestep_spacing": "trailing",
    }


def without_variance(network: UNet) -> UNet:
    """The same network without the channels in which it says the variance, which one to four steps do not need."""
    config = network.config
    if config.out_channels == config.seen:
        return network
    values = {**config.to_dict(), "out_channels": config.seen}
    tensors = dict(network.state_dict())
    for name in ("conv_out.weight", "conv_out.bias"):
        tensors[name] = tensors[name][: config.seen].clone()
    with torch.device("meta"):
        smaller = UNet(UNetConfig.from_dict(values))
    smaller.load_state_dict(tensors, assign=True)
    return smaller


def keep_teacher(run: Path, card: ModelCard) -> None:
    """Copy the teacher into the run's folder: it may be gone when the run is resumed."""
    for file, place in files_of(card.path):
        target = run / TEACHER / place
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_foreign(file, target, LARGEST_WEIGHTS, within=card.path)


def read_teacher(run: Path, classes: tuple[str, ...]) -> UNet | None:
    """The teacher kept in a run's folder, as the student began: with its classes, without variance; None where it is gone."""
    from diffusion_studio.training.provenance import with_classes

    if not (run / TEACHER).is_dir():
        return None
    card = read_card(run / TEACHER)
    network = without_variance(read_model(card.path).network)
    return with_classes(network, card.classes, card.null_class, classes)


def recommended(distil: Distillation) -> dict[str, Any]:
    return {"sampler": distil.sampler, "steps": distil.steps, "spacing": "trailing", "clipping": "range"}


def description(distil: Distillation) -> str:
    if distil.method == "progressive":
        return plural(
            "Made fast from “{teacher}” by halving its steps: generates in one step.",
            "Made fast from “{teacher}” by halving its steps: generates in {count} steps.",
            distil.steps,
            teacher=distil.teacher,
        )
    return plural(
        "Made fast from “{teacher}”: generates in one step, and in up to eight.",
        "Made fast from “{teacher}”: generates in {count} steps, and in one to eight.",
        distil.steps,
        teacher=distil.teacher,
    )
