"""How much memory a text model takes, estimated before it is loaded, and how its network is placed on a small graphics card.

The weights are counted; what a step and the decoding take beside them is estimated from measurements with diffusers 0.42.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from diffusion_studio.language import tr
from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.models.text.families import FAMILIES
from diffusion_studio.settings.units import size

if TYPE_CHECKING:
    from torch.nn import Module

Network = TypeVar("Network", bound="Module")

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Numbers kept at once for each place of the latents, and for each pixel while the autoencoder decodes (its widest layers).
PER_LATENT, PER_PIXEL = 16_000, 700
TILE = 512 * 512  # pixels of a tile, where decoding is tiled


@dataclass(frozen=True)
class Estimate:
    """Bytes a generation takes."""

    weights: int  # of all parts
    network: int  # of the network that is walked with, which stays on the device
    work: int  # beside the weights, at its most

    @property
    def on_cpu(self) -> int:
        """Where every part stays in memory."""
        return self.weights + self.work

    @property
    def on_card(self) -> int:
        """On a graphics card, which the encoders leave after use."""
        return self.network + self.work


def estimate(
    facts: TextFacts, dtype: str = "float32", *, sides: tuple[int, int] | None = None, count: int = 1
) -> Estimate:
    """For `count` images of these sides in pixels at once, two rows each for the guidance."""
    family = FAMILIES[facts.family]
    width, height = sides or (family.size, family.size)
    each = BYTES[dtype]
    autoencoder = 4 if dtype == "float16" else each
    parts = {
        role: number * (autoencoder if role == "vae" else each) for role, number in facts.parameters.items()
    }
    step = 2 * count * (width * height // 64) * PER_LATENT * each
    decoding = min(width * height, TILE) * PER_PIXEL * autoencoder
    resident = parts.get(family.network, 0) + parts.get("vae", 0)
    return Estimate(sum(parts.values()), resident, max(step, decoding))


def needs(facts: TextFacts) -> str:
    """“4.6 GB of memory, 2.4 GB in 16 bit; 2.1 GB on a graphics card”; "" where the parts were not counted."""
    if not facts.parameters:
        return ""
    return tr(
        "{whole} of memory, {half} in 16 bit; {card} on a graphics card",
        whole=size(estimate(facts).on_cpu),
        half=size(estimate(facts, "bfloat16").on_cpu),
        card=size(estimate(facts, "bfloat16").on_card),
    )


def free_on(device: str) -> int | None:
    """Bytes free on a graphics card; None where memory is not the card's own, and what does not fit is paged or refused."""
    import torch

    return int(torch.cuda.mem_get_info()[0]) if device == "cuda" else None


def place(network: Network, device: str, *, work: int = 0, free: int | None = None) -> Network:
    """The network on a device: whole where it fits into `free` bytes beside `work`, else layer by layer as each is needed.

    The layers are moved by accelerate: much slower than a whole network, and the same images.
    """
    import torch

    if free is None or _bytes(network) + work <= free:
        return network.to(device)
    from accelerate import cpu_offload

    cpu_offload(network, execution_device=torch.device(device))
    return network


def gather(network: Network) -> Network:
    """A network that was placed layer by layer, whole in memory again, so that its weights can be changed."""
    if not is_apart(network):
        return network
    from accelerate.hooks import remove_hook_from_submodules

    remove_hook_from_submodules(network)
    return network


def is_apart(network: Module) -> bool:
    """Whether a network was placed layer by layer."""
    return any(hasattr(module, "_hf_hook") for module in network.modules())


def _bytes(network: Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in network.parameters())
