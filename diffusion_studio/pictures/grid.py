"""Several images of one size laid out as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def sheet(pictures: Sequence[np.ndarray] | np.ndarray, *, columns: int | None = None) -> np.ndarray:
    """N pictures (H, W, 3) as one, as near to a square as they go, on white, with a small gap between them."""
    import numpy as np

    height, width, _ = pictures[0].shape
    columns = columns or min(len(pictures), int(np.ceil(np.sqrt(len(pictures)))))
    rows = -(-len(pictures) // columns)
    gap = max(1, width // 16)
    page = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        page[top : top + height, left : left + width] = picture
    return page
