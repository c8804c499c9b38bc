"""The implementations the benchmarks compare with: how to get them, and how to load them without what they do not need.

    pip install diffusers                                                  (in the test extra already)
    pip install --no-deps denoising-diffusion-pytorch ema-pytorch einops   (lucidrains; asks for a torchvision that
                                                                            would replace torch, so without dependencies)

A peer that is not installed is left out of a comparison.
"""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import torch
from torch import nn

from diffusion_studio.diffusion.unet import UNet
from diffusion_studio.diffusion.unet_config import UNetConfig

# One model throughout: 6.5 M parameters, 2.9 GFLOP a picture at 32 x 32.
REFERENCE = UNetConfig(
    sample_size=32,
    block_out_channels=(64, 128, 128),
    layers_per_block=2,
    down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
)


def reference_network() -> UNet:
    """Untrained, but with every parameter away from its first value."""
    torch.manual_seed(0)
    network = UNet(REFERENCE).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return network


def diffusers_network(network: UNet) -> Any:
    """diffusers' UNet2DModel with the weights of a network of ours."""
    diffusers = quiet_diffusers()
    values = {key: value for key, value in network.config.to_dict().items() if not key.startswith("_")}
    twin = diffusers.UNet2DModel(**values).eval()
    twin.load_state_dict(network.state_dict())
    return twin


def quiet_diffusers() -> Any:
    """diffusers without its advice and progress bars, which would stand between the figures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    return diffusers


def lucidrains_network(parameters: int) -> nn.Module | None:
    """denoising_diffusion_pytorch's Unet of three levels, its width chosen for about as many parameters; None if not there."""
    stand_in("torchvision", "torchvision.transforms", "torchvision.utils", "accelerate")
    stand_in("pytorch_fid", "pytorch_fid.inception", "pytorch_fid.fid_score")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from denoising_diffusion_pytorch import Unet
    except ImportError:
        return None

    def size(width: int) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in Unet(width, dim_mults=(1, 2, 2)).parameters())

    width = min(range(32, 129, 4), key=lambda width: abs(size(width) - parameters))
    return Unet(width, dim_mults=(1, 2, 2)).eval()


def stand_in(*names: str) -> None:
    """Empty modules under these names where the real ones are not installed: whatever is imported from them is there."""
    for name in names:
        try:
            __import__(name)
        except ImportError:
            sys.modules[name] = _Empty(name)


class _Empty(types.ModuleType):
    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})
