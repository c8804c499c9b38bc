"""Whether an installed model is what it was: its hash, every weight finite, and that it opens. A job that says how far it is."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.models.folder import hash_weights, read_model
from diffusion_studio.models.kinds import kind_of


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
    job = hash_weights(card.path)
    while True:
        try:
            done, total = next(job)
        except StopIteration as end:
            return str(end.value)
        yield Hashed(done=done, total=total)


def verify_model(name: str) -> list[str]:
    """What is wrong with a model, a sentence each; nothing where it opens, is finite and has the hash its card names."""
    verdict = next(event for event in verify(name) if isinstance(event, ModelVerdict))
    return list(verdict.faults)
