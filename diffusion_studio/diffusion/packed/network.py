"""A whole U-Net put together from the fast parts, and the table of what its blocks are given for time and class."""

import warnings
from collections import OrderedDict
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_studio.diffusion import unet, unet_blocks
from diffusion_studio.diffusion.packed.parts import (
    Conv,
    Maps,
    Norm,
    PackedAttention,
    Residual,
    attention,
    convolve,
    double,
    halve,
    normalize,
    pack_attention,
    pack_conv,
    pack_doubling,
    pack_norm,
    pack_residual,
    residual,
)
from diffusion_studio.diffusion.spaces import to_bands, to_pixels
from diffusion_studio.diffusion.unet import UNet

TABLE_BYTES = 16 << 20


class Engine:
    """network(x, timestep (N,), labels) -> prediction in float32, on the CPU, from weights packed in `dtype`.

    `count`: for about how many pictures at once it is meant to be fastest. The network must not change afterwards. One thread
    at a time.
    """

    @torch.no_grad()
    def __init__(self, network: UNet, dtype: torch.dtype, count: int = 1) -> None:
        self.dtype, self.levels = dtype, network.config.space_levels
        self.placed = network.config.coordinates
        maps = Maps(dtype, count, max(network.config.map_sides))
        walk = Walk(network, maps)
        self.times = TimeTable(network, walk.resnets, dtype)
        self.body = compiled(Body(network, walk.units, maps))

    def __call__(self, x: Tensor, timestep: Tensor, labels: Tensor | None, explicit: int = 0) -> Tensor:
        """explicit: the most tokens for which attention is written out instead of left to torch's fused kernel."""
        # TorchScript's optimizing would make the first two calls slow and the rest no faster.
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            times = self.times(timestep, labels)
            bands = to_bands(x, self.levels)
            if self.placed:
                bands = unet.with_places(bands)
            prediction = self.body(bands.to(self.dtype, memory_format=torch.channels_last), times, explicit)
        prediction = prediction.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        return to_pixels(prediction, self.levels)


def compiled(module: nn.Module) -> nn.Module:
    """The same module without Python between its operations; itself where TorchScript cannot compile it."""
    try:
        with warnings.catch_warnings():
            # TorchScript is called deprecated, but its heir needs a C++ compiler and minutes.
            warnings.simplefilter("ignore")
            return torch.jit.script(module)
    except Exception:  # whatever it was, the module runs as it is
        return module


class Unit(NamedTuple):
    """One stride of the way through the network: each part that is not None, in this order."""

    joins: bool  # the latest skip connection, before anything else
    residual: Residual | None
    attention: PackedAttention | None
    halving: Conv | None
    doubling: Conv | None
    leaves: bool  # a skip connection, after all


class Body(nn.Module):
    """The network between its embedding and its answer: (x, what each residual block is given) -> prediction."""

    units: list[Unit]
    conv_in: Conv
    norm_out: Norm
    conv_out: Conv

    def __init__(self, network: UNet, units: list[Unit], maps: Maps) -> None:
        super().__init__()
        self.center = network.config.center_input_sample
        self.units = units
        self.conv_in = pack_conv(network.conv_in, maps)
        self.norm_out = pack_norm(network.conv_norm_out, "silu")
        self.conv_out = pack_conv(network.conv_out, maps)

    def forward(self, x: Tensor, times: list[Tensor], explicit: int) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H, W); `explicit`: as for `attention`."""
        h = convolve(2 * x - 1 if self.center else x, self.conv_in, self.conv_in.bias)
        skips = [h]
        place = 0
        for joins, block, attentive, halving, doubling, leaves in self.units:
            if joins:
                h = torch.cat([h, skips.pop()], dim=1)
            if block is not None:
                h = residual(h, block, times[place])
                place += 1
            if attentive is not None:
                h = attention(h, attentive, explicit)
            if halving is not None:
                h = halve(h, halving)
            if doubling is not None:
                h = double(h, doubling)
            if leaves:
                skips.append(h)
        return convolve(normalize(h, self.norm_out), self.conv_out, self.conv_out.bias)


class Walk:
    """The blocks of a U-Net in the order in which they run, each packed for the side of its map.

    (Any, because a ModuleList only promises modules.)
    """

    def __init__(self, network: UNet, maps: Maps) -> None:
        self.activation, self.maps = network.config.act_fn, maps
        self.units: list[Unit] = []
        self.resnets: list[unet_blocks.ResnetBlock] = []
        for down in network.down_blocks:
            self.level(down, leaves=True)
        middle: Any = network.mid_block
        if middle is not None:
            self.block(middle.resnets[0], middle.attentions)
            self.block(middle.resnets[1])
        for up in network.up_blocks:
            self.level(up, joins=True)

    def level(self, level: Any, *, joins: bool = False, leaves: bool = False) -> None:
        """Add the blocks of a level, then its resampler."""
        for index, resnet in enumerate(level.resnets):
            self.block(resnet, level.attentions[index : index + 1], joins=joins, leaves=leaves)
        if not level.last:
            self.resample((level.downsamplers if leaves else level.upsamplers)[0], down=leaves)

    def block(
        self,
        resnet: unet_blocks.ResnetBlock,
        attentions: Any = (),
        *,
        joins: bool = False,
        leaves: bool = False,
    ) -> None:
        """Add a residual block and the attention after it, if there is one."""
        packed = pack_residual(resnet, self.activation, self.maps)
        attention = pack_attention(attentions[0], self.maps) if attentions else None
        self.units.append(Unit(joins, packed, attention, None, None, leaves))
        self.resnets.append(resnet)

    def resample(self, resampler: Any, *, down: bool) -> None:
        """Add a resampler; what follows is packed for half or twice the side."""
        if isinstance(resampler, unet_blocks.ResnetBlock):
            self.block(resampler, leaves=down)
        elif down:
            halving = pack_conv(resampler.conv, self.maps)
            self.units.append(Unit(False, None, None, halving, None, leaves=True))
        else:
            doubling = pack_doubling(resampler.conv, self.maps)
            self.units.append(Unit(False, None, None, None, doubling, leaves=False))
        side = self.maps.side
        self.maps = self.maps._replace(side=side // 2 if down else side * 2)


class TimeTable:
    """What each residual block is given for time step and class: all their projections in one product, in float32.

    Remembered for each batch of them. It depends on that batch alone, so the same call always returns the same bits.
    """

    def __init__(self, network: UNet, resnets: list[unet_blocks.ResnetBlock], dtype: torch.dtype) -> None:
        self.network, self.dtype = network, dtype
        self.shift_only, self.activation = resnets[0].shift_only, resnets[0].nonlinearity
        self.weight = torch.cat([resnet.time_emb_proj.weight for resnet in resnets]).float()
        self.bias = torch.cat([_time_bias(resnet) for resnet in resnets]).float()
        self.sizes = [resnet.time_emb_proj.out_features for resnet in resnets]
        self.known: OrderedDict[tuple[bytes, bytes], list[Tensor]] = OrderedDict()
        self.bytes = 0

    def __call__(self, timestep: Tensor, labels: Tensor | None) -> list[Tensor]:
        key = timestep.numpy().tobytes(), b"" if labels is None else labels.numpy().tobytes()
        if key in self.known:
            self.known.move_to_end(key)
        else:
            self.known[key] = self.compute(timestep, labels)
            self.bytes += _bytes(self.known[key])
            while self.bytes > TABLE_BYTES and len(self.known) > 1:
                self.bytes -= _bytes(self.known.popitem(last=False)[1])
        return self.known[key]

    def compute(self, timestep: Tensor, labels: Tensor | None) -> list[Tensor]:
        """For each block a bias, (C,) where time and class are one, else (N, C, 1, 1); or scale and shift (N, 2C, 1, 1)."""
        alike = all(bool((rows == rows[0]).all()) for rows in (timestep, labels) if rows is not None)
        if alike:
            timestep, labels = timestep[:1], None if labels is None else labels[:1]
        embedding = self.network.embed(timestep, labels).float()
        given = F.linear(self.activation(embedding), self.weight, self.bias)
        if not self.shift_only:
            return list(given[:, :, None, None].split(self.sizes, dim=1))
        if alike:
            return list(given[0].split(self.sizes))
        return list(given.to(self.dtype)[:, :, None, None].split(self.sizes, dim=1))


def _time_bias(resnet: Any) -> Tensor:
    """With what follows the projection: the bias of the first convolution, or the 1 in (1 + scale)."""
    bias = resnet.time_emb_proj.bias
    if resnet.shift_only:
        return bias + resnet.conv1.bias
    half = len(bias) // 2
    return bias + torch.cat([torch.ones(half), torch.zeros(half)])


def _bytes(times: list[Tensor]) -> int:
    return sum(time.numel() * time.element_size() for time in times)
