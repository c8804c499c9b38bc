"""The averages of a run at several moments, kept so that an earlier one, or another average, can be chosen afterwards.

RUN/snapshots/00001200.safetensors     in 16 bits: half of what the weights of a checkpoint take; nothing can be resumed from it
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.atomic import write_atomic
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, read_beginning, read_foreign

FOLDER = "snapshots"  # in the folder of a run
NAME = re.compile(r"(\d{1,12})\.safetensors")
LARGEST_HEADER = 1 << 24  # bytes
CLOSEST, FARTHEST = 0.9, 1.1  # copy ratios of a model that is offered


@dataclass(frozen=True)
class Snapshot:
    """`ratio`: the copy ratio then, where it was measured; `copies`: whether the images it generates are copies."""

    path: Path
    step: int
    seconds: float
    ratio: float | None = None
    copies: bool = False

    @property
    def size(self) -> int:
        """Bytes on disk."""
        with suppress(OSError):
            return self.path.stat().st_size
        return 0

    def read(self, kind: str) -> list[Tensor]:
        """float32, of each weight: "ema", or "power.0" and so on. Raises `UserError` where the file is damaged or has none."""
        return self.read_all([kind])[0]

    def read_all(self, kinds: Sequence[str]) -> list[list[Tensor]]:
        """The weights of each of several kinds, from one look at the file."""
        try:
            tensors = load_tensors(read_foreign(self.path, LARGEST_WEIGHTS))
        except (OSError, ValueError) as error:
            raise UserError(
                tr("The snapshot {path} cannot be read.", path=self.path), details=str(error)
            ) from None
        except Exception as error:  # safetensors has an error of its own that is not public
            raise UserError(
                tr("The snapshot {path} is damaged.", path=self.path), details=str(error)
            ) from None
        return [self._of_kind(tensors, kind) for kind in kinds]

    def _of_kind(self, tensors: Mapping[str, Tensor], kind: str) -> list[Tensor]:
        found = {}
        for name, tensor in tensors.items():
            place, _, index = name.rpartition(".")
            if place == kind and index.isdecimal():
                found[int(index)] = tensor.float()
        if not found or sorted(found) != list(range(len(found))):
            raise UserError(tr("The snapshot {path} does not hold “{kind}”.", path=self.path, kind=kind))
        return [found[index] for index in range(len(found))]

    def holds(self, kind: str) -> bool:
        return any(name.startswith(kind + ".") for name in _header(self.path))


def save(
    run: Path,
    step: int,
    seconds: float,
    tensors: Mapping[str, Tensor],
    *,
    ratio: float | None = None,
    copies: bool = False,
) -> Snapshot:
    """Write a snapshot of `step`, whole or not at all. Raises `UserError` where the folder cannot take it."""
    path = run / FOLDER / f"{step:08d}.safetensors"
    facts = {"step": step, "seconds": seconds, "ratio": ratio, "copies": copies}
    short = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, save_tensors(short, {"snapshot": json.dumps(facts)}))
    return Snapshot(path, **facts)  # type: ignore[arg-type]


def find(run: Path) -> list[Snapshot]:
    """Every snapshot, oldest first; files that are none are left out."""
    place = run / FOLDER
    paths = sorted(place.iterdir()) if place.is_dir() else []
    return [found for path in paths if NAME.fullmatch(path.name) and (found := _read(path)) is not None]


def cut(run: Path, step: int) -> None:
    """Forget those after `step`, which will be made again."""
    for snapshot in find(run):
        if snapshot.step > step:
            snapshot.path.unlink(missing_ok=True)


def thin(run: Path, most: int) -> None:
    """Remove every second one until there are at most `most`; the oldest and the newest stay."""
    while len(known := find(run)) > most >= 2:
        for snapshot in known[1:-1:2]:
            snapshot.path.unlink(missing_ok=True)


def offered(known: list[Snapshot]) -> Snapshot | None:
    """The newest whose images are about as far from the training images as these are from one another, and no copies.

    That is a copy ratio from 0.9 to 1.1. Where there is none, the newest that does not copy; None where the ratio was not
    measured, or all copy.
    """
    new = [snapshot for snapshot in known if snapshot.ratio is not None and not snapshot.copies]
    inside = [one for one in new if one.ratio is not None and CLOSEST <= one.ratio <= FARTHEST]
    return inside[-1] if inside else new[-1] if new else None


def earlier_offered(known: list[Snapshot]) -> Snapshot | None:
    """The one that is offered in place of what the run has reached; None where that is as good."""
    chosen = offered(known)
    return None if chosen is None or chosen.step == known[-1].step else chosen


def words_on_offer(known: list[Snapshot]) -> str:
    """Why an earlier snapshot becomes the model, or that it is too early for one, in a sentence; "" where neither is so."""
    chosen, earlier = offered(known), earlier_offered(known)
    words = ""
    if earlier is not None and known[-1].copies:
        words = tr(
            "The last snapshot that does not copy your images, of step {step}, is made the model.",
            step=earlier.step,
        )
    elif earlier is not None:
        words = tr(
            "The last snapshot with a copy ratio from {least} to {most}, of step {step}, is made the model.",
            least=CLOSEST,
            most=FARTHEST,
            step=earlier.step,
        )
    if chosen is not None and chosen.ratio is not None and chosen.ratio > FARTHEST:
        words += " " if words else ""
        words += tr(
            "It has not learned your images yet: its copy ratio is {ratio:.2f}, and should be from {least} to {most}.",
            ratio=chosen.ratio,
            least=CLOSEST,
            most=FARTHEST,
        )
    return words


def _read(path: Path) -> Snapshot | None:
    try:
        facts = json.loads(_header(path)["__metadata__"]["snapshot"])
        step, ratio = facts["step"], facts.get("ratio")
        if type(step) is not int or step < 0:
            return None
        return Snapshot(
            path,
            step,
            float(facts["seconds"]),
            None if ratio is None else float(ratio),
            bool(facts.get("copies")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _header(path: Path) -> dict[str, Any]:
    """Of a safetensors file; {} where it cannot be read."""
    try:
        length = int.from_bytes(read_beginning(path, 8), "little")
        if length > LARGEST_HEADER:
            return {}
        header = json.loads(read_beginning(path, 8 + length)[8:])
    except (OSError, ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}
