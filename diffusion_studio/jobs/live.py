"""Images while a control moves: one after the other of the newest request, by the way of `generate`, and nothing is saved."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from diffusion_studio.events import LiveEvent, LiveFrame, Preview, SeedEvent, SeedImage
from diffusion_studio.jobs.generate import as_carried_out
from diffusion_studio.jobs.shared import open_named
from diffusion_studio.models import cards
from diffusion_studio.models.fast import keep_step_seconds
from diffusion_studio.pictures import start_pictures
from diffusion_studio.pictures.channels import shown
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import with_values

if TYPE_CHECKING:
    import numpy as np

    from diffusion_studio.generation.model import ImageModel
    from diffusion_studio.models.card import ModelCard

LINGER = 1.0  # seconds a job waits for another request before it ends by itself
TIMED = 4  # images before their time is remembered: the first ones make kernels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveRequest:
    """`number` counts up; `source` (H, W, 3 or 4) uint8 and `mask` (H, W) uint8 are used in place of what the settings name."""

    number: int
    settings: GenerationSettings
    source: np.ndarray | None = None
    mask: np.ndarray | None = None


class NewestRequest:
    """One place for a request between two threads: a new one takes the place of the one before, so none ever waits behind it."""

    def __init__(self, after: int = 0) -> None:
        """`after`: numbers begin above it."""
        self._changed = threading.Condition()
        self._waiting: LiveRequest | None = None
        self.number = after  # of the newest request
        self.closed = False

    def put(
        self,
        settings: GenerationSettings,
        *,
        source: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> int:
        """Ask for this now; returns its number."""
        with self._changed:
            self.number += 1
            self._waiting = LiveRequest(number=self.number, settings=settings, source=source, mask=mask)
            self._changed.notify()
            return self.number

    def close(self) -> None:
        """Nothing more is wanted: what is in work is abandoned at its next step."""
        with self._changed:
            self.closed, self._waiting = True, None
            self._changed.notify()

    @property
    def waits(self) -> bool:
        """Whether there is a request that nobody has taken yet."""
        return self._waiting is not None

    def take(self, patience: float = LINGER) -> LiveRequest | None:
        """The newest request, as soon as there is one; None once it is closed, or after that many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self.closed, patience)
            taken, self._waiting = self._waiting, None
            return taken


def live(requests: NewestRequest) -> Generator[LiveEvent, None, None]:
    """A `LiveFrame` of the newest request, again and again, until it is closed or none came for `LINGER` seconds.

    Where a newer request comes during an image of several steps, that image is abandoned, but never two in a row: while
    requests come faster than images there is still something to see. A request that cannot be carried out ends the job.
    """
    opened: _Opened | None = None
    abandoned = False
    try:
        while (request := requests.take()) is not None:
            wanted = request.settings
            named = (wanted.model, wanted.device, wanted.precision)
            if opened is None or opened.named != named:
                card = cards.find(wanted.model)
                model = yield from open_named(wanted, card.title)
                opened = _Opened(card, model, named)
            begun, last = time.perf_counter(), None
            settings = as_carried_out(with_values(wanted, count=1), opened.card)
            for preview in _steps(opened.model, request, settings):
                stale = requests.waits and not abandoned and preview.index < preview.total
                if requests.closed or stale:
                    last = None
                    break
                last = preview
            abandoned = last is None
            if last is not None:
                picture = shown(last.result)[0]
                seconds = time.perf_counter() - begun
                opened.times.append(seconds / max(last.total, 1))
                yield LiveFrame(
                    number=request.number,
                    settings=settings,
                    picture=picture,
                    seconds=seconds,
                    steps=last.total,
                )
    finally:
        if opened is not None and len(opened.times) >= TIMED:
            keep_step_seconds(opened.card, median(opened.times[TIMED // 2 :]))


def images(wanted: Sequence[GenerationSettings]) -> Generator[SeedEvent, None, None]:
    """A `SeedImage` of each, in order; one model for all of them."""
    if not wanted:
        return
    card = cards.find(wanted[0].model)
    model = yield from open_named(wanted[0], card.title)
    for number, each in enumerate(wanted):
        settings = as_carried_out(with_values(each, count=1), card)
        *_, last = _steps(model, LiveRequest(number=number, settings=each), settings)
        yield SeedImage(number=number, picture=shown(last.result)[0])


@dataclass(slots=True, eq=False)
class _Opened:
    card: ModelCard
    model: ImageModel
    named: tuple[str, str, str]
    times: list[float]  # seconds of a step, of each image

    def __init__(self, card: ModelCard, model: ImageModel, named: tuple[str, str, str]) -> None:
        self.card, self.model, self.named, self.times = card, model, named, []


def _steps(model: ImageModel, request: LiveRequest, settings: GenerationSettings) -> Iterator[Preview]:
    source, mask = request.source, request.mask
    sides = model.sides(settings)
    if source is None and settings.source:
        own = start_pictures.named_by(settings, sides)
        source, mask = own["source"], own["mask"]
    elif source is not None:
        source = start_pictures.fit(source, sides)
        mask = None if mask is None else start_pictures.fit_mask(mask, sides)
    return model.previews(settings, source=source, mask=mask)
