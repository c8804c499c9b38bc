"""The steps of a generation, kept to be viewed, resumed from and filmed: bounded in memory, evenly thinned when long.

One thread appends while others read. Torch is imported only where there are tensors, so that a window can make one early.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from diffusion_studio.errors import UserError
from diffusion_studio.generation.space import PIXELS, Views
from diffusion_studio.language import tr
from diffusion_studio.machine.mapped_tensors import MappedTensors, change_tensors
from diffusion_studio.pictures.channels import shown
from diffusion_studio.pictures.step_views import VIEWS
from diffusion_studio.settings.generation import GenerationSettings

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

BUDGET = 200_000_000  # bytes


@dataclass(frozen=True, slots=True)
class State:
    """Everything a sampling needs to resume from one step as if it had never stopped. Tensors are (N, C, H, W)."""

    index: int
    total: int
    sigma: float
    timestep: float
    x: Tensor
    denoised: Tensor
    memory: Any  # the sampler's
    ahead: list[list[float]]  # the noise levels from here on, as legs
    random: Any  # the state of the streams of noise; None where it was not recorded, and nothing can be resumed here
    known_random: Any = None  # and those of a known region, before this step's draw
    scale: float = 1.0  # from x to what the network sees
    noise_share: float = 0.0  # of what the network sees
    picture: np.ndarray | None = None  # (N, H, W, C): the image itself, where a preview is not

    def select(self, places: Sequence[int]) -> State:
        """The same for some images of the batch."""
        chosen = list(places)
        return replace(
            self,
            x=self.x[chosen],
            denoised=self.denoised[chosen],
            memory=change_tensors(self.memory, lambda tensor: tensor[chosen]),
            random=[self.random[place] for place in chosen],
            known_random=None
            if self.known_random is None
            else [self.known_random[place] for place in chosen],
            picture=None if self.picture is None else self.picture[chosen],
        )

    def to(self, device: str) -> State:
        return replace(
            self,
            x=self.x.to(device),
            denoised=self.denoised.to(device),
            memory=change_tensors(self.memory, lambda tensor: tensor.to(device)),
        )


HEAVY = ("x", "denoised", "memory", "random", "known_random")  # what of a State holds tensors


def _on_its_way(state: State) -> Callable[[], State] | None:
    """What waits for a step of a graphics card to arrive; None for one that need not be waited for."""
    if not state.x.is_cuda:
        return None
    from diffusion_studio.machine.transfers import to_cpu_soon

    names = ("x", "denoised", "memory")
    wait = to_cpu_soon(tuple(getattr(state, name) for name in names))
    return lambda: replace(state, **dict(zip(names, wait(), strict=True)))


def _put_away(state: State) -> tuple[State, MappedTensors]:
    """A state without its tensors, and these on the CPU in memory of their own."""
    nothing: dict[str, Any] = dict.fromkeys(HEAVY)
    return replace(state, **nothing), MappedTensors(tuple(getattr(state, name) for name in HEAVY))


def _taken_out(rest: State, tensors: MappedTensors) -> State:
    heavy: dict[str, Any] = dict(zip(HEAVY, tensors.value(), strict=True))
    return replace(rest, **heavy)


class StepFacts(NamedTuple):
    """What is known of every step, kept or not."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    sigma: float
    timestep: float
    snr: float  # signal to noise, 1 / sigma²; infinite at the end
    change: np.ndarray | None  # (N,) RMS change of x̂0 since the step before, in levels of 0 to 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a generation is resumed: at step `index` of one with `settings`, reached from `state` at or before it."""

    settings: GenerationSettings
    state: State
    index: int
    pictures: tuple[int, ...]  # places in the batch the settings describe


class Trajectory:
    """The steps of one generation."""

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self.settings = GenerationSettings()  # as carried out, once begun
        self.pictures: tuple[int, ...] = ()
        self.views: Views = PIXELS
        self.first, self.total = 0, 0
        self.stride = 1  # every how many steps one is kept
        self._lock = threading.Lock()
        self._states: dict[int, tuple[State, MappedTensors]] = {}
        self._facts: list[StepFacts] = []
        self._denoised: Tensor | None = None  # of the newest step
        self._coming: Callable[[], State] | None = (
            None  # a step whose copy from a graphics card is on its way
        )

    # --- the job's side ---

    def begin(self, settings: GenerationSettings, pictures: tuple[int, ...], views: Views = PIXELS) -> None:
        self.settings, self.pictures, self.views = settings, pictures, views

    def append(self, state: State) -> None:
        """Keep a step; the first, the newest and every `stride`-th stay.

        From a graphics card it is copied beside its work, and added with the next one or when steps are read.
        """
        coming = _on_its_way(state)
        with self._lock:
            self._take_in()
            self._coming = coming or (lambda: state.to("cpu"))
            if coming is None:
                self._take_in()

    def _take_in(self) -> None:
        """With the lock: the step whose copy was begun, which is there by now or soon."""
        coming, self._coming = self._coming, None
        if coming is None:
            return
        state = coming()
        rest, tensors = _put_away(state)
        newest = self._facts[-1].index if self._facts else None
        if newest is None or self._denoised is None:
            self.first = state.index
            change = None
        else:
            change = _change(self._denoised, state.denoised)
            if not self._stays(newest):
                del self._states[newest]
        self.total = state.total
        self._states[state.index], self._denoised = (rest, tensors), state.denoised
        snr = state.sigma**-2 if state.sigma else float("inf")
        self._facts.append(StepFacts(state.index, state.sigma, state.timestep, snr, change))
        self._thin(state.index, tensors.size)

    def _stays(self, index: int) -> bool:
        return (index - self.first) % self.stride == 0

    def _thin(self, newest: int, size: int) -> None:
        while len(self._states) * size > self.budget and len(self._states) > 3:
            self.stride *= 2
            for index in [i for i in self._states if not self._stays(i) and i != newest]:
                del self._states[index]

    # --- the reader's side ---

    def __len__(self) -> int:
        """How many steps there were, kept or not."""
        with self._lock:
            self._take_in()
            return len(self._facts)

    @property
    def size(self) -> int:
        """Bytes of the steps that are kept."""
        with self._lock:
            self._take_in()
            return sum(tensors.size for _, tensors in self._states.values())

    def facts(self) -> list[StepFacts]:
        with self._lock:
            self._take_in()
            return list(self._facts)

    def kept(self) -> tuple[int, ...]:
        """The steps that can be viewed."""
        with self._lock:
            self._take_in()
            return tuple(sorted(self._states))

    def state(self, index: int) -> State:
        """The kept step nearest to `index`."""
        with self._lock:
            self._take_in()
            if not self._states:
                raise UserError(tr("No step of this generation has been kept yet."))
            return _taken_out(*self._states[min(self._states, key=lambda kept: abs(kept - index))])

    def at(self, index: int, pictures: Sequence[int] | None = None) -> Start:
        """Where to resume from step `index`, with some of the images (by place) or all of them."""
        places = tuple(range(len(self.pictures))) if pictures is None else tuple(pictures)
        with self._lock:
            self._take_in()
            before = [kept for kept in self._states if kept <= index]
            if not before or index > self._facts[-1].index:
                raise UserError(tr("This generation cannot be resumed from step {index}.", index=index))
            state = _taken_out(*self._states[max(before)])
        if places != tuple(range(len(self.pictures))):
            state = state.select(places)
        return Start(
            settings=self.settings,
            state=state,
            index=index,
            pictures=tuple(self.pictures[place] for place in places),
        )

    def view(self, index: int, view: str = "denoised", *, detailed: bool = False) -> np.ndarray:
        """(N, H, W, 3) uint8: one of `VIEWS` of the kept step nearest to `index`, quickly or `detailed`."""
        state = self.state(index)
        if detailed and view == "denoised" and state.picture is None:
            return self.views.detailed(state.denoised)
        end = self.state(max(self.total, state.index)) if view == "difference" else None
        return view_of(state, view, end, self.views)


def view_of(state: State, view: str, end: State | None = None, views: Views = PIXELS) -> np.ndarray:
    """(N, H, W, 3) uint8: one of `VIEWS` of a step; the difference needs the `end` of the sampling.

    Predicted noise is grey where it is 0 and clipped at 3 standard deviations; the difference is black where there is none.
    """
    if view == "noise":
        return views.noise((state.x - state.denoised) / state.sigma if state.sigma else state.x * 0)
    if view == "difference" and end is not None:
        return views.difference(state.denoised, end.denoised)
    if view not in ("denoised", "noisy"):
        raise ValueError(f"{view} is none of {', '.join(VIEWS)}")
    if state.picture is not None and (view == "denoised" or not state.sigma):
        return shown(state.picture)
    return views.preview(state.x * state.scale if view == "noisy" else state.denoised)


def _change(before: Tensor, now: Tensor) -> np.ndarray:
    moved = (now - before).flatten(1).float()
    change: np.ndarray = (moved.norm(dim=1) * (127.5 / moved.shape[1] ** 0.5)).numpy()
    return change
