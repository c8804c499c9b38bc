"""Which U-Net to train for an image size and a model size: channels, levels, and attention where the map is 8×8 or less."""

from __future__ import annotations

from diffusion_studio.diffusion.unet_config import SPACES, UNetConfig
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.training import LATENTS

WIDTHS = {"small": (32, 96, 160, 192), "medium": (64, 128, 192, 256), "large": (96, 192, 288, 384)}
# Of a network that sees one or two levels of Haar bands, by its own number of levels. It does without the largest maps, which
# cost most: at 64 pixels it took 2.5 times as many images a second as one of pixels (measured).
BAND_WIDTHS = {
    1: {1: (128,), 2: (96, 192), 3: (64, 128, 192), 4: (64, 128, 192, 256)},
    2: {1: (128,), 2: (128, 256), 3: (128, 192, 256), 4: (128, 192, 256, 256)},
}
BAND_SCALE = {"small": 1.0, "medium": 1.5, "large": 2.0}
LARGEST_ATTENTION = (
    8  # side of the map; attention over 16×16 pixels and more costs as much as all convolutions together
)
LATENT_FACTOR, LATENT_CHANNELS = 4, 4  # of the autoencoder that is shipped
HEAD_DIM = 32  # several times faster than diffusers' 8, measured, at no loss of quality

# The learning rate of a network of up to `CALM` weights, and the share of it for one that has learned before. At 3e-3 Muon ended
# with 0.79 times the KID16 of 1e-3 (250 steps, 32 px, measured); runs of hours want less than runs of minutes.
FASTEST, CALM, FINER = {"adamw": 1e-3, "muon": 2e-3}, 8e6, {"adamw": 0.3, "muon": 0.5}


def shape_for(
    size: int, model_size: str = "small", classes: int = 0, space: str = "pixels", channels: int = 3
) -> UNetConfig:
    """The network for images of `size`×`size` and so many channels; `classes` > 0 adds a class table with one more row for
    "any class".

    Levels halve what the network sees in its space down to 8 or, for small images, as often as possible. Raises `UserError`
    where that is not possible.
    """
    if space == LATENTS:
        return shape_for(size // LATENT_FACTOR, model_size, classes, channels=LATENT_CHANNELS)
    bands = SPACES[space]
    side = size >> bands
    if size % (1 << bands) or side < 4:
        raise UserError(
            tr(
                "Size {size} does not fit the space “{space}”: it must be a multiple of {factor}, at least {least}.",
                size=size,
                space=space,
                factor=1 << bands,
                least=4 << bands,
            )
        )
    levels = 1
    while levels < 6 and side >> levels >= 8 and side % (1 << levels) == 0:
        levels += 1
    if levels == 1 and side > 16:
        raise UserError(
            tr("Size {size} cannot be halved; sizes that are multiples of 16 train well.", size=size)
        )
    widths = _widths(model_size, levels, bands)
    by_level = tuple(widths[min(level, len(widths) - 1)] for level in range(levels))
    attends = [side >> level <= LARGEST_ATTENTION for level in range(levels)]
    return UNetConfig(
        sample_size=side,
        in_channels=channels * 4**bands,
        out_channels=channels * 4**bands,
        block_out_channels=by_level,
        layers_per_block=2,
        down_block_types=tuple("AttnDownBlock2D" if here else "DownBlock2D" for here in attends),
        up_block_types=tuple("AttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attends)),
        attention_head_dim=HEAD_DIM,
        num_class_embeds=classes + 1 if classes else None,
        space=space,
    )


def _widths(model_size: str, levels: int, bands: int) -> tuple[int, ...]:
    if not bands:
        return WIDTHS[model_size]
    small = BAND_WIDTHS[bands][min(levels, 4)]
    return tuple(round(BAND_SCALE[model_size] * width / HEAD_DIM) * HEAD_DIM for width in small)


def learning_rate_for(weights: int, optimizer: str, *, new: bool = True) -> float:
    """The size of an optimizer's steps that suits a network of so many weights, falling with the root of their number."""
    return float(FASTEST[optimizer] * min(1.0, (CALM / weights) ** 0.5) * (1.0 if new else FINER[optimizer]))
