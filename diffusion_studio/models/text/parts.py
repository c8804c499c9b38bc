"""The parts of a text model, opened: network, autoencoder, text encoders and tokenizers, from a folder or a single file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import torch
from torch import nn

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.text import requirements
from diffusion_studio.models.text.components import Prepared
from diffusion_studio.models.text.description import Description, Tokens
from diffusion_studio.models.text.families import Family
from diffusion_studio.models.text.registration import description_of
from diffusion_studio.models.text.vocabulary import clip_tokenizer
from diffusion_studio.storage.foreign_file import open_foreign, size_in_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LARGEST_VOCABULARY = 32 << 20
KEPT_FREE = 256 << 20  # bytes of memory that are left to everything else


@dataclass
class Parts:
    """A text model on the CPU, ready to compute; each part a module of diffusers or transformers in evaluation."""

    family: Family
    unet: nn.Module  # the network that is walked with; a transformer where the family has one
    vae: nn.Module
    text_encoders: tuple[nn.Module, ...]
    tokenizers: tuple[Any, ...]
    scheduler_config: Mapping[str, Any]
    description: Description

    @property
    def kind(self) -> str:
        """The family's name: sd1, sd2, sdxl, z-image."""
        return self.family.name


def open_parts(
    source: ModelCard | Path,
    *,
    dtype: torch.dtype = torch.float32,
    vae_dtype: torch.dtype | None = None,
    make_room: Callable[[], None] = lambda: None,
) -> Parts:
    """Open the text model of a card, or in a folder or a `.safetensors` file, with its weights as `dtype` on the CPU.

    The autoencoder is opened as `vae_dtype`: by itself `dtype`, but float32 for float16, in which those of Stable Diffusion XL
    overflow. Every part is compared with its files before one weight is read; then `make_room` is called. Raises `UserError`;
    no network is asked.
    """
    requirements.require()
    description = description_of(source)
    if description.missing:
        raise UserError(
            tr(
                "{path} holds only a part of a model: {missing} is not in it. Import it, and name the model that has the rest "
                "with --parts.",
                path=description.source,
                missing=", ".join(description.missing),
            )
        )
    prepared = {part.role: Prepared(part) for part in description.components}
    tokenizers = tuple(open_tokenizer(tokens) for tokens in description.tokens)
    for role, tokenizer in zip(description.family.encoders, tokenizers, strict=True):
        _check_vocabulary(prepared[role], len(tokenizer))
    make_room()
    _check_memory(description, prepared, dtype)
    vae_dtype = vae_dtype or (torch.float32 if dtype == torch.float16 else dtype)
    family = description.family
    return Parts(
        family,
        prepared[family.network].load(dtype),
        prepared["vae"].load(vae_dtype),
        tuple(prepared[role].load(dtype) for role in family.encoders),
        tokenizers,
        description.scheduler,
        description,
    )


def _check_memory(description: Description, prepared: Mapping[str, Prepared], dtype: torch.dtype) -> None:
    need = sum(part.parameters for part in prepared.values()) * dtype.itemsize
    free = psutil.virtual_memory().available - KEPT_FREE
    if need > free:
        raise UserError(
            tr(
                "{source} needs {need} of memory to open as {dtype}; {free} are free. Close other programs, or choose "
                "a shorter precision or a smaller model.",
                source=description.source,
                need=size_in_words(need),
                dtype=str(dtype)[6:],
                free=size_in_words(max(0, free)),
            )
        )


def _check_vocabulary(encoder: Prepared, count: int) -> None:
    rows = int(encoder.component.config.get("vocab_size") or 0)
    if rows < count:
        raise UserError(
            tr(
                "{where}: its encoder knows {rows} words, its tokenizer {count}.",
                where=encoder.component.where,
                rows=rows,
                count=count,
            )
        )


def open_tokenizer(tokens: Tokens) -> PreTrainedTokenizerBase:
    """A tokenizer of transformers: that of a folder, or CLIP's own. Raises `UserError` for a folder that holds none."""
    if tokens.folder is None:
        return clip_tokenizer(tokens.pad)
    for file in sorted(tokens.folder.iterdir()):
        if file.suffix in (".json", ".txt", ".jinja", ".model"):
            try:
                open_foreign(file, LARGEST_VOCABULARY, within=tokens.within).close()
            except OSError as error:
                raise UserError(
                    tr("{path} cannot be read: {strerror}.", path=file, strerror=error.strerror)
                ) from None
    from transformers import CLIPTokenizer, Qwen2Tokenizer

    of_qwen = "qwen" in _class_of(tokens.folder)
    try:
        tokenizer: PreTrainedTokenizerBase = (Qwen2Tokenizer if of_qwen else CLIPTokenizer).from_pretrained(
            str(tokens.folder), local_files_only=True
        )
        return tokenizer
    except Exception as error:  # the library's own are several and change
        raise UserError(
            tr("{folder} holds no tokenizer that can be opened.", folder=tokens.folder), str(error)
        ) from None


def _class_of(folder: Path) -> str:
    from diffusion_studio.models.layout import read_small_json

    path = folder / "tokenizer_config.json"
    return str(read_small_json(path).get("tokenizer_class", "")).casefold() if path.is_file() else ""
