"""The U-Net's parts as oneDNN runs them fastest on a CPU: weights packed once, additions inside the convolutions, channels last.

Plain data and functions on it that TorchScript can compile in a moment, which spares Python's share of some 300 small
operations a forward. (So no postponed annotations here, and constants come as defaults of parameters.)
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_studio.diffusion import unet_blocks


class Conv(NamedTuple):
    """A convolution, or a transposed one, with its weight as oneDNN wants it."""

    weight: Tensor
    bias: Tensor
    stride: list[int]
    padding: list[int]


class Norm(NamedTuple):
    """Group normalization and the activation that follows it, "" for none."""

    weight: Tensor
    bias: Tensor
    groups: int
    eps: float
    activation: str


class Residual(NamedTuple):
    """A `unet_blocks.ResnetBlock` with its weights packed."""

    norm1: Norm
    conv1: Conv
    norm2: Norm
    conv2: Conv
    shortcut: Conv | None
    shift_only: bool
    scale: float
    resample: str


class PackedAttention(NamedTuple):
    """A `unet_blocks.Attention` with its weights packed, the three projections in one."""

    norm: Norm | None
    to_qkv: Conv
    to_out: Conv
    heads: int
    scale: float


def convolve(x: Tensor, conv: Conv, bias: Tensor) -> Tensor:
    """With a bias for the whole batch (C,), in float32 or the weights' dtype."""
    return torch.ops.mkldnn._convolution_pointwise(
        x, conv.weight, bias, conv.padding, conv.stride, [1, 1], 1, "none", [], ""
    )


def convolve_plus(x: Tensor, conv: Conv, bias: Tensor | None, other: Tensor) -> Tensor:
    """conv(x) + other, where other is such a map, or (N, C, 1, 1)."""
    return torch.ops.mkldnn._convolution_pointwise(
        x, other, conv.weight, bias, conv.padding, conv.stride, [1, 1], 1, "add", None, None, [], None
    )


def convolve_onto(x: Tensor, conv: Conv, other: Tensor) -> Tensor:
    """conv(x) + other, (N, C, H, W), written over other."""
    return torch.ops.mkldnn._convolution_pointwise_(
        other, x, conv.weight, conv.bias, conv.padding, conv.stride, [1, 1], 1, "add", None, None, [], None
    )


def halve(x: Tensor, conv: Conv) -> Tensor:
    """(N, C, H, W) -> (N, C, H / 2, W / 2), a strided convolution.

    Without padding of its own the picture is padded on the right and below.
    """
    return convolve(F.pad(x, [0, 1, 0, 1]) if conv.padding[0] == 0 else x, conv, conv.bias)


def double(x: Tensor, conv: Conv) -> Tensor:
    """(N, C, H, W) -> (N, O, 2H, 2W), the transposed convolution of `pack_doubling`."""
    return torch.ops.mkldnn._convolution_transpose_pointwise(
        x, conv.weight, conv.bias, conv.padding, [0, 0], conv.stride, [1, 1], 1, "none", [], ""
    )


def activate(x: Tensor, activation: str) -> Tensor:
    """(N, C, H, W), in place where torch can."""
    if activation == "silu" or activation == "swish":
        return F.silu(x, inplace=True)
    if activation == "mish":
        return F.mish(x, inplace=True)
    if activation == "gelu":
        return F.gelu(x)
    return F.relu(x, inplace=True) if activation == "relu" else x


def normalize(x: Tensor, norm: Norm, pixels_for_short: int = 1024) -> Tensor:
    """Group norm and activation of (N, C, H, W).

    In a short format and channels last it is fast only from so many pixels on; below, float32 and back is faster.
    """
    if x.dtype != torch.float32 and x.shape[2] * x.shape[3] < pixels_for_short:
        return activate(group_norm(x.float(), norm), norm.activation).to(x.dtype)
    return activate(group_norm(x, norm), norm.activation)


def group_norm(x: Tensor, norm: Norm) -> Tensor:
    """(N, C, H, W) -> (N, C, H, W), without the activation."""
    return torch.group_norm(x, norm.groups, norm.weight, norm.bias, norm.eps, False)


def modulate(x: Tensor, norm: Norm, time: Tensor) -> Tensor:
    """(N, C, H, W) normalized, scaled and shifted by time (1 or N, 2C, 1, 1), activated."""
    scale, shift = time.chunk(2, dim=1)
    return activate(torch.addcmul(shift, group_norm(x.float(), norm), scale), norm.activation).to(x.dtype)


def resample(x: Tensor, way: str) -> Tensor:
    """(N, C, H, W) with sides doubled ("up"), halved ("down") or left as they are ("")."""
    if way == "up":
        return torch.ops.aten.upsample_nearest2d(x, None, [2.0, 2.0])
    return F.avg_pool2d(x, 2) if way == "down" else x


def residual(x: Tensor, block: Residual, time: Tensor) -> Tensor:
    """`unet_blocks.ResnetBlock` on (N, C, H, W); time as `TimeTable.compute` returns it."""
    h = resample(normalize(x, block.norm1), block.resample)
    x = resample(x, block.resample)
    if not block.shift_only:
        h = modulate(convolve(h, block.conv1, block.conv1.bias), block.norm2, time)
    elif time.dim() == 1:
        h = normalize(convolve(h, block.conv1, time), block.norm2)
    else:
        h = normalize(convolve_plus(h, block.conv1, None, time), block.norm2)
    shortcut = block.shortcut
    if shortcut is not None:
        h = convolve_onto(h, block.conv2, convolve(x, shortcut, shortcut.bias))
    else:
        h = convolve_plus(h, block.conv2, block.conv2.bias, x)
    return h if block.scale == 1.0 else h.div_(block.scale)


def attention(x: Tensor, block: PackedAttention, explicit: int) -> Tensor:
    """`unet_blocks.Attention` on (N, C, H, W): the softmax written out up to `explicit` tokens, torch's fused kernel beyond."""
    n, height, width, tokens = x.shape[0], x.shape[2], x.shape[3], x.shape[2] * x.shape[3]
    norm = block.norm
    h = convolve(x if norm is None else normalize(x, norm), block.to_qkv, block.to_qkv.bias)
    q, k, v = h.permute(0, 2, 3, 1).reshape(n, tokens, 3, block.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    if tokens <= explicit:
        h = ((q * q.shape[3] ** -0.5) @ k.transpose(2, 3)).softmax(dim=-1) @ v
    else:
        h = F.scaled_dot_product_attention(q, k, v)
    h = h.transpose(1, 2).reshape(n, height, width, -1).permute(0, 3, 1, 2)
    h = convolve_plus(h, block.to_out, block.to_out.bias, x)
    return h if block.scale == 1.0 else h.div_(block.scale)


class Maps(NamedTuple):
    """What weights are packed for: the format, and square maps of so many pictures and what side. Others run too, some slower."""

    dtype: torch.dtype
    pictures: int
    side: int


def pack(weight: Tensor, bias: Tensor, maps: Maps, stride: int = 1, padding: int = 0) -> Conv:
    """A convolution whose weight (O, I, k, k) is in the order oneDNN prefers for these maps."""
    strides, paddings, shape = (
        [stride] * 2,
        [padding] * 2,
        [maps.pictures, weight.shape[1], maps.side, maps.side],
    )
    weight = weight.to(maps.dtype).contiguous()
    packed = torch.ops.mkldnn._reorder_convolution_weight(weight, paddings, strides, [1, 1], 1, shape)
    return Conv(packed, bias.to(maps.dtype), strides, paddings)


def pack_conv(conv: Any, maps: Maps) -> Conv:
    """A `nn.Conv2d`, packed."""
    return pack(conv.weight, conv.bias, maps, conv.stride[0], conv.padding[0])


def pack_linear(layers: list[Any], maps: Maps) -> Conv:
    """Linear layers over the channels, side by side, as one 1x1 convolution."""
    weight, bias = torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
    return pack(weight[:, :, None, None], bias, maps)


def pack_doubling(conv: Any, maps: Maps) -> Conv:
    """Nearest-neighbour doubling and a 3x3 convolution as one transposed convolution."""
    kernel = unet_blocks.doubling_kernel(conv.weight.float())
    strides, paddings, shape = [2, 2], [1, 1], [maps.pictures, len(kernel), maps.side, maps.side]
    packed = torch.ops.mkldnn._reorder_convolution_transpose_weight(
        kernel.to(maps.dtype).contiguous(), paddings, [0, 0], strides, [1, 1], 1, shape
    )
    return Conv(packed, conv.bias.to(maps.dtype), strides, paddings)


def pack_norm(norm: nn.GroupNorm, activation: str) -> Norm:
    """A group normalization in float32, whatever the network's format."""
    return Norm(
        norm.weight.detach().float(), norm.bias.detach().float(), norm.num_groups, norm.eps, activation
    )


def pack_residual(block: unet_blocks.ResnetBlock, activation: str, maps: Maps) -> Residual:
    """A residual block, packed for maps of the side it is entered with."""
    side = maps.side
    inside = maps._replace(side={"up": side * 2, "down": side // 2}.get(block.resample, side))
    return Residual(
        norm1=pack_norm(block.norm1, activation),
        conv1=pack_conv(block.conv1, inside),
        norm2=pack_norm(block.norm2, activation),
        conv2=pack_conv(block.conv2, inside),
        shortcut=pack_conv(block.conv_shortcut, inside) if block.conv_shortcut is not None else None,
        shift_only=block.shift_only,
        scale=float(block.scale),
        resample=block.resample,
    )


def pack_attention(block: unet_blocks.Attention, maps: Maps) -> PackedAttention:
    """An attention block, packed."""
    return PackedAttention(
        norm=pack_norm(block.group_norm, "") if block.group_norm is not None else None,
        to_qkv=pack_linear([block.to_q, block.to_k, block.to_v], maps),
        to_out=pack_linear([block.to_out[0]], maps),
        heads=block.heads,
        scale=float(block.scale),
    )
