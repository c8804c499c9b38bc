"""A trained network changed to another size of image or other channels, with every weight carried over where it fits."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import COORDINATES
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

NAMES = {1: tr("grey"), 3: "RGB", 4: "RGBA"}


def fit_network(network: UNet, size: int, channels: int) -> tuple[UNet, list[str]]:
    """The same network for images of `size`×`size` with 1, 3 or 4 channels, and a sentence for each thing that changed.

    Its convolutions know no size, so all of them stay. Raises `UserError` for a side its levels cannot halve.
    """
    config, said = network.config, []
    if size % config.smallest_factor:
        raise UserError(
            tr(
                "The network to start from needs sides that are multiples of {factor}; {size} is none.",
                factor=config.smallest_factor,
                size=size,
            )
        )
    if max(config.sides) != size:
        said.append(
            tr(
                "Size {before} → {size}: all weights are kept.",
                before=_by(config.sides),
                size=f"{size}×{size}",
            )
        )
    if config.channels != channels:
        words = {"before": NAMES[config.channels], "now": NAMES[channels]}
        if channels == 4:
            said.append(tr("{before} → {now}: what it knows of alpha begins at zero.", **words))
        else:
            said.append(
                tr("{before} → {now}: the weights of the first and last layer are shared out.", **words)
            )
    if not said:
        return network, said
    tensors = dict(network.state_dict())
    bands = 4**config.space_levels
    if config.channels != channels:
        seen, answered = _seen(config.channels, channels), _answered(config.channels, channels)
        weight = tensors["conv_in.weight"]
        known = _columns(weight[:, : config.seen], seen, bands)
        tensors["conv_in.weight"] = torch.cat([known, weight[:, config.seen :]], dim=1)
        for name in ("conv_out.weight", "conv_out.bias"):
            tensors[name] = _rows(tensors[name], answered, bands)
    changed = replace(
        config,
        in_channels=channels * bands + (COORDINATES if config.coordinates else 0),
        out_channels=channels * bands,
        sample_size=size >> config.space_levels,
    )
    with torch.device("meta"):
        result = UNet(changed)
    result.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
    return result, said


def with_coordinates(network: UNet) -> UNet:
    """The same network with the place of each pixel as input, which changes nothing in its answers at first."""
    config = network.config
    if config.coordinates:
        return network
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first = tensors["conv_in.weight"]
    tensors["conv_in.weight"] = torch.cat(
        [first, torch.zeros_like(first[:, :1]).repeat(1, COORDINATES, 1, 1)], 1
    )
    with torch.device("meta"):
        result = UNet(replace(config, in_channels=config.in_channels + COORDINATES, coordinates=True))
    result.load_state_dict(tensors, assign=True)
    return result


def _by(sides: tuple[int, int]) -> str:
    return f"{sides[1]}×{sides[0]}"


def _seen(old: int, new: int) -> Tensor:
    """(old, new): how the channels the network knew are made of those of an image now."""
    if old == 1:  # a grey image means the same to it as before
        return torch.tensor([[1 / 3] * 3 + [0.0] * (new - 3)])
    if new == 1:
        return torch.tensor([[1.0]] * 3 + [[0.0]] * (old - 3))
    return torch.eye(old, new)


def _answered(old: int, new: int) -> Tensor:
    """(new, old): how an answer for each channel now is made of those the network gave."""
    if old == 1:
        return torch.tensor([[1.0]] * 3 + [[0.0]] * (new - 3))
    if new == 1:
        return torch.tensor([[1 / 3] * 3 + [0.0] * (old - 3)])
    return torch.eye(new, old)


def _columns(weight: Tensor, seen: Tensor, bands: int) -> Tensor:
    """(O, old bands, 3, 3) -> (O, new bands, 3, 3); the bands of a channel lie side by side."""
    parts = weight.unflatten(1, (-1, bands))
    return torch.einsum("ocbhw,cn->onbhw", parts, seen.to(weight.dtype)).flatten(1, 2)


def _rows(tensor: Tensor, answered: Tensor, bands: int) -> Tensor:
    """(old bands, ...) -> (new bands, ...)."""
    parts = tensor.unflatten(0, (-1, bands))
    return torch.einsum("nc,cb...->nb...", answered.to(tensor.dtype), parts).flatten(0, 1)
