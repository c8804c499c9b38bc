"""One part of a text model (a network, an autoencoder, a text encoder): judged from its configuration, then built and filled.

The part is counted on the `meta` device and compared with what its files announce before any memory is taken. Only the
classes listed here are ever made; no configuration names code.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.text.conversions import CONVERSIONS
from diffusion_studio.models.text.tensors import Tensors
from diffusion_studio.models.weights_file import check_shapes

CLASSES = {  # name of the class -> library, class of its configuration (of transformers alone)
    "UNet2DConditionModel": ("diffusers", ""),
    "AutoencoderKL": ("diffusers", ""),
    "AutoencoderTiny": ("diffusers", ""),
    "ZImageTransformer2DModel": ("diffusers", ""),
    "CLIPTextModel": ("transformers", "CLIPTextConfig"),
    "CLIPTextModelWithProjection": ("transformers", "CLIPTextConfig"),
    "Qwen3Model": ("transformers", "Qwen3Config"),
}
# What transformers writes besides the shape of a network: how it once generated texts, who wrote the file.
BESIDES = frozenset(
    "architectures model_type transformers_version torch_dtype dtype _name_or_path _attn_implementation_autoset".split()
)
# What is computed and no weight, though saved by older versions of the libraries; and what is not used of a part.
COMPUTED = ("position_ids", "rotary_emb.inv_freq")
UNUSED = {"Qwen3Model": ("lm_head.weight",), "CLIPTextModel": ("text_projection.weight", "logit_scale")}
DERIVED = frozenset({"block_out_channels"})  # AutoencoderTiny writes its decoder's once more under this name
LARGEST_NUMBER, LONGEST_LIST, MOST_LAYERS, LONGEST_WORD = 1 << 20, 256, 200, 80
COUNTS_LAYERS = ("layers", "blocks")


@dataclass(frozen=True)
class Component:
    """Where one part of a model is, and what it is."""

    role: str  # as diffusers calls it: unet, transformer, vae, text_encoder, text_encoder_2
    kind: str  # one of CLASSES
    config: Mapping[str, Any]
    paths: tuple[Path, ...]
    within: Path | None = None  # the folder its files must not lead out of
    layout: str = "diffusers"  # one of CONVERSIONS
    prefix: str = ""  # of its tensors' names in those files
    where: Path = field(default_factory=Path)  # what sentences name


def blank(component: Component) -> nn.Module:
    """The network on the `meta` device: counted, nothing allocated. Raises `UserError` for an impossible configuration."""
    judge_values(component.config, component.where)
    library, config_class = CLASSES[component.kind]
    module = __import__(library, fromlist=[component.kind])
    kind = getattr(module, component.kind)
    try:
        with torch.device("meta"):
            if config_class:
                values = {key: value for key, value in component.config.items() if key not in BESIDES}
                network = kind(getattr(module, config_class)(**values))
            else:
                network = kind(**_arguments(kind, component))
    except UserError:
        raise
    except Exception as error:  # whatever the libraries make of values that do not go together
        raise UserError(
            tr(
                "{where} ({part}): this configuration cannot be built ({reason}).",
                where=component.where,
                part=component.role,
                reason=str(error).splitlines()[0][:200] if str(error) else type(error).__name__,
            ),
            str(error),
        ) from None
    return network  # type: ignore[no-any-return]


def _arguments(kind: type[Any], component: Component) -> dict[str, Any]:
    known = set(inspect.signature(kind.__init__).parameters) - {"self"}
    values = {key: value for key, value in component.config.items() if not key.startswith("_")}
    unknown = sorted(key for key in set(values) - known - DERIVED if values[key] not in (None, False))
    if unknown:
        raise UserError(
            tr(
                "{where} ({part}): “{key}” is not a setting of {kind} that is known here.",
                where=component.where,
                part=component.role,
                key=unknown[0][:60],
                kind=component.kind,
            )
        )
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
        if key in known
    }


def judge_values(config: Mapping[str, Any], where: Path) -> None:
    """Numbers that a network can have, short words and lists; nothing else. Raises `UserError` naming the key."""
    for key, value in config.items():
        if key in BESIDES or key.startswith("_"):
            continue
        if key == "quantization_config" and value:
            raise UserError(tr("{where} holds quantized weights, which cannot be opened.", where=where))
        limit = MOST_LAYERS if any(word in key for word in COUNTS_LAYERS) else LARGEST_NUMBER
        if not _possible(value, limit):
            raise UserError(tr("{where}: “{key}” is not a possible value.", where=where, key=key[:60]))


def _possible(value: object, limit: int, depth: int = 0) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -1 <= value <= max(limit, 1)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return len(value) <= LONGEST_WORD
    if depth > 2 or not isinstance(value, (list, tuple, dict)) or len(value) > LONGEST_LIST:
        return False
    inner = value.values() if isinstance(value, dict) else value
    return all(
        _possible(entry, max(limit, LARGEST_NUMBER) if isinstance(value, dict) else limit, depth + 1)
        for entry in inner
    )


class Prepared:
    """A part whose files were found to fit: its size is known, and `load` fills it."""

    def __init__(self, component: Component) -> None:
        self.component = component
        self.tensors = Tensors(component.paths, component.within)
        self.network = blank(component)
        self.convert = CONVERSIONS[component.layout]
        left_out = (*COMPUTED, *UNUSED.get(component.kind, ()))
        own = self.convert.own_names(self.tensors.shapes, component.prefix, component.config)
        self.names = {name: short for name, short in own.items() if not short.endswith(left_out)}
        wanted = self._wanted()
        given = self._fitted(self._converted(self.tensors.announced(self.names)), wanted)
        check_shapes(
            wanted,
            {name: tuple(tensor.shape) for name, tensor in given.items()},
            f"{component.where} ({component.role})",
        )
        self.parameters = sum(math.prod(shape) for shape in wanted.values())
        self.bytes_on_disk = self.tensors.size(set(self.names))

    def _wanted(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(tensor.shape) for name, tensor in self.network.state_dict().items()}

    def _converted(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        own = {self.names[name]: tensor for name, tensor in tensors.items()}
        try:
            return self.convert.convert(own, self.component.config, self.network)
        except (KeyError, AttributeError, IndexError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                tr(
                    "{where} ({part}): its weights are not laid out as this kind of model has them.",
                    where=self.component.where,
                    part=self.component.role,
                ),
                f"{type(error).__name__}: {error}",
            ) from None

    def _fitted(self, tensors: dict[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """By the names that this version of the libraries gives them."""
        fitted = {}
        for name, tensor in tensors.items():
            bare = name.removeprefix("text_model.").removeprefix("model.")
            fitted[name if name in wanted or bare not in wanted else bare] = tensor
        return fitted

    def load(self, dtype: torch.dtype) -> nn.Module:
        """The network with its weights as `dtype` on the CPU, ready to compute."""
        tensors = self._fitted(self._converted(self.tensors.read(self.names, dtype)), self._wanted())
        try:
            self.network.load_state_dict(tensors, assign=True)
        except RuntimeError as error:  # the file was exchanged while it was read
            raise UserError(
                tr("{path} changed while it was read; try again.", path=self.component.where), str(error)
            ) from None
        network = self.network
        for name, module in list(network.named_modules()):
            _compute_buffers(name, module, network)
        left = [name for name, buffer in network.named_buffers() if buffer.is_meta]
        assert not left, left
        self.network = blank(self.component)  # for another load
        return network.eval().requires_grad_(False)


def _compute_buffers(name: str, module: nn.Module, network: nn.Module) -> None:
    """What a network computes when it is made and does not save, which was made on the `meta` device."""
    own = dict(module.named_buffers(recurse=False))
    if not any(buffer.is_meta for buffer in own.values()):
        return
    if "position_ids" in own:
        module.position_ids = torch.arange(own["position_ids"].shape[-1]).expand((1, -1))
    elif name.endswith("rotary_emb"):
        parent, _, last = name.rpartition(".")
        setattr(network.get_submodule(parent), last, type(module)(module.config))
