"""safetensors files, known by their content and judged by our own limits before any weight is read; read, never mapped.

So a file that changes or vanishes later does no harm, and a hostile header costs nothing. The library's own reader decides about
what is loaded. It has none for the header of an open file, only for a path that it maps itself, so the header is judged here.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from safetensors.torch import load
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.file_contents import LOOKED_AT, by_first_bytes
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, open_foreign

LARGEST_HEADER, MOST_TENSORS, LARGEST_METADATA = 8 << 20, 20_000, 1 << 20
LARGEST_STORY = 24 << 20  # of metadata, in files whose trainers write every word of their captions into it
LONGEST_SIDE, MOST_SIDES = 2**31, 8
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
# What others keep beside the weights of a network: positions, counters, rounded weights.
MORE_BYTES = {**BYTES, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
CONVERT = tr(
    "Where you trust it, convert it with diffusers: "
    "UNet2DModel.from_pretrained(FOLDER).save_pretrained(NEW) writes safetensors."
)

Shapes = dict[str, tuple[int, ...]]


def read_shapes(path: Path, kinds: Mapping[str, int] = BYTES) -> Shapes:
    """Name -> shape of every tensor in a file, from its header alone. Raises `UserError` naming the file and the fault."""
    try:
        with open_foreign(path, LARGEST_WEIGHTS) as file:
            return _read_header(path, file, kinds)[0]
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror)
        ) from None


class Header(NamedTuple):
    """What a file announces: its tensors, its texts, and where its weights begin."""

    tensors: Mapping[str, Announced]
    metadata: Mapping[str, str]
    begin: int  # bytes before the first tensor's

    @property
    def shapes(self) -> Shapes:
        return {name: tensor.shape for name, tensor in self.tensors.items()}


class Announced(NamedTuple):
    """One tensor of a file: its number format by safetensors' name, its shape, and its bytes counted from `Header.begin`."""

    kind: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(
    path: Path, file: BinaryIO, *, kinds: Mapping[str, int] = BYTES, metadata: int = LARGEST_METADATA
) -> Header:
    """The header of an opened file, judged by our limits; `kinds`: the number formats allowed, with their bytes;
    `metadata`: bytes of it that are allowed.
    """
    size = os.fstat(file.fileno()).st_size
    head = file.read(8)
    length = header_length(head)
    head += file.read(length if 2 <= length <= largest_header(metadata) else LOOKED_AT)
    shapes = judge(path, head, size, kinds, metadata)
    table = json.loads(head[8 : 8 + length])
    texts = table.pop("__metadata__", {})
    tensors = {
        name: Announced(table[name]["dtype"], shapes[name], *table[name]["data_offsets"]) for name in table
    }
    return Header(tensors, texts, 8 + length)


def _read_header(path: Path, file: BinaryIO, kinds: Mapping[str, int]) -> tuple[Shapes, bytes, int]:
    """The shapes that a file announces, the bytes read for them, and how many the file has."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(8)
    length = header_length(head)
    head += file.read(length if 2 <= length <= LARGEST_HEADER else LOOKED_AT)
    return judge(path, head, size, kinds), head, size


def read_tensors(path: Path, kinds: Mapping[str, int] = BYTES) -> tuple[dict[str, Tensor], bytes]:
    """Every tensor of a file, and the bytes they came from."""
    try:
        with open_foreign(path, LARGEST_WEIGHTS) as file:
            # before memory is taken for what is no file of weights
            _, head, size = _read_header(path, file, kinds)
            blob = head + file.read(size - len(head))
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror)
        ) from None
    try:
        tensors = load(
            blob
        )  # refuses what does not fit together, also where the file changed since its header was read
    except Exception as error:  # the library's own exceptions are several and change
        raise UserError(
            tr("{path} is damaged, or was cut off.", path=path), details=f"{type(error).__name__}: {error}"
        ) from None
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor.float()).all():  # as float32, which is what draws
            raise UserError(
                tr(
                    "{path}: weight {quoted} is not finite; the model was saved broken.",
                    path=path,
                    quoted=quoted(name),
                )
            )
    return tensors, blob


def largest_header(metadata: int) -> int:
    return LARGEST_HEADER - LARGEST_METADATA + metadata


def header_length(head: bytes) -> int:
    return int(struct.unpack("<Q", head[:8])[0]) if len(head) >= 8 else 0


def looks_pickled(head: bytes) -> bool:
    """A zip, as torch writes since 1.6, or a bare pickle of protocol 2 to 5, as it wrote before."""
    return head[:4] == b"PK\x03\x04" or (head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"))


def judge(
    path: Path,
    head: bytes,
    size: int,
    kinds: Mapping[str, int] = BYTES,
    most_metadata: int = LARGEST_METADATA,
) -> Shapes:
    """The shapes that the first bytes of a file of `size` bytes announce; the first limit broken is a `UserError`."""
    length, limit = header_length(head), largest_header(most_metadata)
    fits = 2 <= length <= min(limit, size - 8)
    if (
        not fits or head[8:9] != b"{"
    ):  # a header's length may begin with the bytes of a pickle, so this comes first
        if looks_pickled(head):
            raise UserError(
                tr(
                    "{path} is a pickle, which can run code when opened, whatever its name says. {convert}",
                    path=path,
                    convert=CONVERT,
                )
            )
        if length > limit and head[8:9] == b"{":
            raise UserError(
                tr(
                    "{path} has a header of more than {largest_header} MB.",
                    path=path,
                    largest_header=limit >> 20,
                )
            )
        meaning = by_first_bytes(head, size)
        raise UserError(
            tr("{path} is {meaning}.", path=path, meaning=meaning)
            if meaning
            else tr("{path} is not a safetensors file, or was cut off (its header does not fit).", path=path)
        )
    header = _table(path, head[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise UserError(tr("{path} is damaged: its metadata is not a table of texts.", path=path))
    if sum(len(key) + len(value) for key, value in metadata.items()) > most_metadata:
        raise UserError(
            tr(
                "{path} carries more than {largest_metadata} MB of metadata.",
                path=path,
                largest_metadata=most_metadata >> 20,
            )
        )
    if not 1 <= len(header) <= MOST_TENSORS:
        raise UserError(
            tr(
                "{path} holds {count} tensors; 1 to {most_tensors} are allowed.",
                path=path,
                count=len(header),
                most_tensors=MOST_TENSORS,
            )
        )
    places = [_place(path, name, facts, kinds) for name, facts in header.items()]
    _check_places(path, places, size - 8 - length)
    return {name: tuple(facts["shape"]) for name, facts in header.items()}


def _table(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise UserError(
            tr(
                "{path} is damaged: its header is not proper JSON ({error}).",
                path=path,
                error=str(error)[:80],
            )
        ) from None
    if not isinstance(header, dict):
        raise UserError(tr("{path} is damaged: its header is not a table of tensors.", path=path))
    return header


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("the same key appears twice")
    return dict(pairs)


def _place(path: Path, name: str, facts: object, kinds: Mapping[str, int]) -> tuple[int, int]:
    """Where one tensor's bytes begin and end."""
    if not isinstance(facts, Mapping) or set(facts) != {"dtype", "shape", "data_offsets"}:
        raise UserError(
            tr(
                "{path} is damaged: tensor {quoted} is not described properly.",
                path=path,
                quoted=quoted(name),
            )
        )
    kind, shape, offsets = facts["dtype"], facts["shape"], facts["data_offsets"]
    if not (isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2):
        raise UserError(
            tr(
                "{path} is damaged: tensor {quoted} is not described properly.",
                path=path,
                quoted=quoted(name),
            )
        )
    if not isinstance(kind, str) or kind not in kinds:
        raise UserError(
            tr(
                "{path}: tensor {quoted} is {kind}; only floating-point weights ({bytes}) can be opened.",
                path=path,
                quoted=quoted(name),
                kind=str(kind)[:20],
                bytes=", ".join(BYTES),
            )
        )
    whole = all(type(number) is int for number in (*shape, *offsets))
    if not whole or len(shape) > MOST_SIDES or not all(0 <= side < LONGEST_SIDE for side in shape):
        raise UserError(
            tr("{path} is damaged: tensor {quoted} has an impossible shape.", path=path, quoted=quoted(name))
        )
    start, end = offsets
    if end - start != math.prod(shape) * kinds[kind]:
        raise UserError(
            tr(
                "{path} is damaged: tensor {quoted} does not have the bytes its shape needs.",
                path=path,
                quoted=quoted(name),
            )
        )
    return start, end


def _check_places(path: Path, places: list[tuple[int, int]], size: int) -> None:
    """Every tensor's bytes follow the last one's, without hole or overlap, to the end of the file."""
    expected = 0
    for start, end in sorted(places):
        if start != expected:
            raise UserError(tr("{path} is damaged: its tensors overlap or leave a hole.", path=path))
        expected = end
    if expected != size:
        raise UserError(
            tr(
                "{path} was cut off or has something appended: {size} bytes of weights where {expected} belong.",
                path=path,
                size=size,
                expected=expected,
            )
        )


def check_shapes(
    wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]], where: str
) -> None:
    """Exactly these names and shapes. Raises `UserError` with the first three that differ; `where` names the model."""
    wrong = [name for name in {**wanted, **given} if wanted.get(name) != given.get(name)]
    if wrong:
        lines = [
            tr(
                "{name} is {found}, not {expected}",
                name=quoted(name),
                found=_spelled(given.get(name)),
                expected=_spelled(wanted.get(name)),
            )
            for name in wrong[:3]
        ]
        raise UserError(
            tr(
                "{where}: {count} weights do not fit the configuration: {lines}.",
                where=where,
                count=len(wrong),
                lines="; ".join(lines),
            )
        )


def _spelled(shape: tuple[int, ...] | None) -> str:
    return tr("missing") if shape is None else "×".join(map(str, shape)) or tr("one number")


def quoted(name: str) -> str:
    """A foreign name as it may be shown: short, and nothing in it that a terminal would obey."""
    return repr(name if len(name) <= 80 else name[:79] + "…")
