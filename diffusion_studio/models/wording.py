"""A model's card in words a reader follows: what the network is, what it learned from, how much room it takes. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from diffusion_studio.diffusion.names import PREDICTIONS, SPACES
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.language import tr
from diffusion_studio.models.cards import ModelCard
from diffusion_studio.settings.units import duration, millions

SCHEDULES = {
    "linear": "linear",
    "scaled_linear": "scaled linear",
    "squaredcos_cap_v2": "cosine",
    "sigmoid": "sigmoid",
}


def architecture(card: ModelCard) -> str:
    """“U-Net, 3 levels, 6.4 M parameters, attention at 8×8”."""
    levels = len(card.network.block_out_channels)
    parts = [_kind(card.network), f"{levels} level{'s' if levels > 1 else ''}"]
    if card.parameters:
        parts.append(f"{millions(card.parameters)} parameters")
    sides = attention_sides(card.network, card.size)
    parts.append(
        f"attention at {' and '.join(f'{side}×{side}' for side in sides)}" if sides else "no attention"
    )
    return ", ".join(parts)


def _kind(config: UNetConfig) -> str:
    return "U-Net" if config.space == "pixels" else tr("U-Net on {space}", space=SPACES[config.space])


def attention_sides(config: UNetConfig, size: int) -> list[int]:
    """The sides of the pictures inside the network that are seen as a whole, the largest first."""
    levels = len(config.block_out_channels)
    found = {level for level, block in enumerate(config.down_block_types) if block.startswith("Attn")}
    found |= {
        levels - 1 - level for level, block in enumerate(config.up_block_types) if block.startswith("Attn")
    }
    if config.add_attention and config.mid_block_type:
        found.add(levels - 1)
    return [size >> config.space_levels + level for level in sorted(found)]


def widths(config: UNetConfig) -> str:
    """“64, 128, 128 channels, 2 blocks a level”."""
    blocks = f"{config.layers_per_block} block{'s' if config.layers_per_block > 1 else ''} a level"
    return tr("{map} channels, {blocks}", map=", ".join(map(str, config.block_out_channels)), blocks=blocks)


def draws(card: ModelCard) -> str:
    """“32 × 32 pixels, in colour, 5 classes”."""
    parts = [f"{card.pixels(' × ')} pixels", "in grey" if card.channels == 1 else "in colour"]
    if card.class_count:
        parts.append(f"{len(card.classes)} classes")
    return ", ".join(parts)


def predicts(card: ModelCard) -> str:
    """What the network answers, and the noise it was trained on."""
    steps = card.schedule.get("num_train_timesteps", 1000)
    if card.flow:
        return tr(
            "{predictions}; a straight line to noise, {steps:,} timesteps{shift}",
            predictions=PREDICTIONS[card.prediction],
            steps=steps,
            shift=_shift(card),
        )
    name = str(card.schedule.get("beta_schedule", "linear"))
    known = (
        "a noise schedule of its own"
        if card.schedule.get("trained_betas")
        else f"{SCHEDULES.get(name, name)} noise"
    )
    return tr(
        "{get}; {known}, {steps:,} timesteps",
        get=PREDICTIONS.get(card.prediction, card.prediction),
        known=known,
        steps=steps,
    )


def _shift(card: ModelCard) -> str:
    """“, shift 3”; "" where there is none."""
    if card.schedule.get("use_dynamic_shifting"):
        return ", shifted by size"
    shift = card.schedule.get("flow_shift") or card.schedule.get("shift") or 1
    return f", shift {shift:g}" if shift != 1 else ""


def training(card: ModelCard) -> str:
    """“7,200 pictures, 7,854 steps, 1 h 46 min”; "" where the card does not say."""
    return ", ".join(_training(card))


def _training(card: ModelCard) -> Iterator[str]:
    facts = card.trained
    for key, words in (("pictures", "pictures"), ("steps", "steps")):
        if type(facts.get(key)) is int:
            yield f"{facts[key]:,} {words}"
    seconds = facts.get("seconds")
    if isinstance(seconds, int | float) and 0 < seconds < 1e9:
        yield duration(seconds)
    for key, words in (("device", "on {}"), ("from", "going on from {}")):
        if isinstance(facts.get(key), str) and facts[key]:
            yield words.format(facts[key][:60])


def disk_size(card: ModelCard) -> int:
    """Bytes of every file in the model's folder."""
    try:
        return sum(path.stat().st_size for path in card.path.rglob("*") if path.is_file())
    except OSError:
        return 0
