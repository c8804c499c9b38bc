"""Whether an installed model is what it was: its hash, every weight finite, and that it opens. A job that says how far it is."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch

from diffusion_studio.errors import UserError
from diffusion_studio.events import Status
from diffusion_studio.language import tr
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.folder import hash_weights, read_model
from diffusion_studio.models.kinds import kind_of
from diffusion_studio.models.text.facts import TextFacts


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
        _open(card)
    except UserError as error:
        yield ModelVerdict(name=card.name, faults=(str(error),), compared=bool(card.digest))
        return
    faults = []
    if card.digest and card.digest != digest:
        faults.append(
            tr(
                "{path}: its weights are not those its card names (sha256 {found}, not {expected}).",
                path=card.path if card.text is None else card.text.source,
                found=digest[:10],
                expected=card.digest[:10],
            )
        )
    yield ModelVerdict(name=card.name, faults=tuple(faults), compared=bool(card.digest))


def _open(card: ModelCard) -> None:
    if card.text is None:
        read_model(card.path)
        return
    from diffusion_studio.models.text.parts import open_parts

    open_parts(card, dtype=torch.bfloat16)  # half the memory, and every weight is looked at as it was written


def _hash_of_text_model(facts: TextFacts) -> Generator[tuple[int, int], None, str]:
    from diffusion_studio.models.text.registration import hash_source

    if facts.fault:
        raise UserError(facts.fault)
    return hash_source(facts.source)


def _hash(card: ModelCard) -> Generator[Hashed, None, str]:
    job = hash_weights(card.path) if card.text is None else _hash_of_text_model(card.text)
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
