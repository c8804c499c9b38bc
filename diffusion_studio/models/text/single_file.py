"""What a text model in one file is, by the names and shapes of its tensors: its family, and a configuration for each part.

Such a file names neither. The templates of the families (`families.template`) say what shapes cannot: activations, heads,
scaling; everything else is counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.text.components import Component
from diffusion_studio.models.text.conversions import NETWORK, layer_of
from diffusion_studio.models.text.families import template
from diffusion_studio.models.weights_file import Shapes

HEAD = 64  # channels of an attention head in every CLIP and in the networks since Stable Diffusion 2
SD1_ENCODER, SD2_ENCODER = "cond_stage_model.transformer.", "cond_stage_model.model."
XL_ENCODERS = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")
REFINER_ENCODER = "conditioner.embedders.0.model."
AUTOENCODERS = ("first_stage_model.", "vae.")
Z_IMAGE = ("model.diffusion_model.layers.0.adaLN_modulation.0.weight", "layers.0.adaLN_modulation.0.weight")
MOST_BLOCKS = 100


def family_of(shapes: Shapes) -> str:
    """The name of the family, by the encoders in the file, else by the width of the text that its network takes; "" for none."""
    if any(name in shapes for name in Z_IMAGE):
        return "z-image"
    if any(name.startswith(XL_ENCODERS[1]) for name in shapes):
        return "sdxl"
    if any(name.startswith(REFINER_ENCODER) for name in shapes):
        return "refiner"
    if any(name.startswith(SD1_ENCODER) for name in shapes):
        return "sd1"
    if any(name.startswith(SD2_ENCODER) for name in shapes):
        return "sd2"
    widths = {shapes[name][-1] for name in shapes if name.endswith("attn2.to_k.weight") and shapes[name]}
    return (
        {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "refiner"}.get(min(widths), "")
        if len(widths) == 1
        else ""
    )


def channels_in(shapes: Shapes) -> int:
    """How many channels the network takes: 4 for latents, 9 with a mask and an image, 8 for instructions; 0 unknown."""
    for name in (
        NETWORK + "input_blocks.0.0.weight",
        "input_blocks.0.0.weight",
        "conv_in.weight",
        "unet.conv_in.weight",
    ):
        if len(shapes.get(name, ())) == 4:
            return shapes[name][1]
    return 0


def components_of(path: Path, shapes: Shapes, family: str) -> list[Component]:
    """The parts that a file holds, each with its configuration. Raises `UserError` where they are not laid out as known."""
    try:
        return [
            part
            for part in (
                _network(path, shapes, family),
                _autoencoder(path, shapes, family),
                *_encoders(path, shapes, family),
            )
            if part is not None
        ]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UserError(
            tr("{path}: its weights are not laid out as those of a model of this kind.", path=path),
            f"{type(error).__name__}: {error}",
        ) from None


def _component(path: Path, role: str, config: Mapping[str, Any], layout: str, prefix: str) -> Component:
    kind = config.get("_class_name") or config["architectures"][0]
    return Component(role, str(kind), config, (path,), layout=layout, prefix=prefix, where=path)


# The network ----------------------------------------------------------------------------------------------------------


def _network(path: Path, shapes: Shapes, family: str) -> Component | None:
    if family == "z-image":
        prefix = NETWORK if Z_IMAGE[0] in shapes else ""
        return _component(path, "transformer", _transformer_config(shapes, prefix), "z-image", prefix)
    for prefix in (NETWORK, ""):
        if prefix + "input_blocks.0.0.weight" in shapes:
            own = {
                name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)
            }
            return _component(path, "unet", _latent_config(own, family), "ldm", prefix)
    for prefix in ("unet.", ""):
        if prefix + "conv_in.weight" in shapes and prefix + "time_embedding.linear_1.weight" in shapes:
            own = {
                name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)
            }
            return _component(path, "unet", _unet_config(own, family), "diffusers", prefix)
    return None


def _latent_config(own: Shapes, family: str) -> dict[str, Any]:
    """Counted from the input blocks: a first convolution, then of each level its blocks and what halves the side."""
    levels: list[list[int]] = [[]]  # numbers of the blocks of each level
    for number in range(1, _count(own, r"input_blocks\.(\d+)\.")):
        if f"input_blocks.{number}.0.op.weight" in own:
            levels.append([])
        else:
            levels[-1].append(number)
    layers = len(levels[0])
    outputs = range((layers + 1) * len(levels))

    def depth(block: str) -> int:
        return _count(own, rf"{re.escape(block)}\.1\.transformer_blocks\.(\d+)\.")

    upward = [depth(f"output_blocks.{number}") for number in outputs]
    middle = depth("middle_block") if "middle_block.2.in_layers.0.weight" in own else NO_ATTENTION
    return _with_shapes(
        own,
        family,
        Blocks(
            [own[f"input_blocks.{level[0]}.0.out_layers.3.weight"][0] for level in levels],
            [[depth(f"input_blocks.{number}") for number in level] for level in levels],
            [upward[first : first + layers + 1] for first in range(0, len(upward), layers + 1)],
            middle if "middle_block.0.in_layers.0.weight" in own else NO_MIDDLE,
        ),
        any(len(shape) == 2 for name, shape in own.items() if name.endswith(".1.proj_in.weight")),
        ("label_emb.0.0.weight", "time_embed.cond_proj.weight", "input_blocks.0.0.weight", "out.2.weight"),
    )


def _unet_config(own: Shapes, family: str) -> dict[str, Any]:
    """The same from diffusers' own names."""
    count = _count(own, r"down_blocks\.(\d+)\.")
    layers = _count(own, r"down_blocks\.0\.resnets\.(\d+)\.")

    def depth(block: str, place: int) -> int:
        return _count(own, rf"{re.escape(block)}\.attentions\.{place}\.transformer_blocks\.(\d+)\.")

    middle = depth("mid_block", 0) if "mid_block.resnets.1.conv1.weight" in own else NO_ATTENTION
    return _with_shapes(
        own,
        family,
        Blocks(
            [own[f"down_blocks.{level}.resnets.0.conv1.weight"][0] for level in range(count)],
            [[depth(f"down_blocks.{level}", place) for place in range(layers)] for level in range(count)],
            [[depth(f"up_blocks.{level}", place) for place in range(layers + 1)] for level in range(count)],
            middle if "mid_block.resnets.0.conv1.weight" in own else NO_MIDDLE,
        ),
        any(len(shape) == 2 for name, shape in own.items() if name.endswith("attentions.0.proj_in.weight")),
        (
            "add_embedding.linear_1.weight",
            "time_embedding.cond_proj.weight",
            "conv_in.weight",
            "conv_out.weight",
        ),
    )


NO_ATTENTION, NO_MIDDLE = -1, -2


class Blocks(NamedTuple):
    """Of a U-Net: its widths, and how many layers of attention follow each block downward, upward, and between them."""

    widths: list[int]
    down: list[list[int]]
    up: list[list[int]]
    middle: int  # or one of the two above: one block alone, or nothing

    def config(self) -> dict[str, Any]:
        found = {
            "block_out_channels": self.widths,
            "layers_per_block": len(self.down[0]),
            "down_block_types": [
                "CrossAttnDownBlock2D" if any(depths) else "DownBlock2D" for depths in self.down
            ],
            "up_block_types": ["CrossAttnUpBlock2D" if any(depths) else "UpBlock2D" for depths in self.up],
            "transformer_layers_per_block": [max(1, depths[0]) for depths in self.down],
        }
        if not self._regular:  # a network that was made smaller (SSD-1B, Vega, KOALA)
            found["transformer_layers_per_block"] = [_listed(depths) for depths in self.down]
            found["reverse_transformer_layers_per_block"] = [_listed(depths) for depths in self.up]
        if self.middle == NO_MIDDLE:
            found["mid_block_type"] = None
        elif self.middle == NO_ATTENTION:
            found["mid_block_type"] = "UNetMidBlock2D"
        return found

    @property
    def _regular(self) -> bool:
        """Whether the way upward has the depths of the way downward, as one number a level says."""
        depths = [level[0] for level in self.down]
        same = all(set(level) == {depth} for level, depth in zip(self.down, depths, strict=True))
        back = all(set(level) == {depth} for level, depth in zip(self.up, reversed(depths), strict=True))
        return same and back and self.middle in (depths[-1] or self.middle, NO_ATTENTION, NO_MIDDLE)


def _listed(depths: list[int]) -> list[int] | int:
    return depths if len(set(depths)) > 1 else max(1, depths[0])


def _with_shapes(
    own: Shapes, family: str, blocks: Blocks, linear: bool, names: tuple[str, str, str, str]
) -> dict[str, Any]:
    """`names`: of what is added to the timestep, of the guidance it is told, of the first and of the last convolution."""
    added, guided, first, last = names
    config = template(family, "unet")
    context = next((shape[1] for name, shape in own.items() if name.endswith("attn2.to_k.weight")), None)
    config |= {
        **blocks.config(),
        "in_channels": own[first][1],
        "out_channels": own[last][0],
        "attention_head_dim": 8 if family == "sd1" else [max(1, width // HEAD) for width in blocks.widths],
        "use_linear_projection": linear,
    }
    if context is not None:
        config["cross_attention_dim"] = context
    if added in own:
        config |= {"addition_embed_type": "text_time", "projection_class_embeddings_input_dim": own[added][1]}
        config.setdefault("addition_time_embed_dim", 256)
    if guided in own:
        config["time_cond_proj_dim"] = own[guided][1]
    return config


def _transformer_config(shapes: Shapes, prefix: str) -> dict[str, Any]:
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    config = template("z-image", "transformer")
    dim, head = own["layers.0.attention_norm1.weight"][0], own["layers.0.attention.q_norm.weight"][0]
    config |= {
        "dim": dim,
        "n_layers": _count(own, r"layers\.(\d+)\."),
        "n_refiner_layers": _count(own, r"noise_refiner\.(\d+)\."),
        "n_heads": dim // head,
        "n_kv_heads": dim // head,
        "cap_feat_dim": own["cap_embedder.0.weight"][0],
        "in_channels": own["x_embedder.weight"][1] // config["all_patch_size"][0] ** 2,
    }
    if head != sum(config["axes_dims"]):
        config["axes_dims"] = [head // 4, head // 8 * 3, head // 8 * 3]
    return config


# The autoencoder and the encoders -------------------------------------------------------------------------------------


def _autoencoder(path: Path, shapes: Shapes, family: str) -> Component | None:
    for prefix in AUTOENCODERS:
        if prefix + "decoder.conv_in.weight" in shapes:
            return _component(path, "vae", autoencoder_config(shapes, prefix, family), "autoencoder", prefix)
    return None


def autoencoder_config(shapes: Shapes, prefix: str, family: str) -> dict[str, Any]:
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    count = _count(own, r"encoder\.down\.(\d+)\.")
    return {
        **template(family, "vae"),
        "latent_channels": own["decoder.conv_in.weight"][1],
        "block_out_channels": [
            own[f"encoder.down.{level}.block.0.conv1.weight"][0] for level in range(count)
        ],
        "layers_per_block": _count(own, r"encoder\.down\.0\.block\.(\d+)\."),
        "down_block_types": ["DownEncoderBlock2D"] * count,
        "up_block_types": ["UpDecoderBlock2D"] * count,
        "use_quant_conv": "quant_conv.weight" in own,
        "use_post_quant_conv": "post_quant_conv.weight" in own,
    }


def _encoders(path: Path, shapes: Shapes, family: str) -> list[Component | None]:
    if family == "sd1":
        return [_clip(path, shapes, family, SD1_ENCODER)]
    if family == "sd2":
        return [_open_clip(path, shapes, family, "text_encoder", SD2_ENCODER)]
    if family == "sdxl":
        return [
            _clip(path, shapes, family, XL_ENCODERS[0]),
            _open_clip(path, shapes, family, "text_encoder_2", XL_ENCODERS[1]),
        ]
    return []


def _clip(path: Path, shapes: Shapes, family: str, prefix: str) -> Component | None:
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    # Some files leave out "text_model.", as transformers itself does since 5.6.
    lead = "" if "embeddings.token_embedding.weight" in own else "text_model."
    if not own:
        return None
    config = {
        **template(family, "text_encoder"),
        "num_hidden_layers": _count(own, rf"{re.escape(lead)}encoder\.layers\.(\d+)\."),
        "intermediate_size": own[lead + "encoder.layers.0.mlp.fc1.weight"][0],
        **_sizes(
            own[lead + "embeddings.token_embedding.weight"],
            own[lead + "embeddings.position_embedding.weight"],
        ),
    }
    return _component(path, "text_encoder", config, "diffusers", prefix)


def _open_clip(path: Path, shapes: Shapes, family: str, role: str, prefix: str) -> Component | None:
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    if not own:
        return None
    layers = 1 + max(layer_of(name) for name in own)
    config = {
        **template(family, role),
        # Stable Diffusion 2 was trained on the layer before the last, and its encoder ends there.
        "num_hidden_layers": layers - 1 if role == "text_encoder" else layers,
        "intermediate_size": own["transformer.resblocks.0.mlp.c_fc.weight"][0],
        **_sizes(own["token_embedding.weight"], own["positional_embedding"]),
    }
    if "text_projection" in own and role == "text_encoder_2":
        config["projection_dim"] = own["text_projection"][1]
    return _component(path, role, config, "openclip", prefix)


def _sizes(tokens: tuple[int, ...], positions: tuple[int, ...]) -> dict[str, int]:
    return {
        "vocab_size": tokens[0],
        "hidden_size": tokens[1],
        "max_position_embeddings": positions[0],
        "num_attention_heads": max(1, tokens[1] // HEAD),
    }


def _count(names: Shapes, pattern: str) -> int:
    """One more than the largest number that the pattern finds at the beginning of a name; 0 for none."""
    found = re.compile(pattern)
    numbers = [int(match[1]) for name in names if (match := found.match(name)) and len(match[1]) < 6]
    largest = max(numbers, default=-1) + 1
    if largest > MOST_BLOCKS:
        raise ValueError(f"{largest} blocks")
    return largest
