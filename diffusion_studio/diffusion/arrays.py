"""The arrays that a formula takes and returns alike: those of NumPy and those of torch. Neither is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Pixels = TypeVar("Pixels", "np.ndarray", "Tensor")
