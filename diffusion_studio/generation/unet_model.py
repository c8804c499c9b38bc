"""The models of pixels: a U-Net with its noise schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_studio import __version__
from diffusion_studio.diffusion import scheduler_config
from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.noise import Draw
from diffusion_studio.diffusion.packed.engine import FastNetwork, build
from diffusion_studio.diffusion.packed.recorded_walk import RecordedWalks
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.sampler_step import Sampler
from diffusion_studio.diffusion.samplers import SAMPLERS
from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_blocks import TimestepEmbedding
from diffusion_studio.errors import UserError
from diffusion_studio.events import Preview
from diffusion_studio.generation.autoencoders import OwnAutoencoder
from diffusion_studio.generation.latents import LatentSpace
from diffusion_studio.generation.model import BROKEN
from diffusion_studio.generation.opening import device_faults
from diffusion_studio.generation.sampling import sampler_options
from diffusion_studio.generation.sharp_views import SharpViews
from diffusion_studio.generation.space import PixelSpace, Space, Views
from diffusion_studio.generation.steps import previews
from diffusion_studio.generation.trajectory import Start, Trajectory
from diffusion_studio.language import tr
from diffusion_studio.machine import devices
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.folder import Checkpoint, read_early, read_model
from diffusion_studio.pictures.decoding import open_picture
from diffusion_studio.pictures.formats.contents import Refused
from diffusion_studio.settings import batch_rows
from diffusion_studio.settings.blend import read_blend
from diffusion_studio.settings.branches import root, single
from diffusion_studio.settings.generation import GenerationSettings

Network = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]
FEW_STEPS = (
    4  # of a run that follows the hand (Live): its network leaves the window its part of the processor
)


class UNetModel:
    """A pixel-space diffusion model, an `ImageModel`; a network that needs more than an image and a class is a `UserError`."""

    def __init__(self, card: ModelCard, checkpoint: Checkpoint, device: str, precision: str) -> None:
        self.card, self.device, self.precision = card, device, precision
        self.checkpoint = checkpoint
        config = checkpoint.network.config
        if config.class_embed_type == "identity":
            raise UserError(
                tr(
                    "{title} needs a row of numbers with each image (class_embed_type identity), not a class.",
                    title=card.title,
                )
            )
        self.network = _fast(checkpoint, device, precision)
        self.walks = RecordedWalks(self.network)
        self.early: Network | None = (
            None  # from early in the training, read when autoguidance first asks for it
        )
        self.exact: Network | None = None  # in float32, made when a shorter format first overflows
        self.shape = (config.channels, *config.sides)
        self._padded: UNetModel | None = None  # the same weights with the other kind of edges
        self.autoencoder = (
            None
            if checkpoint.autoencoder is None
            else OwnAutoencoder(checkpoint.autoencoder.to(device), device)
        )

    @classmethod
    def open(cls, card: ModelCard, device: str, precision: str) -> UNetModel:
        return cls(card, read_model(card.path), device, precision)

    def sides(self, settings: GenerationSettings) -> tuple[int, int]:
        return self.card.sides if self.autoencoder is not None else self.shape[1:]

    def space(self, settings: GenerationSettings) -> Space:
        if settings.colours == "palette" and not self.card.pixels_are.palette:
            raise UserError(
                tr("{title} has no palette: it learned from more than 256 colours.", title=self.card.title)
            )
        if self.autoencoder is None:
            return PixelSpace(self.shape, self.device, self.card.pixels_are, settings.colours)
        images = PixelSpace(
            (self.card.channels, *self.card.sides), self.device, self.card.pixels_are, settings.colours
        )
        return LatentSpace(self.autoencoder, images, self._views, partial(example_images, self.card))

    def _views(self, space: LatentSpace) -> Views:
        """Its own decoder is small enough to show the steps, and true: with transparency, a linear map has wrong colours."""
        own = self.autoencoder
        if own is None:
            return space.plain_views
        return SharpViews(space.plain_views, lambda x: own.decode(x, space.count), space.images)

    def process(self, settings: GenerationSettings) -> Process:
        return self.checkpoint.schedule.at_size(self.shape[1] * self.shape[2])

    def previews(
        self,
        settings: GenerationSettings,
        *,
        source: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        trajectory: Trajectory | None = None,
        start: Start | None = None,
        draws: Sequence[Draw] | None = None,
    ) -> Iterator[Preview]:
        with device_faults(self.device):
            yield from previews(
                self,
                settings,
                source=source,
                mask=mask,
                trajectory=trajectory,
                start=start,
                draws=draws,
            )

    def denoiser(self, settings: GenerationSettings, pictures: Sequence[int]) -> Denoiser:
        """D(x, sigma) with this request's class, guidance and clipping, for these images of the batch."""
        config = self.checkpoint.schedule.config
        labels = self.labels(settings, pictures)
        edges = self.with_edges(settings.seamless)
        return Denoiser(
            partial(edges.finite, edges.network.briefly if settings.steps <= FEW_STEPS else edges.network),
            self.checkpoint.schedule,
            prediction=scheduler_config.prediction_from_config(config),
            clipping=settings.clipping if self.autoencoder is None else "none",
            clip_range=scheduler_config.clip_range(config),
            threshold=scheduler_config.threshold(config),
            labels=labels,
            guidance=settings.guidance if labels is not None and self.card.null_class is not None else 1.0,
            null_class=self.card.null_class,
            rows=batch_rows.places(settings.batch, settings.count, pictures),
            rounding=scheduler_config.rounding(config, settings.spacing),
            variance=scheduler_config.learned_variance(config),
            early=edges.early_network() if settings.autoguidance != 1 else None,
            autoguidance=settings.autoguidance,
        )

    def early_network(self) -> Network:
        """Raises `UserError` where the model keeps none."""
        if self.early is None:
            if not self.card.keeps_early:
                raise UserError(
                    tr(
                        "{title} keeps no weights from early in its training, which autoguidance needs; set Autoguidance to 1.",
                        title=self.card.title,
                    )
                )
            network = read_early(self.card.path, self.checkpoint.network.config)
            self.early = _fast(replace(self.checkpoint, network=network), self.device, self.precision)
        return self.early

    def with_edges(self, seamless: bool) -> UNetModel:
        """This model, or its twin whose edges continue one another, or do not, as is wanted."""
        network = self.checkpoint.network
        if seamless == (network.config.padding == "circular"):
            return self
        if self._padded is None:
            config = replace(network.config, padding="circular" if seamless else "zeros")
            with torch.device("meta"):
                twin = UNet(config)
            twin.load_state_dict(network.state_dict(), assign=True)
            known = replace(self.checkpoint, network=twin.eval().requires_grad_(False))
            self._padded = UNetModel(self.card, known, self.device, self.precision)
        return self._padded

    def sampler_options(self, settings: GenerationSettings) -> dict[str, Any]:
        return sampler_options(self.process(settings), settings)

    def sampler(self, settings: GenerationSettings, *, whole: bool) -> Sampler:
        """The few steps of a student are one recording, where each forward is one; in float16 each answer has to be looked at."""
        sampler = SAMPLERS[settings.sampler]
        if not whole or settings.sampler != "consistency" or self.precision == "float16":
            return sampler
        return self.with_edges(settings.seamless).walks.recorded(sampler)

    def labels(self, settings: GenerationSettings, pictures: Sequence[int]) -> Tensor | None:
        """(N,) rows of the class table; without a class the seed of each image chooses one, so that a batch shows them all."""
        if not self.card.class_count and not self.numbered:
            if settings.class_label:
                raise UserError(tr("{title} has no classes; leave Class empty.", title=self.card.title))
            return None
        rows = [self.class_row(settings, index) for index in pictures]
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
                    tr(
                        "{title} takes a number up to 999999 as its class, not “{label}”.",
                        title=self.card.title,
                        label=label[:60],
                    )
                )
            return int(label or 0)
        names = self.card.classes
        if not label:
            own = single(root(settings), index)  # a branch keeps it
            blend = read_blend(own.blend)
            return (own.seed or 0 if blend is None else blend.nearest(own.seed or 0)) % len(names)
        return names.index(self.card.class_named(label))

    def finite(self, network: Network, x: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
        """The prediction of `network`, which is this model's, again in float32 where a shorter format overflowed; never a black
        image.
        """
        prediction = network(x, timestep, labels)
        if self.device != "cpu" and self.precision != "float16":
            return prediction  # asking would make the card wait at each step; bfloat16 overflows where float32 does
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


def example_images(card: ModelCard) -> list[np.ndarray]:
    """(H, W, 3 or 4) uint8: the images on a model's sheet of samples; none where there is no sheet that can be read."""
    if card.samples is None:
        return []
    try:
        found = open_picture(card.samples)
    except Refused:
        return []
    sheet = np.asarray(found.uncovered or found.image)
    height, width = card.sides
    if sheet.shape[0] % height or sheet.shape[1] % width:
        return []
    rows = [
        np.split(row, sheet.shape[1] // width, axis=1) for row in np.split(sheet, sheet.shape[0] // height)
    ]
    return [cell for row in rows for cell in row]


def _fast(checkpoint: Checkpoint, device: str, precision: str) -> FastNetwork:

    def remember(key: str, value: str | None = None) -> str | None:
        known = devices.remember(f"{devices.cpu_name()} {key}", value)  # a choice of another machine is none
        return known if isinstance(known, str) else None

    dtype = devices.DTYPES[precision]
    return build(checkpoint.network, dtype=dtype, device=torch.device(device), remember=remember)
