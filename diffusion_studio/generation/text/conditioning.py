"""The conditioning a network is given for a prompt: embeddings of its tokens and, for some models, one of all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Of one prompt, on the CPU. `filler` lengthens it to the tokens of a longer one: the embeddings of an empty prompt."""

    tokens: Tensor  # (L, D)
    pooled: Tensor | None = None  # (P,)
    filler: Tensor | None = None  # (chunk, D)

    def lengthened(self, count: int) -> Tensor:
        """(count, D) tokens, for a count that is a multiple of the filler's more."""
        missing = count - len(self.tokens)
        if missing <= 0 or self.filler is None:
            return self.tokens
        return torch.cat([self.tokens, *[self.filler] * (missing // len(self.filler))])


def blend(parts: Sequence[tuple[Conditioning, float]]) -> Conditioning:
    """The weighted sum of several, each as long as the longest; one alone with weight 1 is itself."""
    if len(parts) == 1 and parts[0][1] == 1:
        return parts[0][0]
    longest = max(len(part.tokens) for part, _ in parts)
    tokens = torch.stack([part.lengthened(longest)[:longest] * share for part, share in parts]).sum(0)
    pooled = [part.pooled * share for part, share in parts if part.pooled is not None]
    return Conditioning(tokens, torch.stack(pooled).sum(0) if pooled else None, parts[0][0].filler)


def stacked(rows: Sequence[Conditioning]) -> tuple[Tensor, Tensor | None]:
    """(K, L, D) tokens, all as long as the longest, and (K, P) summaries where there are some."""
    longest = max(len(row.tokens) for row in rows)
    pooled = [row.pooled for row in rows if row.pooled is not None]
    return torch.stack([row.lengthened(longest) for row in rows]), torch.stack(pooled) if pooled else None
