"""The changes that a LoRA makes to a model, by any of the names they are written with, and adding them to its weights.

A LoRA is for some layers a few small matrices (`weight_changes`). kohya's scripts flatten the names of layers
(lora_unet_down_blocks_0_…, for SDXL by CompVis' numbering), diffusers and peft write them out
(unet.down_blocks.0.….lora_A.weight); both are compared flattened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.text.weight_changes import EITHER, MATRICES, ROWS, Change
from diffusion_studio.models.weights_file import quoted

# The beginning of a name, and the part of a model it means.
PREFIXES = (
    ("lora_unet_", "network"),
    ("lora_transformer_", "network"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te_", "text_encoder"),
    ("base_model.model.", "network"),
    ("unet.", "network"),
    ("transformer.", "network"),
    ("diffusion_model.", "network"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder.", "text_encoder"),
)
ENDINGS = (
    (
        re.compile(
            r"\.lora_down\.weight$|\.lora_A(?:\.\w+)?\.weight$|\.lora(?:_linear_layer)?\.down\.weight$"
        ),
        "down",
    ),
    (
        re.compile(r"\.lora_up\.weight$|\.lora_B(?:\.\w+)?\.weight$|\.lora(?:_linear_layer)?\.up\.weight$"),
        "up",
    ),
    (re.compile(r"_lora\.down\.weight$"), "down"),
    (re.compile(r"_lora\.up\.weight$"), "up"),
    (re.compile(r"\.lora_mid\.weight$"), "mid"),
    (re.compile(r"\.alpha$"), "alpha"),
    (re.compile(r"\.lora_magnitude_vector(?:\.\w+)?(?:\.weight)?$"), ROWS),
    (re.compile(r"\.dora_scale$"), EITHER),
    (re.compile(r"\.diff$"), "diff"),
    *(
        (re.compile(rf"\.{name}(?:\.\w+)?$"), name)
        for name in sorted(MATRICES)
        if name[:4] in ("hada", "lokr")
    ),
)
OTHER_KINDS = (  # in a name, and what such a file is called
    ("oft_", "OFT"),
    (".diff_b", "a full difference of weights and biases"),
    ("a1.weight", "GLoRA"),
    (".on_input", "IA3"),
)
IN_BLOCK = (
    ("in_layers_2", "conv1"),
    ("out_layers_3", "conv2"),
    ("emb_layers_1", "time_emb_proj"),
    ("skip_connection", "conv_shortcut"),
)
OUTSIDE = {
    "input_blocks_0_0": "conv_in",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
    "out_2": "conv_out",
}
BLOCK = re.compile(r"(input|output)_blocks_(\d{1,3})_(\d)_(.+)")
MIDDLE = re.compile(r"middle_block_(\d)_(.+)")


Changes = dict[tuple[str, str], Change]  # part of the model, flattened name of the layer


def parts_of_name(name: str) -> tuple[str, str, str] | None:
    """(part of the model, flattened layer, which of the matrices) that a tensor's name means; None for no LoRA's."""
    found = ((match, kind) for pattern, kind in ENDINGS if (match := pattern.search(name)))
    match, kind = next(found, (None, ""))
    if match is None:
        return None
    layer, part = name[: match.start()], "network"
    for prefix, meant in PREFIXES:
        if layer.startswith(prefix):
            layer, part = layer[len(prefix) :], meant
            break
    flat = layer.replace(".processor.", ".").replace(".", "_").removeprefix("text_model_")
    return part, flat + "_0" if flat.endswith("_to_out") else flat, kind


def is_lora(names: Collection[str]) -> bool:
    """Whether a file with tensors of these names is a LoRA, or one of its kin, of one of the layouts."""
    found = [parts_of_name(name) for name in names]
    return any(parts is not None and parts[2] in MATRICES for parts in found)


def other_kind(names: Collection[str]) -> str:
    """What a small change to a model is that is no LoRA; "" for none that is known."""
    return next((words for mark, words in OTHER_KINDS if any(mark in name for name in names)), "")


def read_changes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Changes:
    """The changes in a file's tensors. KeyError names a tensor that belongs to none."""
    changes: Changes = {}
    for name, tensor in tensors.items():
        parts = parts_of_name(name)
        if parts is None:
            raise KeyError(name)
        change = changes.setdefault(parts[:2], Change())
        if parts[2] == "alpha":
            change.alpha = float(tensor)
        else:
            change.matrices[parts[2]] = tensor
    for (part, layer), change in changes.items():
        if change.alpha is None:
            change.alpha = _written_alpha(metadata, part, layer)
    return changes


def _written_alpha(metadata: Mapping[str, str], part: str, layer: str) -> float | None:
    """peft's alpha from what diffusers writes beside the weights (lora_adapter_metadata); None where it says none."""
    try:
        said = json.loads(metadata.get("lora_adapter_metadata", "{}"))
        names = ("unet", "transformer") if part == "network" else (part,)
        for name in names:
            for flat, alpha in (said.get(f"{name}.alpha_pattern") or {}).items():
                if layer.endswith(str(flat).replace(".", "_")):
                    return float(alpha)
            if f"{name}.lora_alpha" in said:
                return float(said[f"{name}.lora_alpha"])
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass  # broken metadata never makes sound weights refused
    return None


# Onto a model ---------------------------------------------------------------------------------------------------------


@dataclass
class Applied:
    """Weights that were changed, and what they were: `restore` gives a model back bit for bit."""

    kept: dict[nn.Module, Tensor] = field(default_factory=dict)

    def restore(self) -> None:
        for module, weight in self.kept.items():
            with torch.no_grad():
                module.weight.copy_(weight)  # type: ignore[operator]
        self.kept.clear()


def apply_changes(
    network: nn.Module,
    encoders: Sequence[nn.Module],
    loras: Iterable[tuple[str, Changes, float]],
    title: str = "",
) -> Applied:
    """Add LoRAs, each with its name and weight, to a model's own weights. Raises `UserError`, and then nothing is changed.

    The sums are made in float32 and rounded once to the weights' own format.
    """
    layers = {
        "network": _layers(network),
        **{
            ("text_encoder", "text_encoder_2")[place]: _layers(encoder)
            for place, encoder in enumerate(encoders[:2])
        },
    }
    wanted: dict[nn.Module, list[tuple[Change, float]]] = {}
    for name, changes, weight in loras:
        for (part, layer), change in changes.items():
            targets = _targets(layers.get(part, {}), layer, change, network)
            if not targets:
                raise _misfit(name, layer, tr("this model has no such layer"), title)
            for module, piece in targets:
                if fault := _fault(piece, module):
                    raise _misfit(name, layer, fault, title)
                wanted.setdefault(module, []).append((piece, weight))
    applied = Applied()
    with torch.no_grad():
        for module, pieces in wanted.items():
            weight_of = module.weight
            assert isinstance(weight_of, Tensor)
            applied.kept[module] = weight_of.detach().clone().cpu()
            total = weight_of.float()
            for piece, factor in pieces:
                total = total + factor * piece.delta(weight_of)
            if not torch.isfinite(total.to(weight_of.dtype)).all():
                applied.restore()
                raise UserError(
                    tr("The LoRAs change a weight beyond what {dtype} holds.", dtype=str(weight_of.dtype)[6:])
                )
            weight_of.copy_(total)
    return applied


def _misfit(name: str, layer: str, reason: str, title: str) -> UserError:
    return UserError(
        tr(
            "LoRA “{name}” does not fit {model}: {layer}: {reason}.",
            name=name,
            model=title or tr("this model"),
            layer=quoted(layer),
            reason=reason,
        )
    )


def _fault(change: Change, module: nn.Module) -> str:
    """Why a change does not fit a layer, without computing it; "" where it does."""
    meta = torch.device("meta")
    weight = module.weight
    assert isinstance(weight, Tensor)
    try:
        change.delta(weight.to(meta))
    except (ValueError, RuntimeError) as error:
        return str(error).splitlines()[0][:200]
    return ""


def _layers(module: nn.Module) -> dict[str, nn.Module]:
    kinds = (nn.Linear, nn.Conv2d)
    return {
        name.replace(".", "_").removeprefix("text_model_"): layer
        for name, layer in module.named_modules()
        if isinstance(layer, kinds)
    }


def _targets(
    layers: Mapping[str, nn.Module], layer: str, change: Change, network: nn.Module
) -> list[tuple[nn.Module, Change]]:
    """The layers that a change is for: one, or the three of an attention that was written as one."""
    config: Any = getattr(network, "config", {})
    count = config.get("layers_per_block")
    for name in (layer, numbered_by_block(layer, count if isinstance(count, int) else 2)):
        if name in layers:
            return [(layers[name], change)]
    if layer.endswith("attention_out") and f"{layer[:-3]}to_out_0" in layers:
        return [(layers[f"{layer[:-3]}to_out_0"], change)]
    if layer.endswith("_qkv"):
        three = [layers.get(f"{layer[:-3]}to_{part}") for part in "qkv"]
        return [
            (module, replace(change, part=(place, 3)))
            for place, module in enumerate(three)
            if module is not None
        ]
    return []


def numbered_by_block(name: str, layers: int) -> str:
    """diffusers' flattened name of a U-Net's layer that CompVis' numbering names; the same name where it does not."""
    if name in OUTSIDE:
        return OUTSIDE[name]
    if match := MIDDLE.fullmatch(name):
        place, rest = int(match[1]), match[2]
        if place == 1:
            return f"mid_block_attentions_0_{rest}"
        return f"mid_block_resnets_{place // 2}_{_inner(rest)}"
    match = BLOCK.fullmatch(name)
    if match is None:
        return name
    way, number, place, rest = match[1], int(match[2]), int(match[3]), match[4]
    block, within = divmod(number - (way == "input"), layers + 1)
    side = "down" if way == "input" else "up"
    if rest == "op":
        return f"down_blocks_{block}_downsamplers_0_conv"
    if rest == "conv":
        return f"up_blocks_{block}_upsamplers_0_conv"
    kind = "resnets" if place == 0 else "attentions"
    return f"{side}_blocks_{block}_{kind}_{within}_{_inner(rest) if place == 0 else rest}"


def _inner(rest: str) -> str:
    return next((own for theirs, own in IN_BLOCK if rest == theirs), rest)
