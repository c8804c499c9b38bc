"""Which U-Net to train for a picture size and a model size: channels, levels, and attention where the map is 8×8 or less."""

from __future__ import annotations

from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr

WIDTHS = {"small": (32, 96, 160, 192), "medium": (64, 128, 192, 256), "large": (96, 192, 288, 384)}
LARGEST_ATTENTION = (
    8  # side of the map; attention over 16×16 pixels and more costs as much as all convolutions together
)
HEAD_DIM = 32  # several times faster than diffusers' 8, measured, at no loss of quality

# The learning rate of a network of up to `CALM` weights, and the share of it for one that has learned before. After four minutes
# 4e-4 is a tenth worse (KID, measured), 2e-3 a tenth better; for hours nobody has tried that.
FASTEST, CALM, FINER = 1e-3, 8e6, 0.3


def shape_for(size: int, model_size: str = "small", classes: int = 0) -> UNetConfig:
    """The network for pictures of `size`×`size`; `classes` > 0 adds a class table with one more row for "any class".

    Levels halve the picture down to 8 or, for small ones, as often as it can be halved. Raises `UserError` where it can't be.
    """
    widths = WIDTHS[model_size]
    levels = 1
    while levels < 6 and size >> levels >= 8 and size % (1 << levels) == 0:
        levels += 1
    if levels == 1 and size > 16:
        raise UserError(
            tr("Size {size} can not be halved; sizes that are multiples of 16 train well.", size=size)
        )
    channels = tuple(widths[min(level, 3)] for level in range(levels))
    attends = [size >> level <= LARGEST_ATTENTION for level in range(levels)]
    return UNetConfig(
        sample_size=size,
        block_out_channels=channels,
        layers_per_block=2,
        down_block_types=tuple("AttnDownBlock2D" if here else "DownBlock2D" for here in attends),
        up_block_types=tuple("AttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attends)),
        attention_head_dim=HEAD_DIM,
        num_class_embeds=classes + 1 if classes else None,
    )


def learning_rate_for(weights: int, *, new: bool = True) -> float:
    """The size of AdamW's steps that suits a network of so many weights, falling with the root of their number."""
    return FASTEST * min(1.0, (CALM / weights) ** 0.5) * (1.0 if new else FINER)
