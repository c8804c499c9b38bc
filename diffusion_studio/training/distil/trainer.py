"""The trainer of a student: a `Trainer` whose loss is the distance of two of its own answers on one path to the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.training import LATENTS, TrainingSettings
from diffusion_studio.training.distil.objective import ConsistencyObjective, stage_of, wide
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.step.trainer import Batch, Trainer

SMOOTH = 0.01  # the root mean square distance below which the loss is squared and above which it is straight (pseudo-Huber)


class ConsistencyTrainer(Trainer):
    """`teacher`: the model it comes from, whose next step is the target where the settings say so, and whose samples are shown
    beside the student's."""

    def __init__(
        self, settings: TrainingSettings, pictures: Pictures, *, teacher: UNet | None = None, **facts: Any
    ) -> None:
        super().__init__(settings, pictures, **facts)
        assert settings.distil is not None
        self.distil, self.stage = settings.distil, 0
        self.bounded = settings.space != LATENTS  # pixels are in [-1, 1]; latents go beyond
        self.consistency = ConsistencyObjective(self.schedule, settings.prediction, device=self.device)
        self.objective = self.consistency
        self.teacher = teacher.to(self.device).eval().requires_grad_(False) if teacher is not None else None
        self.guide = None
        if self.distil.targets == "teacher":
            if self.teacher is None:
                raise UserError(tr("The model this run learns from is no longer in its folder."))
            self.guide = self.teacher
            if self.gradients.dtype != torch.float32:
                self.guide = UNet(self.teacher.config).to(self.device, self.gradients.dtype).eval()
                self.guide.load_state_dict(self.teacher.state_dict())
                self.guide.requires_grad_(False)

    def step(self, fraction: float) -> float:
        self.stage = stage_of(fraction)
        return super().step(fraction)

    def loss(self, network: UNet, batch: Batch, *, weighted: bool = True) -> Tensor:
        """(N,) squared distance, a mean over pixels, of the student's pictures from t and from r, the second held still."""
        clean, noise, timestep, labels, *_ = batch
        space, sigma = self.consistency, self.consistency.sigma(timestep)
        lower = space.lower(sigma, self.stage)
        x = clean + wide(sigma) * noise
        with torch.no_grad():
            nearer = (
                clean + wide(lower) * noise if self.guide is None else self.guided(x, sigma, lower, labels)
            )
            known = lower.clamp(min=space.lowest)
            target = self.within(space.clean(self.asked(network), nearer, known, labels))
            target = torch.where(wide(lower) > 0, target, clean if self.guide is None else nearer)
        error = (space.clean(self.asked(network), x, sigma, labels) - target).square().mean(dim=(1, 2, 3))
        return self.weigh(error, batch) if weighted else error

    def weigh(self, error: Tensor, batch: Batch) -> Tensor:
        """The distance itself instead of its square, over t - r (Geng et al. 2024, sec. 3.2)."""
        sigma = self.consistency.sigma(batch.timestep)
        between = sigma.clamp(max=self.consistency.highest) - self.consistency.lower(sigma, self.stage)
        distance = (error + SMOOTH**2).sqrt() - SMOOTH
        return distance / between.clamp(min=self.consistency.lowest)

    def within(self, clean: Tensor) -> Tensor:
        """A predicted picture (N, C, H, W), in the range that its kind has."""
        return clean.clamp(-1, 1) if self.bounded else clean

    def asked(self, network: UNet) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
        def answer(given: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
            prediction: Tensor = network(given.to(self.gradients.dtype), timestep, labels)
            return prediction.float()

        return answer

    def guided(self, x: Tensor, sigma: Tensor, lower: Tensor, labels: Tensor | None) -> Tensor:
        """The state at r on the teacher's path from x: one step of Euler's method, with guidance."""
        assert self.guide is not None
        space = self.consistency
        clean = space.clean(self.asked(self.guide), x, sigma, labels)
        if labels is not None and self.distil.guidance != 1:
            empty = space.clean(self.asked(self.guide), x, sigma, torch.full_like(labels, self.null_class))
            clean = empty + self.distil.guidance * (clean - empty)
        clean = self.within(clean)
        return clean + wide(lower / sigma) * (x - clean)
