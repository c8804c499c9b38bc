"""Prompts through CLIP: one text encoder or two, prompts of any length in chunks, weights, and Clip skip.

A chunk is the 75 tokens that fit between CLIP's begin and end (77 in all); a longer prompt is several chunks, whose embeddings
follow each other. A weight w moves the embedding of a token from what an empty prompt has at its place: e + w (z - e), as compel
(for weights from 1) and ComfyUI do. The summary of the whole is that of the first chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from diffusion_studio.generation.text.conditioning import Conditioning
from diffusion_studio.generation.text.prompts import Part, parts_of

Chunk = tuple[list[int], list[float]]  # token ids with begin, end and padding, and the weight of each


class ClipEncoder:
    """One CLIP text encoder of transformers with its tokenizer.

    `penultimate`: whether the model was trained on the layer before the last, without the final norm, as SDXL was; Clip skip
    counts from there.
    """

    def __init__(self, tokenizer: Any, encoder: Any, *, penultimate: bool = False) -> None:
        self.tokenizer, self.encoder, self.penultimate = tokenizer, encoder, penultimate
        inside = getattr(encoder, "text_model", encoder)
        self.final_norm = inside.final_layer_norm
        self.length = min(
            int(tokenizer.model_max_length), int(encoder.config.max_position_embeddings)
        )  # of a chunk, its begin and end included

    def __call__(self, prompt: str, clip_skip: int = 1) -> Conditioning:
        """`clip_skip`: 1 is the layer the model was trained on, 2 the one before."""
        chunks = self.chunks(parts_of(prompt))
        empty = self.chunks([[]])
        ids = torch.tensor([ids for ids, _ in [*chunks, *empty]], device=self.encoder.device)
        layers, pooled = self._layers(ids, clip_skip)
        filler = layers[-1]
        weights = torch.tensor([weights for _, weights in chunks], dtype=layers.dtype, device=layers.device)
        tokens = layers[:-1]
        if not torch.all(weights == 1):
            tokens = filler + weights[..., None] * (tokens - filler)
        summary = None if pooled is None else pooled[0].cpu()
        return Conditioning(tokens.flatten(0, 1).cpu(), summary, filler.cpu())

    def _layers(self, ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
        answer = self.encoder(ids, output_hidden_states=True)
        pooled = getattr(answer, "text_embeds", None)
        if self.penultimate:
            return answer.hidden_states[-1 - clip_skip], pooled
        if clip_skip == 1:
            return answer.last_hidden_state, pooled
        return self.final_norm(answer.hidden_states[-clip_skip]), pooled

    @property
    def most_skipped(self) -> int:
        """The largest Clip skip there is a layer for."""
        return int(self.encoder.config.num_hidden_layers) - self.penultimate

    def chunks(self, parts: Sequence[Part]) -> list[Chunk]:
        room = self.length - 2
        begin, end, pad = (
            self.tokenizer.bos_token_id,
            self.tokenizer.eos_token_id,
            self.tokenizer.pad_token_id,
        )
        result: list[Chunk] = []
        for part in parts:
            ids, weights = self._tokens(part)
            for first in range(0, max(len(ids), 1), room):
                some, their = ids[first : first + room], weights[first : first + room]
                missing = self.length - len(some) - 2
                result.append((
                    [begin, *some, end, *[pad] * missing],
                    [1.0, *their, 1.0, *[1.0] * missing],
                ))  # fmt: skip
        return result

    def _tokens(self, part: Part) -> tuple[list[int], list[float]]:
        ids: list[int] = []
        weights: list[float] = []
        for piece in part:
            found = self.tokenizer(piece.text, add_special_tokens=False, verbose=False).input_ids
            ids += found
            weights += [piece.weight] * len(found)
        return ids, weights


class ClipEncoders:
    """One or two encoders side by side: their embeddings of a token are joined, the summary is that of the last."""

    def __init__(self, encoders: Sequence[ClipEncoder]) -> None:
        self.encoders = list(encoders)

    def __call__(self, prompt: str, clip_skip: int = 1) -> Conditioning:
        answers = [encoder(prompt, clip_skip) for encoder in self.encoders]
        if len(answers) == 1:
            return answers[0]
        longest = max(len(answer.tokens) for answer in answers)
        fillers = [answer.filler for answer in answers if answer.filler is not None]
        return Conditioning(
            torch.cat([answer.lengthened(longest) for answer in answers], dim=-1),
            answers[-1].pooled,
            torch.cat(fillers, dim=-1),
        )
