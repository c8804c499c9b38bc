"""The shape of a U-Net, as unet/config.json describes it: every value checked before anything is built. No torch.

Keys and defaults are those of diffusers' UNet2DModel; blocks it knows but we do not are refused by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DOWN_BLOCKS = ("DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D")
UP_BLOCKS = ("UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D")
SPACES = {"pixels": 0, "haar": 1, "haar2": 2}  # what the network sees an image as -> levels of Haar bands
COORDINATES = 2  # channels: across and down
USUAL_SIZE = 32  # pixels, where a configuration names none
LARGEST_SIDE = 4096
# What diffusers' EMAModel writes into the config.json of a network it saves.
AVERAGE = frozenset(
    "decay min_decay optimization_step update_after_step use_ema_warmup inv_gamma power foreach".split()
)
MOST_CHANNELS, MOST_LEVELS, MOST_LAYERS, MOST_CLASSES = 4096, 8, 16, 100_000


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """One field for each key of unet/config.json. Raises ValueError naming the key that is wrong and what is allowed."""

    sample_size: int | tuple[int, int] | None = None  # the side of a square, or height and width
    in_channels: int = 3
    out_channels: int = 3
    center_input_sample: bool = False
    time_embedding_type: str = "positional"
    time_embedding_dim: int | None = None
    freq_shift: float = 0
    flip_sin_to_cos: bool = True
    down_block_types: tuple[str, ...] = (
        "DownBlock2D",
        "AttnDownBlock2D",
        "AttnDownBlock2D",
        "AttnDownBlock2D",
    )
    mid_block_type: str | None = "UNetMidBlock2D"
    up_block_types: tuple[str, ...] = ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    block_out_channels: tuple[int, ...] = (224, 448, 672, 896)
    layers_per_block: int = 2
    mid_block_scale_factor: float = 1
    downsample_padding: int = 1
    downsample_type: str = "conv"
    upsample_type: str = "conv"
    dropout: float = 0.0
    act_fn: str = "silu"
    attention_head_dim: int | None = 8
    norm_num_groups: int = 32
    attn_norm_num_groups: int | None = None
    norm_eps: float = 1e-5
    resnet_time_scale_shift: str = "default"
    add_attention: bool = True
    class_embed_type: str | None = None
    num_class_embeds: int | None = None
    num_train_timesteps: int | None = None
    padding: str = "zeros"  # ours; "circular": the left edge continues the right one, so that images tile
    space: str = "pixels"  # ours; in_channels and sample_size are of what the network sees in it
    coordinates: bool = False  # ours; the last two of in_channels say where in the image a place is

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels"):
            _whole(name, getattr(self, name), 1, 64)
        if not isinstance(self.coordinates, bool):
            raise ValueError("coordinates must be true or false.")
        if self.coordinates and self.in_channels <= COORDINATES:
            raise ValueError("in_channels must be more than the two of the coordinates.")
        for name, count in (("in_channels", self.seen), ("out_channels", self.out_channels)):
            if self.space in SPACES and count % 4**self.space_levels:
                raise ValueError(
                    f"{name} must be a multiple of {4**self.space_levels} in the space {self.space!r}."
                )
        _levels(self)
        _whole("layers_per_block", self.layers_per_block, 1, MOST_LAYERS)
        _whole("norm_num_groups", self.norm_num_groups, 1, MOST_CHANNELS)
        _whole("downsample_padding", self.downsample_padding, 0, 1)
        _size(self.sample_size)
        for name, high in _OPTIONAL.items():
            if getattr(self, name) is not None:
                _whole(name, getattr(self, name), 1, high)
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} {str(getattr(self, name))[:60]!r} is not supported; allowed: {_words(allowed)}."
                )
        for name, (least, most) in _RANGES.items():
            _number(name, getattr(self, name), least, most)
        for name in ("center_input_sample", "flip_sin_to_cos", "add_attention"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false.")
        _divisible(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> UNetConfig:
        """From the JSON object; keys that begin with "_" are notes, those of `AVERAGE` say how its weights were averaged.

        Any other unknown key is of a newer version: it is refused, unless it is null or false and so asks for nothing.
        """
        known = {field.name for field in dataclasses.fields(UNetConfig)}
        notes = [key for key in values if key.startswith("_") or key in AVERAGE]
        unknown = [key for key in values if key not in known and key not in notes]
        asking = [key for key in unknown if values[key] is not None and values[key] is not False]
        if asking:
            key = asking[0]
            raise ValueError(
                f"{key[:60]!r} is not a setting of UNet2DModel; it is {str(values[key])[:60]!r}."
            )
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known
        }
        if (
            isinstance(plain.get("sample_size"), tuple)
            and len(plain["sample_size"]) == 2
            and len(set(map(repr, plain["sample_size"]))) == 1
        ):
            plain["sample_size"] = plain["sample_size"][0]  # a square, written as a pair
        return UNetConfig(**plain)

    def to_dict(self) -> dict[str, Any]:
        """As diffusers writes it; what it does not know only where it is not as usual."""
        values = dataclasses.asdict(self)
        if self.space == "pixels":
            del values["space"]
        if self.padding == "zeros":
            del values["padding"]
        if not self.coordinates:
            del values["coordinates"]
        return {
            "_class_name": "UNet2DModel",
            **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items()},
        }

    @property
    def space_levels(self) -> int:
        """Of Haar bands; 0 for pixels."""
        return SPACES[self.space]

    @property
    def seen(self) -> int:
        """Channels of what the network sees of an image, without coordinates."""
        return self.in_channels - (COORDINATES if self.coordinates else 0)

    @property
    def channels(self) -> int:
        """Of an image: 1 grey, 3 RGB."""
        return self.seen // 4**self.space_levels

    @property
    def map_sides(self) -> tuple[int, int]:
        """Height and width of what the network sees; USUAL_SIZE where the configuration names none."""
        size = self.sample_size or USUAL_SIZE
        return size if isinstance(size, tuple) else (size, size)

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the images it was trained on, in pixels."""
        height, width = self.map_sides
        return height << self.space_levels, width << self.space_levels

    @property
    def smallest_factor(self) -> int:
        """Sides of an image must be multiples of this, one halving for each level but the last, and for each of the space."""
        return 2 ** (len(self.block_out_channels) - 1 + self.space_levels)


_OPTIONAL = {
    "time_embedding_dim": 4 * MOST_CHANNELS,
    "attention_head_dim": MOST_CHANNELS,
    "attn_norm_num_groups": MOST_CHANNELS,
    "num_class_embeds": MOST_CLASSES,
    "num_train_timesteps": 100_000,
}
_CHOICES: dict[str, tuple[str | None, ...]] = {
    "time_embedding_type": ("positional", "learned"),
    "mid_block_type": ("UNetMidBlock2D", None),
    "downsample_type": ("conv", "resnet"),
    "upsample_type": ("conv", "resnet"),
    "act_fn": ("silu", "swish", "mish", "gelu", "relu"),
    "resnet_time_scale_shift": ("default", "scale_shift"),
    "class_embed_type": (None, "timestep", "identity"),
    "space": tuple(SPACES),
    "padding": ("zeros", "circular"),
}
_RANGES = {"freq_shift": (0, 8), "mid_block_scale_factor": (1e-3, 1e3), "dropout": (0, 1), "norm_eps": (0, 1)}


def _size(size: object) -> None:
    if size is None:
        return
    sides = size if isinstance(size, tuple) else (size,)
    if isinstance(size, tuple) and len(sides) != 2:
        raise ValueError(f"sample_size must be one whole number or height and width, not {str(size)[:60]}.")
    for side in sides:
        _whole("sample_size", side, 1, LARGEST_SIDE)


def _levels(config: UNetConfig) -> None:
    if not isinstance(config.block_out_channels, tuple):
        raise ValueError("block_out_channels must be a list of whole numbers, one for each level.")
    levels = len(config.block_out_channels)
    if not 1 <= levels <= MOST_LEVELS:
        raise ValueError(f"block_out_channels must name 1 to {MOST_LEVELS} levels, not {levels}.")
    for channels in config.block_out_channels:
        _whole("block_out_channels", channels, 1, MOST_CHANNELS)
    for name, allowed in (("down_block_types", DOWN_BLOCKS), ("up_block_types", UP_BLOCKS)):
        blocks = getattr(config, name)
        if not isinstance(blocks, tuple) or len(blocks) != levels:
            raise ValueError(f"{name} must name one block for each of the {levels} levels.")
        for block in blocks:
            if block not in allowed:
                raise ValueError(f"{name}: {str(block)[:60]!r} is not supported; allowed: {_words(allowed)}.")


def _divisible(config: UNetConfig) -> None:
    for channels in config.block_out_channels:
        if channels % config.norm_num_groups:
            raise ValueError(
                f"block_out_channels {channels} is not a multiple of norm_num_groups {config.norm_num_groups}."
            )
    for channels in _attending(config):
        if config.attention_head_dim and config.attention_head_dim > channels:
            raise ValueError(
                f"attention_head_dim {config.attention_head_dim} is larger than {channels} channels."
            )
    deepest = config.block_out_channels[-1]
    if config.attn_norm_num_groups and deepest % config.attn_norm_num_groups:
        raise ValueError(
            f"attn_norm_num_groups {config.attn_norm_num_groups} does not divide {deepest} channels."
        )
    if config.time_embedding_type == "positional" and config.freq_shift >= config.block_out_channels[0] // 2:
        raise ValueError("freq_shift must be less than half of the first of block_out_channels.")


def _attending(config: UNetConfig) -> list[int]:
    """The channels of every level that has attention."""
    channels = config.block_out_channels
    down = [c for c, block in zip(channels, config.down_block_types, strict=True) if block.startswith("Attn")]
    up = [
        c
        for c, block in zip(reversed(channels), config.up_block_types, strict=True)
        if block.startswith("Attn")
    ]
    return down + up + ([channels[-1]] if config.add_attention and config.mid_block_type else [])


def _whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {str(value)[:60]}.")


def _number(name: str, value: object, low: float, high: float) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, not {str(value)[:60]}.")


def _words(allowed: tuple[str | None, ...]) -> str:
    return ", ".join("null" if word is None else word for word in allowed)
