"""The blocks of the U-Net: residual, attention, resampling."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_studio.diffusion.unet_config import UNetConfig

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "mish": nn.Mish,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
}
# In tokens; beyond, the matrix of all pairs costs more memory than it saves time.
LONGEST_EXPLICIT_ATTENTION = 1024
# In pixels of a map; on smaller ones, torch's 1x1 convolution is as fast as a product of matrices.
LEAST_MULTIPLIED = 256


class TimestepEmbedding(nn.Module):
    """Two linear layers that turn the sinusoidal embedding of a timestep into what the residual blocks are given."""

    def __init__(self, inner: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(inner, width)
        self.act = nn.SiLU()
        self.linear_2 = nn.Linear(width, width)

    def forward(self, wave: Tensor) -> Tensor:
        """(N, inner) -> (N, width)."""
        return self.linear_2(self.act(self.linear_1(wave)))


class ResnetBlock(nn.Module):
    """norm, act, conv, plus time, norm, act, conv, plus input; halves or doubles the picture where asked."""

    def __init__(
        self,
        config: UNetConfig,
        inner: int,
        outer: int,
        width: int,
        *,
        scale: float = 1.0,
        resample: str = "",
    ) -> None:
        super().__init__()
        groups, eps = config.norm_num_groups, config.norm_eps
        self.scale, self.resample = scale, resample
        self.shift_only = config.resnet_time_scale_shift == "default"
        self.norm1 = nn.GroupNorm(groups, inner, eps=eps)
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1)
        self.time_emb_proj = nn.Linear(width, outer if self.shift_only else 2 * outer)
        self.norm2 = nn.GroupNorm(groups, outer, eps=eps)
        self.dropout = nn.Dropout(config.dropout)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1)
        self.nonlinearity = ACTIVATIONS[config.act_fn]()
        self.conv_shortcut = nn.Conv2d(inner, outer, 1) if inner != outer else None

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """(N, inner, H, W) and the embedding (N, width) -> (N, outer, H, W), or half or twice the sides."""
        act = self.nonlinearity
        h = act(self.norm1(x))
        if self.resample:
            x, h = _resample(x, self.resample), _resample(h, self.resample)
        time = self.time_emb_proj(act(emb))[:, :, None, None]
        if self.shift_only:
            h = self.norm2(self.conv1(h) + time)
        else:
            scale, shift = time.chunk(2, dim=1)
            h = self.norm2(self.conv1(h)) * (1 + scale) + shift
        h = self.conv2(self.dropout(act(h)))
        if self.conv_shortcut is not None:
            x = pointwise(self.conv_shortcut, x)
        return x + h if self.scale == 1 else (x + h) / self.scale


def pointwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """`conv(x)` of a 1x1 convolution, (N, C, H, W) -> (N, O, H, W); in training on the CPU a product of matrices for each image.

    On maps of 16x16 and more, forward and backward took 0.3 to 0.5 of the time of torch's convolution, which brings maps into
    another memory format and back (bfloat16, measured); a training step at 64 pixels took 0.95.
    """
    if not conv.training or x.device.type != "cpu" or x.shape[-2] * x.shape[-1] < LEAST_MULTIPLIED:
        return conv(x)
    assert conv.bias is not None
    weight = conv.weight.flatten(1).expand(len(x), -1, -1)
    return torch.baddbmm(conv.bias[None, :, None], weight, x.flatten(2)).unflatten(2, x.shape[-2:])


def _resample(x: Tensor, way: str) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest") if way == "up" else F.avg_pool2d(x, 2)


class Attention(nn.Module):
    """Self-attention over all pixels (Wang et al. 2018; multi-head as Dhariwal & Nichol 2021), added to its input."""

    def __init__(
        self, channels: int, head_dim: int, groups: int | None, eps: float, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.heads, self.scale = channels // head_dim, scale
        inner = self.heads * head_dim
        self.group_norm = nn.GroupNorm(groups, channels, eps=eps) if groups else None
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, inner) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(inner, channels)])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        n, c, height, width = x.shape
        h = x.reshape(n, c, height * width)
        if self.group_norm is not None:
            h = self.group_norm(h)
        h = h.transpose(1, 2)
        q, k, v = (
            to(h).reshape(n, -1, self.heads, to.out_features // self.heads).transpose(1, 2)
            for to in (self.to_q, self.to_k, self.to_v)
        )
        h = attend(q, k, v).transpose(1, 2).reshape(n, height * width, -1)
        h = self.to_out[0](h).transpose(1, 2).reshape(n, c, height, width)
        return x + h if self.scale == 1 else (x + h) / self.scale


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / sqrt(d)) v on (N, heads, tokens, d).

    Written out on the CPU, where in bfloat16 it is many times faster than torch's fused kernel at these sizes.
    """
    if q.device.type != "cpu" or q.shape[-2] > LONGEST_EXPLICIT_ATTENTION:
        return F.scaled_dot_product_attention(q, k, v)
    weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return weights.softmax(dim=-1) @ v


class Resampler(nn.Module):
    """A learned halving (strided convolution) or doubling (nearest neighbour, then convolution)."""

    def __init__(self, channels: int, way: str, padding: int = 1) -> None:
        super().__init__()
        self.way, self.padding = way, padding
        down = way == "down"
        self.conv = nn.Conv2d(channels, channels, 3, stride=2 if down else 1, padding=padding if down else 1)

    def forward(self, x: Tensor, emb: Tensor | None = None) -> Tensor:
        """(N, C, H, W) -> (N, C, H / 2, W / 2) or (N, C, 2H, 2W); `emb` is not used."""
        if self.way == "up":
            if self.training and x.device.type == "cpu" and self.conv.padding_mode == "zeros":
                return double(x, self.conv.weight, self.conv.bias)
            x = _resample(x, "up")
        elif self.padding == 0:
            circular = self.conv.padding_mode == "circular"
            x = F.pad(x, (0, 1, 0, 1), mode="circular" if circular else "constant")
        return self.conv(x)


def double(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Nearest-neighbour doubling and a 3x3 convolution in one: x (N, C, H, W), weight (O, C, 3, 3) -> (N, O, 2H, 2W).

    Forward and backward took 0.55 to 0.74 of the time of one after the other (bfloat16, 96 channels to 32x32 and 160 to 16x16,
    measured).
    """
    return F.conv_transpose2d(x, doubling_kernel(weight), bias, stride=2, padding=1)


def doubling_kernel(weight: Tensor) -> Tensor:
    """(C, O, 4, 4) of a 3x3 convolution (O, C, 3, 3): the transposed one that doubles as well, with 4/9 of the multiplications.

    Each input pixel is a 2x2 square before the convolution, so the kernel is the 3x3 one summed over that square.
    """
    row = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])  # which weights meet in one of four
    return (weight.flatten(2) @ torch.kron(row, row).T).unflatten(2, (4, 4)).transpose(0, 1)


class Block(nn.Module):
    """One level of the way down or up: residual blocks, attention after each where the level has it, a resampler."""

    def __init__(
        self,
        config: UNetConfig,
        inners: list[int],
        outer: int,
        width: int,
        *,
        kind: str,
        way: str,
        last: bool,
    ) -> None:
        super().__init__()
        self.way = way
        attention = kind.startswith("Attn")
        self.resnets = nn.ModuleList(ResnetBlock(config, inner, outer, width) for inner in inners)
        self.attentions = nn.ModuleList()
        if attention:
            head_dim = config.attention_head_dim or outer
            self.attentions.extend(
                Attention(outer, head_dim, config.norm_num_groups, config.norm_eps) for _ in inners
            )
        if not last:
            # as in UNet2DModel, where the configuration's choice is for blocks with attention alone
            chosen = config.downsample_type if way == "down" else config.upsample_type
            residual = kind.startswith("Resnet") or (attention and chosen == "resnet")
            resampler = (
                ResnetBlock(config, outer, outer, width, resample=way)
                if residual
                else Resampler(outer, way, config.downsample_padding)
            )
            self.add_module("downsamplers" if way == "down" else "upsamplers", nn.ModuleList([resampler]))
        self.last = last

    def forward(self, h: Tensor, emb: Tensor, skips: list[Tensor]) -> Tensor:
        """(N, C, H, W) -> the next level's state; the way down appends to `skips`, the way up takes from its end."""
        down = self.way == "down"
        for index, resnet in enumerate(self.resnets):
            h = resnet(h if down else torch.cat([h, skips.pop()], dim=1), emb)
            if self.attentions:
                h = self.attentions[index](h)
            if down:
                skips.append(h)
        if not self.last:
            h = getattr(self, "downsamplers" if down else "upsamplers")[0](h, emb)
            if down:
                skips.append(h)
        return h


class MidBlock(nn.Module):
    """The lowest level: two residual blocks with attention between them, where the configuration has it."""

    def __init__(self, config: UNetConfig, channels: int, width: int) -> None:
        super().__init__()
        scale = config.mid_block_scale_factor
        default = config.norm_num_groups if config.resnet_time_scale_shift == "default" else None
        groups = config.attn_norm_num_groups if config.attn_norm_num_groups is not None else default
        self.resnets = nn.ModuleList(
            ResnetBlock(config, channels, channels, width, scale=scale) for _ in range(2)
        )
        self.attentions = nn.ModuleList()
        if config.add_attention:
            head_dim = config.attention_head_dim or channels
            self.attentions.append(Attention(channels, head_dim, groups, config.norm_eps, scale))

    def forward(self, h: Tensor, emb: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        h = self.resnets[0](h, emb)
        if self.attentions:
            h = self.attentions[0](h)
        return self.resnets[1](h, emb)
