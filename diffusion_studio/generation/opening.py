"""Models opened by their card, the last of which stays loaded, and what a failing device becomes."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diffusion_studio.errors import UserError
from diffusion_studio.generation.model import ImageModel
from diffusion_studio.language import tr
from diffusion_studio.machine import devices
from diffusion_studio.models.card import ModelCard
from diffusion_studio.models.kinds import kind_of
from diffusion_studio.models.layout import AUTOENCODER, unet_folder
from diffusion_studio.models.text.cards import stamp

SMALL = 100_000_000  # parameters of two models that are kept loaded together
_opened: dict[
    tuple[object, ...], ImageModel
] = {}  # the one model kept loaded, and beside it its fast companion
_opening = threading.Lock()


def open_model(card: ModelCard, *, device: str = "auto", precision: str = "auto") -> ImageModel:
    """The model of a card, ready to generate; the last one stays loaded. Raises `UserError` and then keeps the one before.

    A text model closes the one before as soon as its own files are found to fit, so that two are never in memory at once.
    """
    chosen = devices.choose_device(device)
    with _opening:
        key = (card.path, _stamp(card), chosen, devices.choose_precision(precision, chosen))
        if key not in _opened:
            with device_faults(chosen):
                model = kind_of(card).open(card, chosen, key[-1])
            beside = {k: other for k, other in _opened.items() if _belong_together(other.card, card)}
            _opened.clear()
            _opened.update({**beside, key: model})
        return _opened[key]


def _belong_together(one: ModelCard, other: ModelCard) -> bool:
    """Whether one is the fast companion of the other, between which people switch often, and both are small."""
    pair = one.trained.get("teacher") == other.name or other.trained.get("teacher") == one.name
    return pair and one.parameters + other.parameters <= SMALL


def close_models() -> None:
    """Free the memory of the model that is kept loaded."""
    _opened.clear()
    devices.free_memory()


@contextmanager
def device_faults(device: str) -> Iterator[None]:
    """A device that fails or has no memory left becomes a `UserError`, and what was held in its memory is released."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        sentence = devices.explain_fault(error, device)
        if sentence is None:
            raise
        traceback.clear_frames(error.__traceback__)  # their locals hold the tensors
        close_models()
        raise UserError(sentence, details=str(error)) from None


def _stamp(card: ModelCard) -> tuple[object, ...]:
    """Changes when the files do, so that a model that was trained further is read again."""
    folder = card.path
    try:
        if card.text is not None:
            if card.text.fault:
                raise UserError(card.text.fault)
            return (*stamp(card.text.source), card.text.prediction)
        entries = [
            entry
            for place in (folder, unet_folder(folder), folder / "scheduler", folder / AUTOENCODER)
            for entry in _files(place)
        ]
        return tuple((str(entry), entry.stat().st_mtime_ns, entry.stat().st_size) for entry in entries)
    except OSError as error:
        raise UserError(
            tr("{folder} cannot be read: {strerror}.", folder=folder, strerror=error.strerror)
        ) from None


def _files(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else []
