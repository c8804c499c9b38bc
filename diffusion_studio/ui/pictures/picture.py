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
    """`layers`: name -> (H, W, 3) uint8, all of one size and never changed; images of them are made when first painted.

    `alpha`: (H, W) uint8 of an image that is partly transparent; its pixels are what it looks like over white.
    """

    layers: Mapping[str, np.ndarray]
    path: Path | None = None
    settings: GenerationSettings | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    alpha: np.ndarray | None = None
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
        return self.path, self.settings is None, tuple(self.layers)

    def image(self, layer: str = "denoised") -> QImage:
        """A layer to paint; one it does not have is the image itself."""
        if layer not in self.layers:
            layer = "denoised"
        if layer not in self._images:
            image = to_image(self.layers[layer])
            if self.alpha is not None and layer == "denoised":
                image = with_alpha(image, self.alpha)
            self._images[layer] = image
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
    """(H, W, 3) uint8 to an image of its own memory, in the format that paints fastest."""
    import numpy as np

    array = np.ascontiguousarray(array)
    height, width, _ = array.shape
    shared = QImage(array.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return shared.convertToFormat(QImage.Format.Format_RGB32)  # copies: the array may go


def with_alpha(image: QImage, alpha: np.ndarray) -> QImage:
    """An image that was laid over white, transparent again; alpha: (H, W) uint8."""
    import numpy as np

    result = image.convertToFormat(QImage.Format.Format_RGBA8888)
    height, width = alpha.shape
    rows = np.frombuffer(result.bits(), np.uint8).reshape(height, result.bytesPerLine())
    pixels = rows[:, : 4 * width].reshape(height, width, 4)
    share = np.maximum(alpha, 1)[..., None] / 255
    pixels[..., :3] = np.clip((pixels[..., :3] - 255 * (1 - share)) / share + 0.5, 0, 255).astype(np.uint8)
    pixels[..., 3] = alpha
    return result.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
