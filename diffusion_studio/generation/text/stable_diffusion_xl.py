"""Stable Diffusion XL and its Turbo, Lightning and LCM forms: two CLIP encoders, a summary of the prompt, the image's size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from diffusion_studio.generation.text.conditioning import Conditioning, stacked
from diffusion_studio.generation.text.stable_diffusion import StableDiffusion
from diffusion_studio.models.layout import read_small_json
from diffusion_studio.settings.generation import GenerationSettings


class StableDiffusionXL(StableDiffusion):
    """Podell et al. 2023: the layer before the last, the second encoder's summary, and sizes and crop as six numbers."""

    penultimate = True

    def empty(self, clip_skip: int) -> Conditioning:
        """Zeros, unless its folder says that an empty prompt is encoded as others are."""
        if not self.zeros_for_empty:
            return self.condition("", clip_skip)
        plain = self.condition("", 1)
        assert plain.pooled is not None and plain.filler is not None
        return Conditioning(
            torch.zeros_like(plain.tokens), torch.zeros_like(plain.pooled), torch.zeros_like(plain.filler)
        )

    @property
    def zeros_for_empty(self) -> bool:
        index = self.parts.description.source / "model_index.json"
        return not index.is_file() or read_small_json(index).get("force_zeros_for_empty_prompt", True) is True

    def added(
        self, settings: GenerationSettings, table: Sequence[Conditioning]
    ) -> Callable[[Tensor | None], dict[str, Any] | None]:
        pooled = stacked(table)[1]
        assert pooled is not None
        summaries = pooled.to(self.device, self.dtype)
        height, width = self.sides(settings)
        # original size, crop, and target size, each height first
        sizes = torch.tensor([[height, width, 0, 0, height, width]], device=self.device, dtype=self.dtype)

        def by_label(labels: Tensor | None) -> dict[str, Any]:
            rows = summaries[labels]
            return {"text_embeds": rows, "time_ids": sizes.expand(len(rows), -1)}

        return by_label
