"""Z-Image: a flow of latents by a transformer, which reads what a language model (Qwen 3) makes of the prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.generation.text.conditioning import Conditioning
from diffusion_studio.generation.text.latent_model import LatentModel, Network
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings


class ZImage(LatentModel):
    """Its prompts are sentences: brackets in them are brackets, and there is no Clip skip."""

    patch = 2

    def encode(self, prompt: str, clip_skip: int) -> Conditioning:
        tokenizer, encoder = self.parts.tokenizers[0], self.parts.text_encoders[0]
        said = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=True,
        )
        ids = tokenizer(said, verbose=False).input_ids
        most = self.parts.family.most_tokens
        if len(ids) > most:
            raise UserError(
                tr(
                    "The prompt has {count} tokens; {title} reads at most {most}.",
                    count=len(ids),
                    title=self.card.title,
                    most=most,
                )
            )
        layers = encoder(input_ids=torch.tensor([ids], device=self.device), output_hidden_states=True)
        return Conditioning(layers.hidden_states[-2][0].cpu())

    def ask(self, settings: GenerationSettings, table: Sequence[Conditioning]) -> Network:
        tokens = [row.tokens.to(self.device, self.dtype) for row in table]

        def network(x: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
            rows = [0] * len(x) if labels is None else labels.tolist()
            answers = self.network(
                list(x.unsqueeze(2).unbind(0)),
                1 - timestep / len(self.schedule),  # it counts from noise to image
                [tokens[row] for row in rows],
                return_dict=False,
            )[0]
            return -torch.stack([answer.float() for answer in answers]).squeeze(2)

        return network
