"""The U-Net of Ho et al. 2020, conditioned on time step and, optionally, class; its parts named as in diffusers' UNet2DModel.

Plain modules that train fast as they are (contiguous NCHW, attention written out); `packed/` runs the same weights faster.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_studio.diffusion.spaces import to_bands, to_pixels
from diffusion_studio.diffusion.unet_blocks import Block, MidBlock, TimestepEmbedding
from diffusion_studio.diffusion.unet_config import UNetConfig


class UNet(nn.Module):
    """network(x, timestep, labels) -> prediction, for images whose sides the U-Net can halve at each level.

    x: (N, config.channels, H, W) in pixels, whatever space the network sees them in; timestep: (N,) or scalar, in
    [0, T - 1], fractions allowed; labels: (N,) int64 rows of the class table, for a class-conditional model.
    `places`: (N, 2, h, w) in what the network sees, of a network with coordinates, for x that is a part of its image; else x is
    all of it. `augment`: (N, K), how each image was changed, for one that learns with `learn_augmentation`.
    Returns pixels of the shape of x in the weights' dtype.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.block_out_channels
        width = config.time_embedding_dim or 4 * channels[0]
        self.conv_in = nn.Conv2d(config.in_channels, channels[0], 3, padding=1)
        if config.time_embedding_type == "learned":
            self.time_proj = table(config.num_train_timesteps or 1000, channels[0])
        self.time_embedding = TimestepEmbedding(channels[0], width)
        if config.class_embed_type == "timestep":
            self.class_embedding: nn.Module | None = TimestepEmbedding(channels[0], width)
        elif config.class_embed_type == "identity":
            self.class_embedding = nn.Identity()
        else:
            count = config.num_class_embeds
            self.class_embedding = table(count, width) if count is not None else None
        self.down_blocks, skips = _down_blocks(config, width)
        self.mid_block = MidBlock(config, channels[-1], width) if config.mid_block_type else None
        self.up_blocks = _up_blocks(config, width, skips)
        self.conv_norm_out = nn.GroupNorm(config.norm_num_groups, channels[0], eps=config.norm_eps)
        self.conv_act = nn.SiLU()
        self.conv_out = nn.Conv2d(channels[0], config.out_channels, 3, padding=1)
        self.augment_embedding: nn.Linear | None = None
        if config.padding == "circular":
            for module in self.modules():
                if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
                    module.padding_mode = "circular"

    def forward(
        self,
        x: Tensor,
        timestep: Tensor,
        labels: Tensor | None = None,
        *,
        places: Tensor | None = None,
        augment: Tensor | None = None,
    ) -> Tensor:
        """x_t (N, C, H, W), timesteps (N,) and class rows (N,) -> the prediction, (N, out_channels, H, W).

        `places`: where each pixel of a patch is in its image; `augment`: what was changed in each image.
        """
        x = to_bands(x, self.config.space_levels)
        if self.config.center_input_sample:
            x = 2 * x - 1
        if self.config.coordinates:
            x = with_places(x, places)
        emb = self.embed(timestep.expand(x.shape[0]), labels)
        if augment is not None and self.augment_embedding is not None:
            emb = emb + self.augment_embedding(augment.to(emb.dtype))
        h = self.conv_in(x)
        skips = [h]
        for down in self.down_blocks:
            h = down(h, emb, skips)
        if self.mid_block is not None:
            h = self.mid_block(h, emb)
        for up in self.up_blocks:
            h = up(h, emb, skips)
        return to_pixels(self.conv_out(self.conv_act(self.conv_norm_out(h))), self.config.space_levels)

    def learn_augmentation(self, count: int) -> None:
        """From now on `augment` may say in `count` numbers how an image was changed (Karras et al. 2022, app. F.2).

        Zeros say nothing, exactly, so a trained network does without this layer, which comes last of all.
        """
        weight = self.time_embedding.linear_2.weight
        layer = nn.Linear(count, len(weight), bias=False, device=weight.device, dtype=weight.dtype)
        self.augment_embedding = layer
        nn.init.zeros_(layer.weight)

    def embed(self, timestep: Tensor, labels: Tensor | None) -> Tensor:
        """(N, width): what every residual block is given for time step and class."""
        emb = self.time_embedding(self._project(timestep))
        if self.class_embedding is None:
            if labels is not None:
                raise ValueError("This network knows no classes: labels must be None.")
            return emb
        if labels is None:
            raise ValueError("This network is class-conditional: it needs labels.")
        if self.config.class_embed_type == "timestep":
            labels = self._project(labels)
        return emb + self.class_embedding(labels).to(emb.dtype)

    def _project(self, timestep: Tensor) -> Tensor:
        if self.config.time_embedding_type == "learned":
            return self.time_proj(timestep.round().long())
        config = self.config
        wave = sinusoidal(timestep, config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift)
        return wave.to(self.conv_in.weight.dtype)


def coordinates(height: int, width: int) -> Tensor:
    """(2, H, W): across and down, from -1 to 1 between the middles of the first and the last place."""
    down, across = (
        torch.linspace(-1, 1, count) if count > 1 else torch.zeros(1) for count in (height, width)
    )
    return torch.stack([across.expand(height, width), down[:, None].expand(height, width)])


def with_places(x: Tensor, places: Tensor | None = None) -> Tensor:
    """(N, C + 2, H, W): with the coordinates of each place, those of a whole image where none are given."""
    if places is None:
        places = coordinates(*x.shape[-2:]).expand(len(x), -1, -1, -1)
    return torch.cat([x, places.to(x)], dim=1)


def sinusoidal(timestep: Tensor, width: int, cos_first: bool, freq_shift: float) -> Tensor:
    """Sines and cosines of t / 10000^(k / (width/2 - freq_shift)) (Vaswani et al. 2017, sec. 3.5), float32, (N, width)."""
    half = width // 2
    # Multiplied before it is divided, as others do: at t = 999 the last bit of the rate is seen in the answer.
    exponent = -math.log(10_000) * torch.arange(half, dtype=torch.float32, device=timestep.device)
    angle = timestep[:, None].float() * torch.exp(exponent / (half - freq_shift))[None, :]
    first, second = (angle.cos(), angle.sin()) if cos_first else (angle.sin(), angle.cos())
    return F.pad(torch.cat([first, second], dim=-1), (0, width % 2))


def table(rows: int, width: int) -> nn.Embedding:
    """A learned row for each class. On `meta` nothing is drawn: torch would import its compiler for that, a second's work."""
    embedding = nn.Embedding(rows, width, _weight=torch.empty(rows, width))
    if not embedding.weight.is_meta:
        nn.init.normal_(embedding.weight)
    return embedding


def _down_blocks(config: UNetConfig, width: int) -> tuple[nn.ModuleList, list[int]]:
    """The levels of the way down, and the channels of every skip connection they leave."""
    channels, blocks = config.block_out_channels, nn.ModuleList()
    skips, inner = [channels[0]], channels[0]
    for level, outer in enumerate(channels):
        last = level == len(channels) - 1
        inners = [inner] + [outer] * (config.layers_per_block - 1)
        kind = config.down_block_types[level]
        blocks.append(Block(config, inners, outer, width, kind=kind, way="down", last=last))
        skips += [outer] * (config.layers_per_block + (not last))
        inner = outer
    return blocks, skips


def _up_blocks(config: UNetConfig, width: int, skips: list[int]) -> nn.ModuleList:
    channels, blocks = config.block_out_channels[::-1], nn.ModuleList()
    skips, inner = list(skips), channels[0]
    for level, outer in enumerate(channels):
        inners = []
        for _ in range(config.layers_per_block + 1):
            inners.append(inner + skips.pop())
            inner = outer
        last = level == len(channels) - 1
        kind = config.up_block_types[level]
        blocks.append(Block(config, inners, outer, width, kind=kind, way="up", last=last))
    return blocks
