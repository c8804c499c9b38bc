"""An image as the canvas holds it: its pixels in one or more layers, its file, and what generates it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QImage

from diffusion_studio.language import tr
from diffusion_studio.pictures.step_views import VIEWS, StepViews
from diffusion_studio.settings.generation import GenerationSettings

if TYPE_CHECKING:
    import numpy as np

LAYERS = VIEWS  # name -> what the user reads
EXPLAINED = {
    "denoised": tr("The clean image the model predicts at this step (x̂₀). Coarse shapes come first."),
    "noisy": tr("The image with the noise that is still in it (xₜ). The sampler continues from here."),
    "noise": tr("Noise predicted by the model (ε̂); gray means none. Where outlines show, it is unsure."),
    "difference": tr(
        "What will still change until the end; black means nothing. Shown at twice its brightness."
    ),
}  # one sentence of what one sees, and one of how to read it


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """`layers`: name -> (H, W, C), all of one size and never changed; images of them are made when first painted.

    Three channels are RGB, four RGBA whose colours are as they are, one is grey, of 8 or 16 bits.
    """

    layers: Mapping[str, np.ndarray]
    path: Path | None = None
    settings: GenerationSettings | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    _images: dict[str, QImage] = field(default_factory=dict, repr=False)

    @property
    def pixels(self) -> np.ndarray:
        """The image itself: the predicted clean one."""
        return self.layers["denoised"]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width, _ = self.pixels.shape
        return width, height

    @property
    def offers(self) -> tuple[object, ...]:
        """What buttons and menus depend on: all but the pixels."""
        return self.path, self.settings is None, self.seamless, tuple(self.layers)

    @property
    def seamless(self) -> bool:
        """Whether it was generated as a tile."""
        return self.settings is not None and self.settings.seamless

    def image(self, layer: str = "denoised") -> QImage:
        """A layer to paint; one it does not have is the image itself."""
        if layer not in self.layers:
            layer = "denoised"
        if layer not in self._images:
            self._images[layer] = to_image(self.layers[layer])
        return self._images[layer]


class Views(Mapping[str, "np.ndarray"]):
    """The layers of one image of a step."""

    def __init__(self, batch: StepViews, place: int) -> None:
        self._batch, self._place = batch, place

    def __getitem__(self, name: str) -> np.ndarray:
        return self._batch.view(name)[self._place]

    def __iter__(self) -> Iterator[str]:
        return iter(LAYERS)

    def __len__(self) -> int:
        return len(LAYERS)


def to_image(array: np.ndarray) -> QImage:
    """(H, W, C) to an image of its own memory, in the format that paints fastest: 8 bits, with alpha where C is 4."""
    import numpy as np

    from diffusion_studio.pictures.channels import shown

    array = np.ascontiguousarray(shown(array))
    height, width, channels = array.shape
    format = QImage.Format.Format_RGBA8888 if channels == 4 else QImage.Format.Format_RGB888
    shared = QImage(array.data, width, height, channels * width, format)
    painted = QImage.Format.Format_ARGB32_Premultiplied if channels == 4 else QImage.Format.Format_RGB32
    return shared.convertToFormat(painted)  # copies: the array may go
