"""Whether an installed model is what it was: its hash, every weight finite, and that it opens. A job that says how far it is."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status
from diffusion_studio.language import tr
from diffusion_studio.models import cards, layout
from diffusion_studio.models.folder import read_model, weight_files
from diffusion_studio.models.kinds import kind_of
from diffusion_studio.storage.foreign_file import LARGEST_WEIGHTS, blocks, open_foreign


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """How much of the weights has been hashed."""

    done: int
    total: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVerdict:
    """What is wrong with a model, a sentence each; nothing where it is sound. `compared`: its card names a hash."""

    name: str
    faults: tuple[str, ...]
    compared: bool


def verify(name: str) -> Iterator[Status | Hashed | ModelVerdict]:
    """Read a model from end to end; ends with a `ModelVerdict`. A model that is not installed is a `UserError`."""
    card = cards.find(name)
    try:
        kind_of(card)
        digest = yield from _hash(card)
        yield Status(text=tr("Opening it…"))
        read_model(card.path)
    except UserError as error:
        yield ModelVerdict(name=card.name, faults=(str(error),), compared=bool(card.digest))
        return
    faults = []
    if card.digest and card.digest != digest:
        faults.append(
            tr(
                "{path}: its weights are not those its card names (sha256 {found}, not {expected}).",
                path=card.path,
                found=digest[:10],
                expected=card.digest[:10],
            )
        )
    yield ModelVerdict(name=card.name, faults=tuple(faults), compared=bool(card.digest))


def _hash(card: cards.ModelCard) -> Generator[Hashed, None, str]:
    digest, done = hashlib.sha256(), 0
    paths = weight_files(layout.unet_folder(card.path), within=card.path)
    try:
        total = sum(path.stat().st_size for path in paths)
        for path in paths:
            with open_foreign(path, LARGEST_WEIGHTS) as file:
                for block in blocks(file, LARGEST_WEIGHTS):
                    digest.update(block)
                    done += len(block)
                    yield Hashed(done=done, total=total)
    except OSError as error:
        raise UserError(
            tr("{path} cannot be read: {strerror}.", path=card.path, strerror=error.strerror)
        ) from None
    return digest.hexdigest()


def verify_model(name: str) -> list[str]:
    """What is wrong with a model, a sentence each; nothing where it opens, is finite and has the hash its card names."""
    verdict = next(event for event in verify(name) if isinstance(event, ModelVerdict))
    return list(verdict.faults)
