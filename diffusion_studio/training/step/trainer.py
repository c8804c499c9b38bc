"""One training step (Ho et al. 2020, algorithm 1): noise an image, let the network predict, take a step on the squared error.

All randomness of step k is drawn from (seed, k) alone: order of the pictures, mirroring, timesteps, noise, dropped labels.
So a run resumed at step k continues bit for bit, with no generator's state to carry.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.processes import PROCESSES
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.machine.devices import DTYPES
from diffusion_studio.machine.transfers import LateFigures, to_device
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.data.data_order import order, split
from diffusion_studio.training.images import Pictures
from diffusion_studio.training.step.architectures import learning_rate_for
from diffusion_studio.training.step.augmentation import LABELS, augmented
from diffusion_studio.training.step.distributed import ALONE, Team
from diffusion_studio.training.step.ema import Ema
from diffusion_studio.training.step.flat_weights import FlatWeights
from diffusion_studio.training.step.gradients import Gradients, is_out_of_memory
from diffusion_studio.training.step.learning_rate import share_of_rate
from diffusion_studio.training.step.new_network import fresh_network, shape_of
from diffusion_studio.training.step.objectives import objective_of
from diffusion_studio.training.step.optimizers import Optimizer, matrices
from diffusion_studio.training.step.patches import Patches
from diffusion_studio.training.step.power_ema import PowerEmas
from diffusion_studio.training.step.weighting import LevelWeights

PATIENCE = 3  # non-finite steps in a row before the run stops
# float16 only: what the loss is multiplied by, and how long before it is doubled
FIRST_SCALE, STEPS_TO_GROW = 2.0**16, 2000


class NotFinite(Exception):
    """Loss, gradient or weights were not finite."""


class Batch(NamedTuple):
    """`clean` and `noise` (N, C, S, S), clean in [-1, 1]; `timestep` (N,), int64 or for a flow float32; `labels` (N,) rows of the
    class table; `augment` (N, K), how each image was changed; `places` (N, 2, s, s), where it was cut from.
    """

    clean: Tensor
    noise: Tensor
    timestep: Tensor
    labels: Tensor | None
    augment: Tensor | None = None
    places: Tensor | None = None

    def rows(self, rows: slice) -> Batch:
        return Batch(*(None if part is None else part[rows] for part in self))  # type: ignore[arg-type]


class Trainer:
    """A network being trained on pictures in memory. `step()` does one optimizer step; everything else watches.

    `network` and `schedule`: what to continue from, instead of a fresh network and the schedule the settings name.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        pictures: Pictures,
        *,
        device: str,
        precision: str,
        network: UNet | None = None,
        schedule: Process | None = None,
        team: Team = ALONE,
    ) -> None:
        self.settings, self.pictures, self.device, self.team = settings, pictures, torch.device(device), team
        self.seed = settings.seed or 0
        self.schedule = schedule or PROCESSES[settings.schedule](settings.timesteps)
        if network is None:
            network = fresh_network(shape_of(settings, pictures), self.seed)
        self.network = network.to(self.device)
        if settings.augment:
            self.network.learn_augmentation(LABELS)
        self.patches = Patches(network.config) if settings.patches else None
        self.network.requires_grad_(True).train()
        self.flat = FlatWeights(self.network, matrices(self.network, settings.optimizer))
        self.parameters = self.flat.parameters
        self.ema = Ema(self.flat, settings.ema)
        self.power = PowerEmas(self.flat) if settings.posthoc_ema else None
        weights = sum(weight.numel() for weight in self.parameters)
        self.rate = settings.learning_rate or learning_rate_for(weights, settings.optimizer)
        pixels = settings.batch * settings.size**2
        self.gradients = Gradients(self.network, self.flat, DTYPES[precision], self.device, pixels=pixels)
        self.optimizer = Optimizer(self.flat, self.rate)
        self.learn, self.held_out = split(pictures, settings.validation, self.seed)
        self.null_class = len(pictures.classes)
        seen = pictures.images if pictures.latents is None else pictures.latents
        self.images = as_tensor(seen)
        if not isinstance(seen, np.memmap):  # images from a file may be more than the device holds
            self.images = self.images.to(self.device)
        self.mirrored = None if pictures.mirrored is None else as_tensor(pictures.mirrored).to(self.device)
        self.labels = torch.from_numpy(pictures.labels).to(self.device) if pictures.classes else None
        self.objective = objective_of(
            self.schedule,
            settings.prediction,
            sampling=settings.timestep_sampling,
            device=self.device,
        )
        self.weighting = LevelWeights(replace(settings, seed=self.seed), self.schedule, self.device)
        self.weights = self.weighting.fixed  # (T,) of this step
        self.done, self.bad = 0, 0
        self.scale, self.calm = (FIRST_SCALE if precision == "float16" else 1.0), 0
        self.figures = LateFigures()
        # no step asks the device how it went
        self.unattended = (
            self.device.type == "cuda" and precision != "float16" and self.weighting.uncertainty is None
        )
        self.teacher: UNet | None = None  # of a student, for whoever shows it
        self.notes: list[str] = []  # warnings for the user, taken by whoever shows them

    # --- one step ---

    def step(self, fraction: float) -> float:
        """One optimizer step at `fraction` (0 to 1) of the run; returns the loss without weights, so that all of the run, and
        the validation, can be compared. Raises `NotFinite` after several bad ones.
        """
        self.weights = self.weighting.at(fraction)
        batch = self.share(self.batch(self.done))
        mean, errors = self.fill_gradients(batch)
        plain, uncertainty = errors.mean(), self.weighting.uncertainty
        learned = [uncertainty.gradient(errors, self.objective.rows(batch.timestep))] if uncertainty else []
        self.team.average([mean, plain, self.gradients.whole, *learned])
        if self.scale != 1:
            self.gradients.whole.div_(self.scale)
        norm = nn.utils.clip_grad_norm_(self.flat.whole, self.settings.clip_norm or math.inf)
        if self.unattended:
            return self._finish_unattended(fraction, torch.stack([mean, norm, plain]))
        loss, length, shown = torch.stack([mean, norm, plain]).tolist()
        if math.isfinite(loss) and math.isfinite(length):
            self.optimizer.step(self.learning_rate(fraction))
            self.gradients.refresh()
            if uncertainty:
                uncertainty.update(*learned)
            self.bad = 0
            self.ema.update(self.done + 1)
            if self.power is not None:
                self.power.update(self.done + 1)
            self._grow_scale()
        elif math.isfinite(loss) and self.scale > 1:
            # float16 overflowed in the gradient: usual, and no fault
            self.scale, self.calm = self.scale / 2, 0
        else:
            self.bad += 1
            if self.bad >= PATIENCE:
                raise NotFinite
        self.done += 1
        return float(shown if math.isfinite(loss) else loss)

    def _finish_unattended(self, fraction: float, figures: Tensor) -> float:
        """The rest of a step on a device that is not waited for: it skips a bad step by itself, and how the step went is read
        with the next one.
        """
        bad = ~torch.isfinite(figures[:2]).all()
        self.optimizer.step(self.learning_rate(fraction), unless=bad)
        self.gradients.refresh()
        self.ema.update(self.done + 1)
        if self.power is not None:
            self.power.update(self.done + 1)
        loss, length, shown = self.figures.exchange(figures)
        finite = math.isfinite(loss) and math.isfinite(length)
        self.bad = 0 if finite else self.bad + 1
        if self.bad >= PATIENCE:
            raise NotFinite
        self.done += 1
        return float(shown if math.isfinite(loss) else loss)

    def fill_gradients(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The mean loss, and the unweighted errors (N,); `gradients` holds the gradient.

        Out of memory, it is done again in smaller pieces.
        """
        errors = torch.zeros(len(batch.clean), device=self.device)

        def loss(network: UNet, rows: slice) -> Tensor:
            part = batch.rows(rows)
            error = self.loss(network, part, weighted=False)
            errors[rows] = error.detach()
            return self.weigh(error, part)

        for attempt in (1, 2):
            try:
                return self.gradients.fill(loss, len(batch.clean), self.scale), errors
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if attempt == 2:
                    raise UserError(
                        tr("There is not enough memory for this training: choose a smaller batch or model.")
                    ) from None
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self.gradients.halve(len(batch.clean))
            self.notes.append(
                f"Out of memory: each step is now done in {self.gradients.parts} parts, with the same result."
            )
        raise AssertionError("unreachable")

    def _grow_scale(self) -> None:
        if self.gradients.dtype == torch.float16:
            self.calm += 1
            if self.calm >= STEPS_TO_GROW:
                self.scale, self.calm = self.scale * 2, 0

    def batch(self, step: int) -> Batch:
        """The batch of a step, drawn from (seed, step) alone; with several processes, the batch of them all."""
        count = self.settings.batch * self.team.size
        draw = torch.Generator().manual_seed((self.seed * 1_000_003 + step) % 2**63)
        rows = self.learn[order(len(self.learn), self.seed, step * count, count)]
        clean = self.clean(rows)
        if self.settings.flip:
            mirrored = (torch.rand(count, generator=draw) < 0.5).to(self.device)
            other = clean.flip(-1) if self.mirrored is None else to_range(self.mirrored[rows.to(self.device)])
            clean = torch.where(mirrored[:, None, None, None], other, clean)
        augment = places = None
        if self.settings.augment:
            clean, augment = augmented(clean, self.settings.augment, draw)
        if self.patches is not None:
            clean, places = self.patches.cut(clean, draw)
        timestep = to_device(self.objective.draw(count, draw), self.device)
        noise = to_device(torch.randn(clean.shape, generator=draw), self.device)
        labels = None
        if self.labels is not None:
            dropped = (torch.rand(count, generator=draw) < self.settings.label_dropout).to(self.device)
            labels = self.labels[rows.to(self.device)].masked_fill(dropped, self.null_class)
        return Batch(clean, noise, timestep, labels, augment, places)

    def clean(self, rows: Tensor) -> Tensor:
        """Images by row as the network sees them, (N, C, S, S) float32 in [-1, 1] on the device of the training."""
        return to_range(self.images[rows.to(self.images.device)].to(self.device))

    def share(self, batch: Batch) -> Batch:
        """This process's part of the batch."""
        start = self.team.rank * self.settings.batch
        return batch.rows(slice(start, start + self.settings.batch))

    def loss(self, network: UNet, batch: Batch, *, weighted: bool = True) -> Tensor:
        """(N,) squared error of the prediction, a mean over pixels, weighted by its noise level where asked."""
        clean, noise, timestep, labels, augment, places = batch
        noisy = self.objective.noisy(clean, noise, timestep)
        asked = noisy.to(self.gradients.dtype)
        prediction: Tensor = network(asked, timestep, labels, augment=augment, places=places).float()
        target = self.objective.target(clean, noise, timestep)
        error = (prediction - target).square().mean(dim=(1, 2, 3))
        return self.weigh(error, batch) if weighted else error

    def weigh(self, error: Tensor, batch: Batch) -> Tensor:
        """(N,) errors as they count in the loss."""
        return error * self.weights[self.objective.rows(batch.timestep)]

    def learning_rate(self, fraction: float) -> float:
        """Of the next step, at a fraction (0 to 1) of the run."""
        settings = self.settings
        return self.rate * share_of_rate(
            settings.decay, step=self.done + 1, warmup=settings.warmup, fraction=fraction
        )

    # --- watching ---

    @contextlib.contextmanager
    def averaged(self) -> Iterator[UNet]:
        """The averaged weights, for as long as the block lasts: `network` holds them in float32, the block gets what computes."""
        self.ema.swap()
        self.gradients.refresh()
        try:
            with self.watched() as network:
                yield network
        finally:
            self.ema.swap()
            self.gradients.refresh()

    def averaged_copy(self) -> UNet:
        """A copy of the network with the averaged weights, on the CPU in float32, ready to generate with."""
        weights = dict(self.network.state_dict())
        names = [name for name, _ in self.network.named_parameters()]
        weights |= dict(zip(names, self.ema.average, strict=True))
        with torch.device("meta"):
            twin = UNet(self.network.config)
        twin.load_state_dict(  # without what served the training alone
            {name: weights[name].detach().cpu().clone() for name in twin.state_dict()}, assign=True
        )
        return twin.eval().requires_grad_(False)

    @contextlib.contextmanager
    def watched(self) -> Iterator[UNet]:
        """The weights as they are, ready to be asked and not to be trained."""
        network = self.gradients.working.eval()
        try:
            yield network
        finally:
            network.train()

    # --- state ---

    def state(self) -> dict[str, Tensor]:
        """Everything a bit-for-bit resume needs, as tensors; the rest follows from the settings and the step.

        Raises `NotFinite` rather than hand out weights that are not finite.
        """
        self.check_finite()
        tensors = {f"weights.{name}": weight for name, weight in self.network.state_dict().items()}
        tensors |= {f"ema.{index}": average for index, average in enumerate(self.ema.average)}
        tensors |= self.optimizer.state()
        if self.power is not None:
            tensors |= self.power.state()
        if self.weighting.uncertainty is not None:
            tensors |= {
                f"uncertainty.{name}": value for name, value in self.weighting.uncertainty.state().items()
            }
        tensors["done"] = torch.tensor([self.done, self.bad])
        tensors["scale"] = torch.tensor([self.scale, self.calm], dtype=torch.float64)
        tensors["parts"] = torch.tensor(self.gradients.parts)
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def averages(self) -> dict[str, Tensor]:
        """What a snapshot keeps: "ema.0" and, where an EMA can be chosen afterwards, "power.0.0" and so on."""
        averages = {f"ema.{index}": average for index, average in enumerate(self.ema.average)}
        return averages | (self.power.state() if self.power is not None else {})

    def check_finite(self) -> None:
        """Raises `NotFinite` unless weights, averages and the optimizer's moments all are finite."""
        averages = [self.ema.whole, *(self.power.blocks if self.power is not None else [])]
        if not all_finite([*self.network.state_dict().values(), *averages, *self.optimizer.moments.values()]):
            raise NotFinite

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` gave. Raises KeyError or RuntimeError where something is missing or of another shape."""
        prefix = "weights."
        self.network.load_state_dict(
            {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
        )
        places = range(len(self.parameters))
        self.ema.whole.copy_(self.flat.gather([tensors[f"ema.{index}"] for index in places]))
        self.optimizer.load(tensors)
        if self.power is not None:
            self.power.load(tensors)
        if self.weighting.uncertainty is not None:
            prefix = "uncertainty."
            self.weighting.uncertainty.load(
                {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
            )
        self.done, self.bad = (int(n) for n in tensors["done"])
        if "scale" in tensors:
            scale, calm = tensors["scale"].tolist()
            self.scale, self.calm = (scale if self.gradients.dtype == torch.float16 else 1.0), int(calm)
            self.gradients.parts = int(tensors["parts"])
        self.gradients.refresh()

    def close(self) -> None:
        self.optimizer.close()
        self.gradients.close()


def as_tensor(images: np.ndarray) -> Tensor:
    """Training images where they are, uint8, or 16 bits in the shape of int16, since torch can hardly do uint16."""
    return torch.from_numpy(images.view(np.int16) if images.dtype == np.uint16 else images)


def to_range(kept: Tensor) -> Tensor:
    """float32 in [-1, 1] of training images as they are kept; latents as they are."""
    if kept.dtype == torch.int16:
        return (kept.int() & 0xFFFF).float() / 32767.5 - 1
    return kept.float() if kept.is_floating_point() else kept.float() / 127.5 - 1


def all_finite(tensors: list[Tensor]) -> bool:
    largest = torch._foreach_norm(
        [tensor.detach() for tensor in tensors if tensor.is_floating_point()], math.inf
    )
    return bool(torch.isfinite(torch.stack([norm.float().cpu() for norm in largest])).all())
