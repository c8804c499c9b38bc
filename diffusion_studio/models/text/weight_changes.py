"""What small files of changes add to one layer's weight, of every kind people share: LoRA, LoHa, LoKr, differences, and DoRA.

All are W' = W + w · Δ. LoRA (Hu et al., arXiv 2106.09685): Δ = alpha / rank · up · down. LoHa (Hyeon-Woo et al.,
arXiv 2108.06098): the product, number by number, of two of these. LoKr (LyCORIS, arXiv 2309.14859): a Kronecker product.
DoRA (Liu et al., arXiv 2402.09353) then scales rows or columns of W + Δ to lengths of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

Shape = tuple[int, ...]
ROWS, EITHER = (
    "magnitude",
    "dora_scale",
)  # lengths by peft's name, always of rows; by kohya's, of whichever fits


@dataclass
class Change:
    """The matrices of one layer by their names; of a layer that is a part of a larger one, which of how many."""

    matrices: dict[str, Tensor] = field(default_factory=dict)
    alpha: float | None = None
    part: tuple[int, int] = (0, 1)

    @property
    def up(self) -> Tensor | None:
        return self.matrices.get("up")

    def delta(self, weight: Tensor) -> Tensor:
        """What is added to this weight at weight 1, in float32. ValueError where it does not fit."""
        place, count = self.part
        whole = torch.Size((len(weight) * count, *weight.shape[1:]))
        own = {name: value.to(weight.device, torch.float32) for name, value in self.matrices.items()}
        product = _product(own, self.alpha)
        if product.numel() != whole.numel() or (product.ndim > 1 and len(product) != whole[0]):
            raise ValueError(f"{'×'.join(map(str, product.shape))}, not {'×'.join(map(str, whole))}")
        delta = product.reshape(whole).chunk(count)[place]
        scaled = next((name for name in (ROWS, EITHER) if name in own), None)
        if scaled is None:
            return delta
        if count > 1:
            raise ValueError("lengths of a layer that is in several parts here")
        return _scaled(weight.float(), delta, own[scaled], scaled)


def _product(own: Mapping[str, Tensor], alpha: float | None) -> Tensor:
    for mark, made in KINDS.items():
        if any(name in own for name in mark):
            try:
                product, rank = made(own)
            except KeyError as error:
                raise ValueError(f"{error.args[0]} is missing") from None
            except RuntimeError:
                raise ValueError("its matrices do not fit together") from None
            return product if alpha is None or not rank else product * (alpha / rank)
    raise ValueError("one of its two matrices is missing")


def _lora(own: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    if "up" not in own or "down" not in own:
        raise ValueError("one of its two matrices is missing")
    up, down = own["up"], own["down"]
    if up.ndim < 2 or down.ndim < 2 or up.shape[1] != len(down):
        raise ValueError("its two matrices do not fit together")
    if "mid" in own:  # the kernel apart from the channels (LyCORIS)
        return torch.einsum("or,rskl,si->oikl", up.flatten(1), own["mid"], down.flatten(1)), len(down)
    return (up.flatten(1) @ down.flatten(1)).reshape(len(up), *down.shape[1:]), len(down)


def _loha(own: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    halves = []
    for half in "12":
        a, b = own[f"hada_w{half}_a"], own[f"hada_w{half}_b"]
        core = own.get(f"hada_t{half}")
        halves.append(a @ b if core is None else torch.einsum("ijkl,jr,ip->prkl", core, b, a))
    return halves[0] * halves[1], len(own["hada_w1_b"])


def _lokr(own: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """A factor that is written whole has no rank; where both are, alpha means nothing."""
    rank, factors = 0, []
    for half in "12":
        if f"lokr_w{half}" in own:
            factors.append(own[f"lokr_w{half}"])
            continue
        a, b = own[f"lokr_w{half}_a"], own[f"lokr_w{half}_b"]
        core, rank = own.get(f"lokr_t{half}"), len(b)
        factors.append(a @ b if core is None else torch.einsum("ijkl,ip,jr->prkl", core, a, b))
    first, second = factors
    while first.ndim < second.ndim:
        first = first[..., None]
    return torch.kron(first, second.contiguous()), rank


def _difference(own: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    return own["diff"], 0


def _scaled(weight: Tensor, delta: Tensor, lengths: Tensor, name: str) -> Tensor:
    """What is added where W + Δ gets these lengths, one for every row (outside) or every column (inside)."""
    changed = weight + delta
    outside, inside = weight.shape[:2]
    rows = name == ROWS or (lengths.ndim > 0 and len(lengths) == outside and lengths.numel() == outside)
    if lengths.numel() != (outside if rows else inside):
        raise ValueError(f"{lengths.numel()} lengths for {outside} rows and {inside} columns")
    apart = tuple(place for place in range(weight.ndim) if place != (0 if rows else 1))
    norm = changed.pow(2).sum(dim=apart, keepdim=True).sqrt() + torch.finfo(torch.float32).eps
    return changed * (lengths.reshape(norm.shape) / norm) - weight


KINDS: Mapping[tuple[str, ...], Callable[[Mapping[str, Tensor]], tuple[Tensor, int]]] = {
    ("up", "down", "mid"): _lora,
    ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"): _loha,
    ("lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b"): _lokr,
    ("diff",): _difference,
}
MATRICES = frozenset({name for names in KINDS for name in names} | {"hada_t1", "hada_t2", "lokr_t2"})


def reach(shapes: Mapping[str, Shape]) -> tuple[int, int]:
    """(rank, inputs) of a layer's change, by the shapes of its matrices; 0 where they do not say."""
    for name in ("down", "hada_w1_b"):
        if len(shapes.get(name, ())) > 1:
            return shapes[name][0], shapes[name][1]
    inside, rank = 1, 0
    for half in "12":
        whole, low = shapes.get(f"lokr_w{half}", ()), shapes.get(f"lokr_w{half}_b", ())
        rank = low[0] if low else rank
        inside *= whole[1] if len(whole) > 1 else low[1] if len(low) > 1 else 0
    return rank, inside or (shapes["diff"][1] if len(shapes.get("diff", ())) > 1 else 0)
