"""Progressive distillation (Salimans & Ho 2022, arXiv 2202.00512): each stage learns one DDIM step for two of its teacher's.

In sigma space (x = x_0 + sigma n) two steps from sigma by x̂_0 = c_1, then c_2, end where one step by the target ends:
target = ((1 - r_2) c_2 + r_2 (1 - r_1) c_1) / (1 - r_1 r_2), where r is the share of the noise that a step leaves (their eq. 8).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.schedules import SPACINGS
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.distil.objective import STAGES, ConsistencyObjective, stage_of, wide
from diffusion_studio.training.distil.trainer import ConsistencyTrainer
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.step.trainer import Batch

GUIDE = "guide."  # before the names of the weights of a later stage's teacher, in a checkpoint
LARGEST_WEIGHT = 1e4  # of the least noisy level


def steps_of(stage: int, wanted: int) -> int:
    """The student's steps in a stage: halved from one to the next, as many as are wanted in the last."""
    return int(wanted * 2 ** (STAGES - 1 - stage))


class HalvingObjective(ConsistencyObjective):
    """Noise levels are those that the student of a stage visits; its teacher has one more between any two of them."""

    def __init__(self, process: Process, prediction: str, *, device: torch.device) -> None:
        super().__init__(process, prediction, device=device)
        self.begin(len(process) // 2)

    def begin(self, steps: int) -> None:
        """A stage of so many steps."""
        levels = SPACINGS["trailing"](self.process, min(2 * steps, len(self.process)))
        levels = [*levels, *([0.0] if len(levels) % 2 == 0 else [])]  # pairs of steps
        sigma = torch.tensor(np.minimum(levels, 1e10), dtype=torch.float32)
        self.levels = sigma.to(self.device)  # (2 steps + 1,) from noise to none
        self.starts = self.timestep(sigma[:-1:2]).to(self.device)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Timesteps at which a step of the student starts, each as likely."""
        place = torch.randint(len(self.starts), (count,), generator=generator)
        return self.starts.cpu()[place]

    def places(self, timestep: Tensor) -> Tensor:
        """(N,) which of the student's steps starts nearest to each timestep."""
        return (self.starts[None, :] - timestep.float()[:, None]).abs().argmin(dim=1)


class ProgressiveTrainer(ConsistencyTrainer):
    """`teacher`: the model it comes from; the averaged weights of a stage are the teacher of the next."""

    def __init__(
        self, settings: TrainingSettings, pictures: Pictures, *, teacher: UNet | None = None, **facts: Any
    ) -> None:
        super().__init__(settings, pictures, teacher=teacher, **facts)
        if self.teacher is None:
            raise UserError(tr("The model this run learns from is no longer in its folder."))
        self.halving = HalvingObjective(self.schedule, settings.prediction, device=self.device)
        self.consistency = self.objective = self.halving
        self.guide = self.teacher
        self.stage = -1
        self.begin(0)

    def step(self, fraction: float) -> float:
        stage = stage_of(fraction)
        while self.stage < stage:
            self.guide = self.averaged_copy().to(self.device)
            self.begin(self.stage + 1)
        return super(ConsistencyTrainer, self).step(fraction)

    def begin(self, stage: int) -> None:
        assert self.guide is not None
        self.stage = stage
        self.asks = self.guide.eval().requires_grad_(False)
        if self.gradients.dtype != torch.float32:  # asked in the format of the training, kept in float32
            self.asks = UNet(self.guide.config).to(self.device, self.gradients.dtype).eval()
            self.asks.load_state_dict(self.guide.state_dict())
            self.asks.requires_grad_(False)
        self.halving.begin(steps_of(stage, self.distil.steps))

    def loss(self, network: UNet, batch: Batch, *, weighted: bool = True) -> Tensor:
        """(N,) squared distance, a mean over pixels, of the student's picture from where two steps of its teacher lead."""
        clean, noise, timestep, labels = batch.clean, batch.noise, batch.timestep, batch.labels
        places, levels = 2 * self.halving.places(timestep), self.halving.levels
        sigma = levels[places]
        x = clean + wide(sigma) * noise
        with torch.no_grad():
            target = self.target(x, clean, noise, places, labels)
        answer = self.halving.clean(self.asked(network), x, sigma, labels)
        error = (answer - target).square().mean(dim=(1, 2, 3))
        return self.weigh(error, batch) if weighted else error

    def target(
        self, x: Tensor, clean: Tensor, noise: Tensor, places: Tensor, labels: Tensor | None
    ) -> Tensor:
        """The picture by which one step leads where two steps of the teacher do."""
        levels = self.halving.levels
        high, middle, low = levels[places], levels[places + 1], levels[places + 2]
        first = self.by_guide(x, high, labels)
        left, left_then = wide(middle / high), wide(low / middle.clamp(min=self.halving.lowest))
        # x_0 + sigma n is taken apart, since sigma of pure noise is larger than a float can add to
        between = (1 - left) * first + left * clean + wide(middle) * noise
        then = self.by_guide(between, middle, labels)
        target = ((1 - left_then) * then + left_then * (1 - left) * first) / (1 - left * left_then)
        return self.within(torch.where(wide(middle) > 0, target, first))

    def by_guide(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """The teacher's picture, clipped as it is when it generates; the first stage's with guidance."""
        known = sigma.clamp(min=self.halving.lowest)
        clean = self.halving.clean(self.asked(self.asks), x, known, labels)
        if self.stage == 0 and labels is not None and self.distil.guidance != 1:
            nothing = torch.full_like(labels, self.null_class)
            empty = self.halving.clean(self.asked(self.asks), x, known, nothing)
            clean = empty + self.distil.guidance * (clean - empty)
        return self.within(clean)

    def weigh(self, error: Tensor, batch: Batch) -> Tensor:
        """max(signal to noise, 1), their truncated weighting: pure noise counts too."""
        sigma = self.halving.levels[2 * self.halving.places(batch.timestep)]
        return error * sigma.pow(-2).clamp(1, LARGEST_WEIGHT)

    # --- state ---

    def state(self) -> dict[str, Tensor]:
        """With the stage, and the teacher of a later one."""
        tensors = super().state()
        tensors["stage"] = torch.tensor(self.stage)
        if self.stage > 0 and self.guide is not None:
            own = self.guide.state_dict().items()
            tensors |= {GUIDE + name: value.detach().cpu().contiguous() for name, value in own}
        return tensors

    def load(self, tensors: dict[str, Tensor]) -> None:
        super().load(tensors)
        stage = int(tensors["stage"])
        if stage > 0:
            guide = self.averaged_copy()
            guide.load_state_dict(
                {name[len(GUIDE) :]: value for name, value in tensors.items() if name.startswith(GUIDE)}
            )
            self.guide = guide.to(self.device)
        self.begin(min(max(stage, 0), STAGES - 1))
