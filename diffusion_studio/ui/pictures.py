"""A picture as the canvas holds it: its pixels in one or more layers, where it is saved, and what draws it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QImage

from ..settings import GenerationSettings

if TYPE_CHECKING:
    import numpy as np

LAYERS = {"denoised": "Predicted picture", "noisy": "Noisy state"}


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """`layers`: name -> (H, W, 3) uint8, all of one size and never changed; images of them are made when first painted."""

    layers: Mapping[str, np.ndarray]
    path: Path | None = None
    settings: GenerationSettings | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    _images: dict[str, QImage] = field(default_factory=dict, repr=False)

    @property
    def pixels(self) -> np.ndarray:
        """The picture itself: the predicted clean one."""
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
        """A layer to paint; one the picture does not have is the picture itself."""
        if layer not in self.layers:
            layer = "denoised"
        if layer not in self._images:
            self._images[layer] = to_image(self.layers[layer])
        return self._images[layer]


def to_image(array: np.ndarray) -> QImage:
    """(H, W, 3) uint8 to an image of its own memory, in the format that paints fastest."""
    import numpy as np

    array = np.ascontiguousarray(array)
    height, width, _ = array.shape
    shared = QImage(array.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return shared.convertToFormat(QImage.Format.Format_RGB32)  # copies: the array may go
