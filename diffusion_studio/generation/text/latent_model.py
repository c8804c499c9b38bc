"""What all text models share: prompts become rows of conditioning, latents are walked, the last step is decoded.

An adapter adds how its family encodes a prompt and asks its network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from diffusion_studio import __version__
from diffusion_studio.diffusion import scheduler_config
from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.noise import Draw
from diffusion_studio.diffusion.process import Process
from diffusion_studio.diffusion.processes import process_from_config
from diffusion_studio.diffusion.sampler_step import Sampler
from diffusion_studio.diffusion.samplers import SAMPLERS
from diffusion_studio.errors import UserError
from diffusion_studio.events import Preview
from diffusion_studio.generation.autoencoders import DiffusersAutoencoder
from diffusion_studio.generation.latent_views import LatentViews
from diffusion_studio.generation.latents import LatentSpace
from diffusion_studio.generation.model import BROKEN
from diffusion_studio.generation.opening import close_models, device_faults
from diffusion_studio.generation.sampling import sampler_options
from diffusion_studio.generation.sharp_views import Found, SharpViews, find_decoder, find_files
from diffusion_studio.generation.space import PixelSpace, Views
from diffusion_studio.generation.steps import previews
from diffusion_studio.generation.text.conditioning import Conditioning, blend
from diffusion_studio.generation.text.prompts import blended
from diffusion_studio.generation.trajectory import Start, Trajectory
from diffusion_studio.language import tr
from diffusion_studio.machine import devices
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.text import loras, memory
from diffusion_studio.models.text.parts import Parts, open_parts
from diffusion_studio.settings import batch_rows
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.loras import Lora
from diffusion_studio.settings.previews import chosen_previews

Network = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]
MOST_REMEMBERED = 64  # prompts


class LatentModel:
    """A text model, an `ImageModel`: parts of diffusers and transformers, walked as every other model is."""

    patch: ClassVar[int] = 1  # places of the latent that its network takes together, a side

    def __init__(self, card: ModelCard, parts: Parts, device: str, precision: str) -> None:
        self.card, self.device, self.precision = card, device, precision
        self.parts, self.dtype = parts, devices.DTYPES[precision]
        self.network: Any = parts.unet
        self._place()
        self.autoencoder = DiffusersAutoencoder(parts.vae.to(device), device)
        self.schedule = process_from_config(parts.scheduler_config)
        self._conditions: dict[tuple[str, int], Conditioning] = {}
        self._loras: tuple[Lora, ...] = ()  # that are in the weights now
        self._applied: Any = None
        self._found: tuple[tuple[object, ...], Found] | None = None  # the small decoder, of which files

    @classmethod
    def open(cls, card: ModelCard, device: str, precision: str) -> Self:
        dtype = devices.DTYPES[precision]
        vae_dtype = torch.float32 if device == "cpu" else None  # it works once an image, and is seen
        parts = open_parts(card, dtype=dtype, vae_dtype=vae_dtype, make_room=close_models)
        return cls(card, parts, device, precision)

    # --- what an adapter knows ---

    def encode(self, prompt: str, clip_skip: int) -> Conditioning:
        """The conditioning of a prompt; the text encoders are on the device only while it is computed."""
        raise NotImplementedError

    def empty(self, clip_skip: int) -> Conditioning:
        """The negative prompt that is used where none is given."""
        return self.condition("", clip_skip)

    def ask(self, settings: GenerationSettings, table: Sequence[Conditioning]) -> Network:
        """The network as (x_t (N, C, h, w), timestep (N,), labels (N,)) -> prediction; labels are rows of the table."""
        raise NotImplementedError

    def guidance(self, settings: GenerationSettings) -> float:
        """What two rows are combined with; 1 for a network that was given the guidance."""
        return settings.guidance

    # --- what a sampling asks ---

    @property
    def multiple(self) -> int:
        """Pixels that a side of an image must be a multiple of."""
        return self.autoencoder.factor * self.patch

    def sides(self, settings: GenerationSettings) -> tuple[int, int]:
        width, height = self.card.sizes[0] if self.card.sizes else (self.card.size, self.card.size)
        width, height = settings.width or width, settings.height or height
        for side in (width, height):
            if side % self.multiple:
                raise UserError(
                    tr(
                        "{title} makes images whose sides are multiples of {multiple} pixels, not {side}.",
                        title=self.card.title,
                        multiple=self.multiple,
                        side=side,
                    )
                )
        return height, width

    def space(self, settings: GenerationSettings) -> LatentSpace:
        images = PixelSpace((3, *self.sides(settings)), self.device)
        return LatentSpace(self.autoencoder, images, self._views)

    def _views(self, space: LatentSpace) -> Views:
        """How steps are shown: sharp where that is chosen and there is a small decoder for these latents."""
        plain = space.plain_views
        if chosen_previews() != "sharp":
            return plain
        if type(self.autoencoder.network).__name__ == "AutoencoderTiny":  # the model's own is small
            return SharpViews(plain, self.autoencoder.decode, images=space.images)
        files, stamp = find_files(self.parts.family.name)
        if self._found is None or self._found[0] != stamp:
            found = find_decoder(self.autoencoder, self.parts.family.name, self.card.title, files)
            self._found = stamp, found
        decoder, remark = self._found[1].decoder, self._found[1].remark
        if decoder is None:
            return LatentViews(plain.table, plain.images, remark)
        return SharpViews(plain, decoder.decode, space.images)

    def process(self, settings: GenerationSettings) -> Process:
        height, width = self.sides(settings)
        return self.schedule.at_size(height // self.multiple * (width // self.multiple))

    def denoiser(self, settings: GenerationSettings, pictures: Sequence[int]) -> Denoiser:
        """D(x, sigma) with this request's prompt and guidance, for these images of the batch."""
        self._take(settings.loras)
        guidance = self.guidance(settings)
        table = [self.condition(settings.prompt, settings.clip_skip)]
        if guidance != 1:
            negative = settings.negative
            table.append(
                self.condition(negative, settings.clip_skip) if negative else self.empty(settings.clip_skip)
            )
        config = self.schedule.config
        return Denoiser(
            self._finite(self.ask(settings, table)),
            self.schedule,
            prediction=scheduler_config.prediction_from_config(config),
            clipping="none",
            labels=torch.zeros(len(pictures), dtype=torch.long, device=self.device),
            guidance=guidance,
            null_class=len(table) - 1,
            rows=batch_rows.places(settings.batch, settings.count, pictures),
            rounding=scheduler_config.rounding(config, settings.spacing),
        )

    def sampler_options(self, settings: GenerationSettings) -> dict[str, Any]:
        return sampler_options(self.process(settings), settings)

    def sampler(self, settings: GenerationSettings, *, whole: bool) -> Sampler:
        return SAMPLERS[settings.sampler]

    def _finite(self, network: Network) -> Network:
        def checked(x: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
            prediction = network(x.to(self.dtype), timestep, labels).float()
            if torch.isfinite(prediction).all():
                return prediction
            if self.precision == "float16":
                raise UserError(
                    tr("The network's answer was too large for float16; choose bfloat16 or float32.")
                )
            raise UserError(BROKEN)

        return checked

    def _take(self, wanted: tuple[Lora, ...]) -> None:
        """Put these LoRAs, and no others, into the weights."""
        if wanted == self._loras:
            return
        files = [(loras.find_named(lora), lora.weight) for lora in wanted]
        apart = memory.is_apart(self.network)
        memory.gather(self.network)
        try:
            if self._applied is not None:
                self._applied.restore()
                self._applied = None
            self._loras = ()
            self._conditions.clear()  # they may change the encoders too
            if files:
                self._applied = loras.apply(
                    self.network,
                    self.parts.text_encoders,
                    files,
                    family=self.parts.family.name,
                    title=self.card.title,
                )
        finally:
            if apart:
                self._place()
        self._loras = wanted

    def _place(self) -> None:
        """Put the network on the device, layer by layer where that has no room for it and for a step."""
        facts = self.card.text
        work = memory.estimate(facts, self.precision).work if facts is not None else 0
        memory.place(self.network, self.device, work=work, free=memory.free_on(self.device))

    # --- prompts ---

    def condition(self, prompt: str, clip_skip: int) -> Conditioning:
        """The conditioning of a prompt, or of what it says to blend, kept for the next time it is asked for."""
        return blend([(self._encoded(text, clip_skip), share) for text, share in blended(prompt)])

    def _encoded(self, text: str, clip_skip: int) -> Conditioning:
        key = (text, clip_skip)
        if key not in self._conditions:
            encoders = self.parts.text_encoders
            try:
                for encoder in encoders:
                    encoder.to(self.device)
                found = self.encode(text, clip_skip)
            finally:  # they take as much memory as some networks, and have nothing more to do
                if self.device != "cpu":
                    for encoder in encoders:
                        encoder.to("cpu")
                    devices.free_memory()
            while len(self._conditions) >= MOST_REMEMBERED:
                del self._conditions[next(iter(self._conditions))]
            self._conditions[key] = found
        return self._conditions[key]

    # --- what a job asks ---

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

    def facts(self, settings: GenerationSettings, index: int) -> dict[str, Any]:
        height, width = self.sides(settings)
        return {
            "model_title": self.card.title,
            "model_hash": self.card.digest[:10],
            "width": width,
            "height": height,
            "batch": {"seed": settings.seed, "count": settings.count, "index": index},
            "device": self.device,
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "torch": str(torch.__version__),
            "app_version": __version__,
        }
