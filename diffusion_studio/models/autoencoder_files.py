"""The files of the small autoencoder inside a model of latents: a folder `vqvae`, which LDMPipeline of diffusers looks for."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.layout import AUTOENCODER, read_autoencoder_config
from diffusion_studio.storage.places import resource

if TYPE_CHECKING:
    from diffusion_studio.diffusion.autoencoder import TinyAutoencoder

WEIGHTS = "diffusion_pytorch_model.safetensors"
SHIPPED = "autoencoders/drawings"


def read_autoencoder(place: Path, *, within: Path | None = None) -> TinyAutoencoder:
    """The autoencoder of a folder with config.json and its weights, on the CPU in float32. Raises `UserError`."""
    import torch

    from diffusion_studio.diffusion.autoencoder import TinyAutoencoder
    from diffusion_studio.models.weights_file import read_shapes, read_tensors

    config = read_autoencoder_config(place, within=within or place)
    if config is None:
        raise UserError(tr("{place} holds no autoencoder.", place=place))
    with torch.device("meta"):
        network = TinyAutoencoder(config)
    path = place / WEIGHTS
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if wanted != {name: tuple(shape) for name, shape in read_shapes(path).items()}:
        raise UserError(tr("{path} does not fit the config.json beside it.", path=path))
    tensors, _ = read_tensors(path)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return network.eval().requires_grad_(False)


def write_autoencoder(place: Path, network: TinyAutoencoder) -> None:
    """Write its two files into a folder that is made for them, which should be part of what is staged."""
    import torch
    from safetensors.torch import save

    place.mkdir(parents=True, exist_ok=True)
    text = json.dumps(network.config.to_diffusers(), indent=2) + "\n"
    (place / "config.json").write_text(text, encoding="utf-8")
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in network.state_dict().items()
    }
    (place / WEIGHTS).write_bytes(save(tensors, metadata={"format": "pt"}))


def autoencoder_of(folder: Path) -> TinyAutoencoder | None:
    """That of a model's folder; None for a model of pixels."""
    place = folder / AUTOENCODER
    return read_autoencoder(place, within=folder) if (place / "config.json").is_file() else None


@lru_cache(maxsize=1)
def _shipped(place: Path) -> TinyAutoencoder:
    return read_autoencoder(place)


def shipped_autoencoder() -> TinyAutoencoder:
    """The one that comes with the program: RGBA, premultiplied, a quarter of the side. It is shared: copy it to train it."""
    return _shipped(resource(SHIPPED))
