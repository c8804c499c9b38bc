"""Several images of one size laid out as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def sheet(pictures: Sequence[np.ndarray] | np.ndarray, *, columns: int | None = None) -> np.ndarray:
    """N pictures (H, W, C) as one, as near to a square as they go, with a small gap between them.

    The gap is white, or nothing where a picture has alpha. Of pictures with and without it, all have it in the sheet.
    """
    import numpy as np

    from diffusion_studio.pictures.channels import with_channels

    channels = max(picture.shape[2] for picture in pictures)
    height, width, _ = pictures[0].shape
    columns = columns or min(len(pictures), int(np.ceil(np.sqrt(len(pictures)))))
    rows = -(-len(pictures) // columns)
    gap = max(1, width // 16)
    page = np.empty((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), pictures[0].dtype)
    page[:] = 0 if channels == 4 else np.iinfo(page.dtype).max
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        page[top : top + height, left : left + width] = with_channels(picture, channels)
    return page
