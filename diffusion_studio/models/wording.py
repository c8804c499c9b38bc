"""A model's card in words a reader follows: what the network is, what it learned from, how much room it takes. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from diffusion_studio.diffusion.names import PREDICTIONS, SPACES
from diffusion_studio.diffusion.scheduler_classes import is_consistency
from diffusion_studio.diffusion.unet_config import UNetConfig
from diffusion_studio.language import plural, tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.models.text.families import FAMILIES
from diffusion_studio.settings.units import duration, millions

SCHEDULES = {
    "linear": "linear",
    "scaled_linear": tr("scaled linear"),
    "squaredcos_cap_v2": "cosine",
    "sigmoid": "sigmoid",
}


def architecture(card: ModelCard) -> str:
    """“U-Net, 3 levels, 6.4 M parameters, attention at 8×8”, or “Stable Diffusion XL, 3.5 B parameters”."""
    if card.text is not None:
        return _text_model(card, card.text)
    levels = len(card.network.block_out_channels)
    parts = [_kind(card.network), plural("{count} level", "{count} levels", levels)]
    if card.parameters:
        parts.append(tr("{parameters} parameters", parameters=millions(card.parameters)))
    sides = attention_sides(card.network, card.size)
    parts.append(
        tr("attention at {sizes}", sizes=tr(" and ").join(f"{side}×{side}" for side in sides))
        if sides
        else tr("no attention")
    )
    return ", ".join(parts)


def _text_model(card: ModelCard, facts: TextFacts) -> str:
    count = [tr("{parameters} parameters", parameters=millions(card.parameters))] if card.parameters else []
    return ", ".join([FAMILIES[facts.family].title, tr("from prompts"), *count])


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


def layers(card: ModelCard) -> str:
    """What `widths` says of a model of pixels; the parts of one that generates from prompts."""
    if card.text is None:
        return widths(card.network)
    counts = card.text.parameters.items()
    return ", ".join(f"{role.replace('_', ' ')} {millions(count)}" for role, count in counts)


def widths(config: UNetConfig) -> str:
    """“64, 128, 128 channels, 2 blocks per level”."""
    blocks = plural("{count} block per level", "{count} blocks per level", config.layers_per_block)
    return tr(
        "{widths} channels, {blocks}", widths=", ".join(map(str, config.block_out_channels)), blocks=blocks
    )


def draws(card: ModelCard) -> str:
    """“32 × 32 pixels, in colour, 5 classes”."""
    parts = [
        tr("{size} pixels", size=card.pixels(" × ")),
        {1: tr("in greyscale"), 4: tr("in colour with transparency")}.get(card.channels, tr("in colour")),
    ]
    if card.class_count:
        parts.append(plural("{count} class", "{count} classes", len(card.classes)))
    return ", ".join(parts)


def predicts(card: ModelCard) -> str:
    """What the network answers, and the noise it was trained on."""
    steps = card.schedule.get("num_train_timesteps", 1000)
    if card.flow:
        return tr(
            "{prediction}; a straight line to noise, {steps:,} timesteps{shift}",
            prediction=PREDICTIONS[card.prediction],
            steps=steps,
            shift=_shift(card),
        )
    if is_consistency(card.schedule):
        return tr(
            "Clean image (consistency); {levels:,} noise levels",
            levels=card.schedule.get("num_train_timesteps", 40),
        )
    name = str(card.schedule.get("beta_schedule", "linear"))
    known = (
        tr("a noise schedule of its own")
        if card.schedule.get("trained_betas")
        else tr("{name} noise", name=SCHEDULES.get(name, name))
    )
    return tr(
        "{prediction}; {noise}, {steps:,} timesteps",
        prediction=PREDICTIONS.get(card.prediction, card.prediction),
        noise=known,
        steps=steps,
    )


def _shift(card: ModelCard) -> str:
    """“, shift 3”; "" where there is none."""
    if card.schedule.get("use_dynamic_shifting"):
        return tr(", shifted by size")
    shift = card.schedule.get("flow_shift") or card.schedule.get("shift") or 1
    return tr(", shift {shift:g}", shift=shift) if shift != 1 else ""


def training(card: ModelCard) -> str:
    """“7,200 images, 7,854 steps, 1 h 46 min”; "" where the card does not say."""
    return ", ".join(_training(card))


def _training(card: ModelCard) -> Iterator[str]:
    facts = card.trained
    if type(facts.get("pictures")) is int:
        yield plural("{count:,} image", "{count:,} images", facts["pictures"])
    if type(facts.get("steps")) is int:
        yield plural("{count:,} step", "{count:,} steps", facts["steps"])
    seconds = facts.get("seconds")
    if isinstance(seconds, int | float) and 0 < seconds < 1e9:
        yield duration(seconds)
    if isinstance(facts.get("device"), str) and facts["device"]:
        yield tr("on {device}", device=facts["device"][:60])
    if isinstance(facts.get("teacher"), str) and facts["teacher"]:
        yield tr("made fast from {model}", model=str(facts.get("teacher_title") or facts["teacher"])[:60])
    if isinstance(facts.get("from"), str) and facts["from"]:
        yield tr("fine-tuned from {model}", model=facts["from"][:60])


def disk_size(card: ModelCard) -> int:
    """Bytes of every file in the model's folder, or of the files that a registered model names."""
    if card.text is not None and card.text.disk:
        return card.text.disk
    try:
        return sum(path.stat().st_size for path in card.path.rglob("*") if path.is_file())
    except OSError:
        return 0
