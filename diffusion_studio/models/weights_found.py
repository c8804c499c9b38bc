"""Which files of a folder hold a network's weights, under any of the names diffusers gives them, and their names of today."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.layout import read_small_json
from diffusion_studio.models.weights_file import quoted
from diffusion_studio.storage.foreign_file import leads_outside

WEIGHTS = "diffusion_pytorch_model.safetensors"
STEM = r"(?P<stem>diffusion_pytorch_model|model|pytorch_model)"
# by content, whatever the suffix: a pickle among them is refused when it is looked into
WHOLE = re.compile(STEM + r"(?:\.(?P<variant>[\w-]+?))?\.(?P<suffix>safetensors|bin)")
SHARD = re.compile(r"-\d{5}-of-\d{5}")
INDEX = re.compile(STEM + r"(?:\.(?P<before>[\w-]+))?\.safetensors\.index(?:\.(?P<after>[\w-]+))?\.json")
# The averaged and the exact first; a variant nobody knows before those.
LAST = ("bf16", "fp16", "non_ema")
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
FIRST_WEIGHT = "conv_in.weight"  # every UNet2DModel has it


class Weights(NamedTuple):
    """The files that hold a network's weights, and which variant of them they are; "" for the plain ones."""

    paths: tuple[Path, ...]
    variant: str = ""
    listing: Path | None = None  # the index that names the shards


def find_weights(unet: Path) -> Weights:
    """The plain weights of a folder, else its best variant, whole or in shards. Raises `UserError` where there are none."""
    if os.path.lexists(unet / WEIGHTS):
        return Weights((unet / WEIGHTS,))
    try:
        names = sorted(entry.name for entry in os.scandir(unet) if not entry.is_dir())[:1000]
    except OSError as error:
        raise UserError(
            tr("{unet} cannot be read: {strerror}.", unet=unet, strerror=error.strerror)
        ) from None
    found = [option for name in names if (option := _option(name)) is not None]
    if found:
        _, name, variant, is_index = min(found)
        paths = _shards(unet / name) if is_index else (unet / name,)
        return Weights(paths, variant, unet / name if is_index else None)
    alone = [name for name in names if name.endswith(".safetensors") and not SHARD.search(name)]
    if len(alone) == 1:
        return Weights((unet / alone[0],))
    shards = [name for name in names if SHARD.search(name)]
    if shards:
        raise UserError(
            tr(
                "{unet} holds {count} shards of weights, but no index that names them ({weights}.index.json).",
                unet=unet,
                count=len(shards),
                weights=WEIGHTS,
            )
        )
    raise UserError(tr("{unet} holds no weights ({weights}).", unet=unet, weights=WEIGHTS))


def _option(name: str) -> tuple[tuple[int, int, int], str, str, bool] | None:
    """(rank, name, variant, whether it is an index) of a file that holds weights or names them."""
    if (index := INDEX.fullmatch(name)) is not None:
        variant = index["after"] or index["before"] or ""
        return (_rank(variant), 0, 1), name, variant, True
    whole = WHOLE.fullmatch(name)
    if whole is None or SHARD.search(name):
        return None
    variant = whole["variant"] or ""
    return (_rank(variant), whole["suffix"] == "bin", 0), name, variant, False


def _rank(variant: str) -> int:
    if not variant or variant in ("ema", "fp32"):
        return 0 if not variant else 1
    return 3 + LAST.index(variant) if variant in LAST else 2


def _shards(index: Path) -> tuple[Path, ...]:
    names = read_small_json(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise UserError(tr("{index} names no shards (weight_map).", index=index))
    shards = sorted(set(names.values()))
    for name in shards:
        shard = index.parent / name
        if (
            Path(name).name != name
            or "\\" in name
            or not shard.is_file()
            or leads_outside(shard, index.parent)
        ):
            raise UserError(
                tr(
                    "{index} names a shard that is not in its folder: {quoted}.",
                    index=index,
                    quoted=quoted(name),
                )
            )
    return tuple(index.parent / name for name in shards)


def prefix_of(names: Collection[str]) -> str:
    """The prefix of every name, such as "module." or "_orig_mod.": left by what the network was wrapped in."""
    first = next((name for name in names if name == FIRST_WEIGHT or name.endswith("." + FIRST_WEIGHT)), "")
    prefix = first.removesuffix(FIRST_WEIGHT)
    return prefix if all(name.startswith(prefix) for name in names) else ""


def present_name(name: str) -> str:
    """Attention by the names diffusers gave it until 0.18: query, key, value, proj_attn."""
    parts = name.split(".")
    if "attentions" in parts and len(parts) > 1 and parts[-2] in OLD_ATTENTION:
        parts[-2] = OLD_ATTENTION[parts[-2]]
    return ".".join(parts)
