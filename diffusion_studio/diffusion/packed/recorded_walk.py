"""A walk of a few steps recorded whole: the forwards of a student and what lies between them are replayed at once.

The sampler itself is recorded, so that there is one mathematics; all that is drawn on the way is drawn before.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_studio.diffusion.denoiser import Denoiser
from diffusion_studio.diffusion.packed.engine import FastNetwork
from diffusion_studio.diffusion.packed.recorded import Record, record_on_cuda
from diffusion_studio.diffusion.sampler_step import Noise, Sampler, Step

LONGEST = 4  # steps
MOST = 4  # walks kept; each keeps the memory of all that lies between its first and its last operation

Key = tuple[object, ...]


@dataclass(slots=True, eq=False)
class _Walk:
    x: Tensor
    noises: list[Tensor]
    labels: Tensor | None
    replay: Callable[[], None]
    answer: Tensor  # (2 (steps + 1), N, C, H, W): state and predicted clean image of each step


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What a sampler is called with, apart from the noise it draws."""

    sampler: Sampler
    denoise: Denoiser
    x: Tensor
    sigmas: Sequence[float]
    options: dict[str, object]

    @property
    def fits(self) -> bool:
        """Whether it is one image in few steps, of a network that nothing else is asked beside."""
        denoise = self.denoise
        alone = len(self.x) == 1 and (denoise.rows is None or denoise.rows[1] == 1)
        return alone and 1 < len(self.sigmas) <= LONGEST + 1 and denoise.early is None

    @property
    def key(self) -> Key:
        """All that is part of a recording and not copied into it."""
        d, x = self.denoise, self.x
        levels = tuple((sigma, d.timestep(sigma)) for sigma in self.sigmas[:-1])
        settings = (d.guidance, d.null_class, d.clipping, d.clip_range, d.threshold)
        kind = None if d.labels is None else (tuple(d.labels.shape), d.labels.dtype)
        options = tuple(sorted(self.options.items(), key=lambda item: item[0]))
        return tuple(x.shape), x.dtype, kind, levels, settings, options


class RecordedWalks:
    """Of one `network`, for samplers that draw noise before every step but the first, as `consistency` does.

    A walk is recorded when it is asked for twice in a row: while noise levels or guidance are dragged, each is another one.
    What cannot be recorded, and a network whose forward is not recorded because that is not faster, walks as usual.
    """

    def __init__(self, network: FastNetwork, record: Record | None = None) -> None:
        self.network, self.record = network, record or record_on_cuda
        self.known: OrderedDict[Key, _Walk | None] = OrderedDict()
        self.last: Key | None = None

    def recorded(self, sampler: Sampler) -> Sampler:
        """The same sampler. All of its steps are computed before the first is yielded, so nothing may be changed on the way."""

        def walk(
            denoise: Denoiser, x: Tensor, sigmas: Sequence[float], noise: Noise, **options: object
        ) -> Iterator[Step]:
            asked = _Asked(sampler, denoise, x, sigmas, options)
            found = self._found(asked)
            if found is None:
                yield from sampler(denoise, x, sigmas, noise, **options)
                return
            steps = self._replayed(found, x, noise, denoise.labels)
            total = len(sigmas) - 1
            for index, sigma in enumerate(sigmas):
                yield Step(index, total, sigma, steps[2 * index], steps[2 * index + 1])

        return walk

    def _found(self, asked: _Asked) -> _Walk | None:
        if not self.network.records or not asked.fits:
            return None
        key = asked.key
        again, self.last = key == self.last, key
        if key not in self.known and again:
            with self.network.lock:
                self.known[key] = self._recording(asked)
            while len(self.known) > MOST:
                self.known.popitem(last=False)
        if key in self.known:
            self.known.move_to_end(key)
        return self.known.get(key)

    @torch.inference_mode()
    def _recording(self, asked: _Asked) -> _Walk | None:
        fixed, labels = copy.copy(asked.denoise), asked.denoise.labels
        fixed.network, fixed.labels = self._forward, None if labels is None else labels.clone()
        begun, drawn = asked.x.clone(), [torch.zeros_like(asked.x) for _ in asked.sigmas[1:-1]]

        def run() -> Tensor:
            given = iter(drawn)
            steps = asked.sampler(fixed, begun, asked.sigmas, lambda: next(given), **asked.options)
            return torch.stack([tensor for step in steps for tensor in (step.x, step.denoised)])

        try:
            replay, answer = self.record(run)
        except RuntimeError:  # an operation that cannot be recorded, or no memory for it
            return None
        return _Walk(begun, drawn, fixed.labels, replay, answer)

    def _forward(self, x: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
        """What the network does without a recording of its own. Raises RuntimeError where it has none."""
        forward = self.network.unrecorded(tuple(x.shape))
        if forward is None:
            raise RuntimeError("The forward of this shape is not recorded.")
        return forward(x, timestep, labels)

    @torch.inference_mode()
    def _replayed(self, found: _Walk, x: Tensor, noise: Noise, labels: Tensor | None) -> Tensor:
        with self.network.lock:
            found.x.copy_(x)
            for fixed in found.noises:
                fixed.copy_(noise())
            if found.labels is not None and labels is not None:
                found.labels.copy_(labels)
            found.replay()
            return found.answer.clone()
