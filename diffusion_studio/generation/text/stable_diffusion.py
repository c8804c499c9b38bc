"""Stable Diffusion 1.x and 2.x, and their Turbo and LCM forms: one CLIP encoder and a UNet2DConditionModel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.generation.text.clip import ClipEncoder, ClipEncoders
from diffusion_studio.generation.text.conditioning import Conditioning, stacked
from diffusion_studio.generation.text.latent_model import LatentModel, Network
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.text.parts import Parts
from diffusion_studio.settings.generation import GenerationSettings


class StableDiffusion(LatentModel):
    """`penultimate`: the layer of the text encoders it was trained on, see `ClipEncoder`."""

    penultimate = False

    def __init__(self, card: ModelCard, parts: Parts, device: str, precision: str) -> None:
        super().__init__(card, parts, device, precision)
        self.encoders = ClipEncoders([
            ClipEncoder(tokenizer, encoder, penultimate=self.penultimate)
            for tokenizer, encoder in zip(parts.tokenizers, parts.text_encoders, strict=True)
        ])  # fmt: skip
        self.guidance_channels = int(self.network.config.get("time_cond_proj_dim") or 0)

    def encode(self, prompt: str, clip_skip: int) -> Conditioning:
        most = min(encoder.most_skipped for encoder in self.encoders.encoders)
        if clip_skip > most:
            raise UserError(
                tr(
                    "{title} allows a Clip skip of 1 to {most}, not {clip_skip}.",
                    title=self.card.title,
                    most=most,
                    clip_skip=clip_skip,
                )
            )
        return self.encoders(prompt, clip_skip)

    def guidance(self, settings: GenerationSettings) -> float:
        return 1.0 if self.guidance_channels else settings.guidance

    def ask(self, settings: GenerationSettings, table: Sequence[Conditioning]) -> Network:
        tokens = stacked(table)[0].to(self.device, self.dtype)
        strength = self._guidance_embedding(settings.guidance)
        added = self.added(settings, table)

        def network(x: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
            answer: Tensor = self.network(
                x,
                timestep,
                encoder_hidden_states=tokens[labels],
                timestep_cond=None if strength is None else strength.expand(len(x), -1),
                added_cond_kwargs=added(labels),
                return_dict=False,
            )[0]
            return answer

        return network

    def added(
        self, settings: GenerationSettings, table: Sequence[Conditioning]
    ) -> Callable[[Tensor | None], dict[str, Any] | None]:
        """What else the network is given, by labels."""
        return lambda labels: None

    def _guidance_embedding(self, guidance: float) -> Tensor | None:
        """(1, D): the guidance, less 1, as a distilled network is given it (Meng et al. 2023), embedded like a timestep."""
        if not self.guidance_channels:
            return None
        half = self.guidance_channels // 2
        rates = torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1)))
        angles = (guidance - 1) * 1000 * rates
        embedding = torch.cat([angles.sin(), angles.cos()])
        embedding = torch.nn.functional.pad(embedding, (0, self.guidance_channels % 2))
        return embedding[None].to(self.device, self.dtype)
