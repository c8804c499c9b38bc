"""Models as the jobs see them: a thing that yields frames for settings. `KINDS` says which class opens which folder."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from . import __version__, hardware
from .cards import USUAL_SIZE, ModelCard, read_small_json, unet_folder
from .checkpoint import Checkpoint, read_model
from .diffusion.denoiser import Denoiser
from .diffusion.samplers import SAMPLERS, Step
from .diffusion.schedules import SPACINGS
from .diffusion.unet import TimestepEmbedding
from .errors import UserError
from .foreign import explain_class
from .settings import LARGEST_SEED, GenerationSettings

Network = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]
BROKEN = "The model's answer was not finite, in float32 too: its weights can not draw with these settings."


class Frame(NamedTuple):
    """One step as pictures: `denoised` (x̂0) and `noisy` (x_t), both (N, H, W, 3) uint8."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    total: int
    sigma: float
    timestep: float
    denoised: np.ndarray
    noisy: np.ndarray


class ImageModel(Protocol):
    card: ModelCard
    device: str
    precision: str

    def frames(self, settings: GenerationSettings) -> Iterator[Frame]:
        """One frame a noise level, the last of which is the result. Closing it cancels."""

    def facts(self, settings: GenerationSettings, index: int) -> dict[str, Any]:
        """What else the metadata of picture `index` says."""


class UNetModel:
    """A pixel-space diffusion model: a U-Net with its noise schedule."""

    def __init__(self, card: ModelCard, checkpoint: Checkpoint, device: str, precision: str) -> None:
        self.card, self.device, self.precision = card, device, precision
        self.checkpoint = checkpoint
        config = checkpoint.network.config
        if config.class_embed_type == "identity":
            raise UserError(
                f"{card.title} wants a row of numbers with each picture (class_embed_type identity), not a class."
            )
        self.network = _fast(checkpoint, device, precision)
        self.exact: Network | None = None  # in float32, made when a shorter format first overflows
        size = config.sample_size or USUAL_SIZE
        self.shape = (config.in_channels, size, size)

    def frames(self, settings: GenerationSettings) -> Iterator[Frame]:
        with device_faults(self.device):
            yield from self._walk(settings)

    @torch.inference_mode()
    def _walk(self, settings: GenerationSettings) -> Iterator[Frame]:
        schedule = self.checkpoint.schedule
        sigmas = SPACINGS[settings.spacing](schedule, settings.steps)
        seeds = [picture_seed(settings, index) for index in range(settings.count)]
        noise = PictureNoise(seeds, self.shape, self.device)
        x = noise() * (1 + sigmas[0] ** 2) ** 0.5  # the network's first state has variance 1, whatever sigma
        denoise = self.denoiser(settings)
        sampler = SAMPLERS[settings.sampler]
        for step in sampler(denoise, x, sigmas, noise, **self.sampler_options(settings)):
            if not torch.isfinite(step.denoised).all():
                raise UserError(BROKEN)
            yield frame_of(step, schedule.timestep(step.sigma) if step.sigma else 0.0)

    def denoiser(self, settings: GenerationSettings) -> Denoiser:
        """D(x, sigma) with this request's class, guidance and clipping."""
        config = self.checkpoint.schedule.config
        labels = self.labels(settings)
        return Denoiser(
            self.finite,
            self.checkpoint.schedule,
            prediction=str(config.get("prediction_type", "epsilon")),
            clipping=settings.clipping,
            clip_range=float(config.get("clip_sample_range", 1.0) or 1.0),
            labels=labels,
            guidance=settings.guidance if labels is not None and self.card.null_class is not None else 1.0,
            null_class=self.card.null_class,
        )

    def sampler_options(self, settings: GenerationSettings) -> dict[str, Any]:
        large = str(self.checkpoint.schedule.config.get("variance_type", "")).startswith("fixed_large")
        by_sampler: dict[str, dict[str, Any]] = {
            "ddim": {"eta": settings.eta},
            "ddpm": {"large_variance": large},
            "heun": {"churn": settings.churn},
        }
        return by_sampler.get(settings.sampler, {})

    def labels(self, settings: GenerationSettings) -> Tensor | None:
        """(N,) rows of the class table; without a class each picture's seed chooses one, so that a batch shows them all."""
        if not self.card.class_count and not self.numbered:
            if settings.class_label:
                raise UserError(f"{self.card.title} knows no classes; leave Class empty.")
            return None
        rows = [self.class_row(settings, index) for index in range(settings.count)]
        return torch.tensor(rows, device=self.device)

    @property
    def numbered(self) -> bool:
        """Whether a class is any whole number, embedded as a timestep is."""
        return isinstance(self.checkpoint.network.class_embedding, TimestepEmbedding)

    def class_row(self, settings: GenerationSettings, index: int) -> int:
        label = settings.class_label
        if self.numbered:
            if label and not (label.isdecimal() and len(label) < 7):
                raise UserError(
                    f"{self.card.title} takes a number up to 999999 as its class, not “{label[:60]}”."
                )
            return int(label or 0)
        names = self.card.classes
        if not label:
            return picture_seed(settings, index) % len(names)
        if label not in names:
            known = ", ".join(names[:20]) + ("…" if len(names) > 20 else "")
            raise UserError(f"{self.card.title} has no class “{label[:60]}”; it has: {known}.")
        return names.index(label)

    def finite(self, x: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
        """The network's answer, once more in float32 where a shorter format overflowed; never a black picture."""
        prediction = self.network(x, timestep, labels)
        if torch.isfinite(prediction).all():
            return prediction
        if self.precision != "float32":
            self.exact = self.exact or _fast(self.checkpoint, self.device, "float32")
            prediction = self.exact(x, timestep, labels)
            if torch.isfinite(prediction).all():
                return prediction
        raise UserError(BROKEN)

    def facts(self, settings: GenerationSettings, index: int) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "model_title": self.card.title,
            "model_hash": self.checkpoint.digest[:10],
            "width": self.shape[2],
            "height": self.shape[1],
            "batch": {"seed": settings.seed, "count": settings.count, "index": index},
            "device": self.device,
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "torch": str(torch.__version__),
            "app_version": __version__,
        }
        if self.card.class_count:
            facts["class"] = self.card.classes[self.class_row(settings, index)]
        elif self.numbered:
            facts["class"] = str(self.class_row(settings, index))
        return facts


def picture_seed(settings: GenerationSettings, index: int) -> int:
    """The seed of picture `index` of a batch, which makes it again alone."""
    return ((settings.seed or 0) + index) % (LARGEST_SEED + 1)


class PictureNoise:
    """Standard normals from one CPU generator a picture, so that a seed means the same in any batch and on every device."""

    def __init__(self, seeds: list[int], shape: tuple[int, ...], device: str) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.shape, self.device = shape, device

    def __call__(self) -> Tensor:
        return torch.stack([torch.randn(self.shape, generator=g) for g in self.generators]).to(self.device)


def frame_of(step: Step, timestep: float) -> Frame:
    noisy = step.x * (1 + step.sigma**2) ** -0.5
    return Frame(step.index, step.total, step.sigma, timestep, to_uint8(step.denoised), to_uint8(noisy))


def to_uint8(pictures: Tensor) -> np.ndarray:
    """(N, C, H, W) in [-1, 1] -> (N, H, W, 3) uint8, rounded as everyone rounds; grey models become grey RGB."""
    levels = ((pictures.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return levels.expand(-1, -1, -1, 3).contiguous().cpu().numpy()


def _fast(checkpoint: Checkpoint, device: str, precision: str) -> Network:
    from .diffusion.engine import build

    def remember(key: str, value: str | None = None) -> str | None:
        return hardware.remember(f"{hardware.cpu_name()} {key}", value)  # a choice of another machine is none

    dtype = hardware.DTYPES[precision]
    return build(checkpoint.network, dtype=dtype, device=torch.device(device), remember=remember)


KINDS: dict[str, type[UNetModel]] = {
    "DDPMPipeline": UNetModel,
    "DDIMPipeline": UNetModel,
    "UNet2DModel": UNetModel,
}

_opened: dict[tuple[Any, ...], ImageModel] = {}  # the one model kept loaded
_opening = threading.Lock()


def open_model(card: ModelCard, *, device: str = "auto", precision: str = "auto") -> ImageModel:
    """The model of a card, ready to draw; the last one stays loaded. Raises `UserError`, and then keeps the one before."""
    chosen = hardware.choose_device(device)
    with _opening:
        key = (card.path, _stamp(card.path), chosen, hardware.choose_precision(precision, chosen))
        if key not in _opened:
            with device_faults(chosen):
                model = kind_of(card)(card, read_model(card.path), chosen, key[-1])
            _opened.clear()
            _opened[key] = model
        return _opened[key]


def close_models() -> None:
    """Free the memory of the model that is kept loaded."""
    _opened.clear()
    hardware.free_memory()


@contextmanager
def device_faults(device: str) -> Iterator[None]:
    """A device that fails or has no memory left becomes a `UserError`, and what was held in its memory is let go."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        sentence = hardware.explain_fault(error, device)
        if sentence is None:
            raise
        traceback.clear_frames(error.__traceback__)  # their locals hold the tensors
        close_models()
        raise UserError(sentence, details=str(error)) from None


def kind_of(card: ModelCard) -> type[UNetModel]:
    """By `_class_name` of model_index.json; a bare network is a UNet2DModel."""
    index = card.path / "model_index.json"
    name = str(read_small_json(index).get("_class_name", "")) if index.is_file() else "UNet2DModel"
    if name not in KINDS:
        raise UserError(f"{index} is {explain_class(name)}; what can be opened: {', '.join(KINDS)}.")
    return KINDS[name]


def _stamp(folder: Path) -> tuple[Any, ...]:
    """Changes when the files do, so that a model trained anew is read anew."""
    try:
        entries = [
            entry for place in (folder, unet_folder(folder), folder / "scheduler") for entry in _files(place)
        ]
        return tuple((str(entry), entry.stat().st_mtime_ns, entry.stat().st_size) for entry in entries)
    except OSError as error:
        raise UserError(f"{folder} can not be read: {error.strerror}.") from None


def _files(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else []
