"""The pictures of one step of a generation, in the views there are of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from diffusion_studio.language import tr

if TYPE_CHECKING:
    import numpy as np

VIEWS = {
    "denoised": tr("Preview"),
    "noisy": tr("Noisy image"),
    "noise": tr("Predicted noise"),
    "difference": tr("Remaining change"),
}


class StepViews:
    """The pictures of one step in several views, each made when it is first looked at: most never are."""

    def __init__(
        self,
        make: Callable[[str], np.ndarray],
        ready: Mapping[str, np.ndarray] | None = None,
        result: Callable[[], np.ndarray] | None = None,
    ) -> None:
        """`result` makes what is saved of the step, where that is not the preview of the clean image."""
        self._make, self._made, self._result = make, dict(ready or {}), result
        self._image: np.ndarray | None = None  # what `result` made

    def result(self) -> np.ndarray:
        """(N, H, W, 3) uint8: what is saved of the step; of 4 channels with alpha, of one uint16 grey."""
        if self._image is None:
            if self._result is None:
                return self.view("denoised")
            from diffusion_studio.pictures.channels import shown

            self._image = self._result()
            self._made["denoised"] = shown(self._image)
        return self._image

    def view(self, name: str) -> np.ndarray:
        """(N, H, W, 3 or 4) uint8: one of `VIEWS`. Raises KeyError for a name that is none of them."""
        if name not in VIEWS:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]
