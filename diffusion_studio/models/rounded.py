"""Weights in 8 bits, for a network that need not be exact: half of what 16 bits take on a disk and in a starter.

float8_e4m3fn (Micikevicius et al. 2022): 3 bits of mantissa, so that a weight is off by 2% on average, from 2^-9 to 448. All
tensors are multiplied by one power of two, the largest with which the largest weight still fits; the file's metadata names it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.weights_file import BYTES, read_header, read_tensors
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, open_foreign

KINDS: Mapping[str, int] = {**BYTES, "F8_E4M3": 1}  # 16 bits are those of earlier versions
SCALE = "scale"  # in the metadata
LARGEST = 448.0  # float8_e4m3fn's


def rounded(tensors: Mapping[str, Tensor]) -> bytes:
    """A safetensors file of these tensors, which are finite, in 8 bits."""
    whole = {name: tensor.detach().float().cpu() for name, tensor in tensors.items()}
    largest = max((float(tensor.abs().max()) for tensor in whole.values() if tensor.numel()), default=0.0)
    scale = 2.0 ** math.floor(math.log2(LARGEST / largest)) if largest > 0 else 1.0
    short = {name: (tensor * scale).to(torch.float8_e4m3fn).contiguous() for name, tensor in whole.items()}
    return save(short, metadata={SCALE: repr(scale)})


def read_rounded(path: Path) -> dict[str, Tensor]:
    """The tensors of such a file as float32, or of one in 16 or 32 bits. Raises `UserError` for one that is damaged."""
    tensors, _ = read_tensors(path, KINDS)
    try:
        with open_foreign(path, LARGEST_WEIGHTS) as file:
            text = read_header(path, file, kinds=KINDS).metadata.get(SCALE, "1")
        scale = float(text)
    except (OSError, ValueError):
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        raise UserError(tr("{path} is damaged, or was cut off.", path=path))
    return {name: tensor.float() / scale for name, tensor in tensors.items()}
