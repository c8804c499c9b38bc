"""The tensors of a text model's files: announced all at once, read one by one in the number format they are wanted in.

Files are read and never mapped, so that one that changes or vanishes later does no harm; a model of 7 GB is in memory once.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import torch
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.models.weights_file import (
    LARGEST_STORY,
    MORE_BYTES,
    Announced,
    Header,
    Shapes,
    quoted,
    read_header,
)
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, open_foreign

FORMATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
# Files of rounded weights that are to be multiplied by a factor kept beside them: without it they are another network.
SCALED = ("scaled_fp8", "scale_weight", "weight_scale", "comfy_quant")


class Place(NamedTuple):
    path: Path
    begin: int
    tensor: Announced


class Tensors:
    """What the headers of one or several files promise. Raises `UserError` naming the file and the fault."""

    def __init__(self, paths: Iterable[Path], within: Path | None = None) -> None:
        self.within = within
        self.places: dict[str, Place] = {}
        self.metadata: dict[str, str] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}
        for path in paths:
            header, stamp = _announced(path, within)
            self._stamps[path] = stamp
            self.metadata.update(header.metadata)
            for name, tensor in header.tensors.items():
                if name in self.places:
                    raise UserError(
                        tr(
                            "{path}: tensor {quoted} appears twice in this model.",
                            path=path,
                            quoted=quoted(name),
                        )
                    )
                self.places[name] = Place(path, header.begin, tensor)
        scaled = next((name for name in self.places if name.endswith(SCALED)), None)
        if scaled is not None:
            raise UserError(
                tr(
                    "{path} holds quantized weights ({quoted}), which cannot be opened; the same model as float16 or "
                    "bfloat16 can.",
                    path=self.places[scaled].path,
                    quoted=quoted(scaled),
                )
            )

    @property
    def shapes(self) -> Shapes:
        return {name: place.tensor.shape for name, place in self.places.items()}

    def size(self, names: Collection[str]) -> int:
        """Bytes of these tensors on disk."""
        return sum(
            place.tensor.end - place.tensor.start for name, place in self.places.items() if name in names
        )

    def announced(self, names: Collection[str]) -> dict[str, Tensor]:
        """These tensors without their content, on the `meta` device."""
        return {name: torch.empty(self.places[name].tensor.shape, device="meta") for name in names}

    def read(self, names: Collection[str], dtype: torch.dtype) -> dict[str, Tensor]:
        """These tensors as `dtype` on the CPU. Raises `UserError` where a weight is not finite or a file has changed."""
        found: dict[str, Tensor] = {}
        for path in self._stamps:
            here = {name: self.places[name] for name in names if self.places[name].path == path}
            if not here:
                continue
            try:
                with open_foreign(path, LARGEST_WEIGHTS, within=self.within) as file:
                    if _stamp(file) != self._stamps[path]:
                        raise _changed(path)
                    for name, place in sorted(here.items(), key=lambda item: item[1].tensor.start):
                        found[name] = _read(file, name, place, dtype)
                    if _stamp(file) != self._stamps[path]:
                        raise _changed(path)
            except OSError as error:
                raise UserError(
                    tr("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror), str(error)
                ) from None
        return found


def _announced(path: Path, within: Path | None) -> tuple[Header, tuple[int, int]]:
    try:
        with open_foreign(path, LARGEST_WEIGHTS, within=within) as file:
            return read_header(path, file, kinds=MORE_BYTES, metadata=LARGEST_STORY), _stamp(file)
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror), str(error)
        ) from None


def _stamp(file: BinaryIO) -> tuple[int, int]:
    facts = os.fstat(file.fileno())
    return facts.st_size, facts.st_mtime_ns


def _changed(path: Path) -> UserError:
    return UserError(tr("{path} changed while it was read; try again.", path=path))


def _read(file: BinaryIO, name: str, place: Place, dtype: torch.dtype) -> Tensor:
    path, begin, (kind, shape, start, end) = place
    if kind not in FORMATS:
        raise UserError(
            tr(
                "{path}: tensor {quoted} is {kind}; only floating-point weights ({bytes}) can be opened.",
                path=path,
                quoted=quoted(name),
                kind=kind,
                bytes=", ".join(FORMATS),
            )
        )
    raw = torch.empty(end - start, dtype=torch.uint8)
    file.seek(begin + start)
    room, done = memoryview(cast(bytearray, raw.numpy())), 0  # an array is a buffer, whatever its types say
    while done < len(room):
        count = file.readinto(room[done:])  # type: ignore[attr-defined]
        if not count:
            raise _changed(path)
        done += count
    tensor = raw.view(FORMATS[kind]).reshape(shape)
    wide = tensor.float() if tensor.element_size() == 1 else tensor
    converted = wide.to(dtype)
    if not torch.isfinite(wide).all():
        raise UserError(
            tr(
                "{path}: weight {quoted} is not finite; the model was saved broken.",
                path=path,
                quoted=quoted(name),
            )
        )
    if not torch.isfinite(converted).all():
        raise UserError(
            tr(
                "{path}: weight {quoted} is too large for {dtype}; choose another precision.",
                path=path,
                quoted=quoted(name),
                dtype=str(dtype)[6:],
            )
        )
    return converted
