"""What is done with a sampler's steps: begin in the middle, continue from any step, keep a known region, repeat stretches.

A walk is a list of legs: noise levels that fall from one jump up to the next; the last leg ends in 0.0. Without resampling
there is one leg.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from diffusion_studio.diffusion.sampler_step import Array, Denoise, Noise, Sampler, Step

Legs = list[list[float]]


def remaining(sigmas: Sequence[float], sigma: float) -> list[float]:
    """`sigma`, and the levels of a spacing that lie below it: how sampling continues with them from `sigma` > 0."""
    return [sigma, *(level for level in sigmas if level < sigma)]


def legs(sigmas: Sequence[float], times: int = 1, stretches: int = 10) -> Legs:
    """The levels cut into stretches, each walked `times` times: RePaint's schedule (Lugmayr et al. 2022, sec. 4.2, app. B).

    After a stretch the state is noised up again to where the stretch began; the last time, sampling continues instead.
    """
    last = len(sigmas) - 1
    length = max(1, -(-last // stretches))
    result: Legs = [[sigmas[0]]]
    for begin in range(0, last, length):
        stretch = list(sigmas[begin + 1 : begin + length + 1])
        for time in range(times):
            if time:
                result.append([sigmas[begin]])
            result[-1].extend(stretch)
    return result


def walk(
    sampler: Sampler,
    denoise: Denoise,
    x: Array,
    levels: Legs,
    noise: Noise,
    *,
    first: int = 0,
    memory: object = None,
    **options: object,
) -> Iterator[tuple[Step, Legs]]:
    """Take all legs from state x (N, C, H, W) at `levels[0][0]`, counting from `first`; with each step, the legs from there on.

    From any (step, legs ahead) the same sampling continues with the step's x, memory and the random state it was yielded at.
    """
    total = first + sum(len(leg) - 1 for leg in levels)
    index = first
    for place, leg in enumerate(levels):
        after = levels[place + 1 :]
        for step in sampler(denoise, x, leg, noise, memory=memory, **options):
            at_end = step.index == step.total
            if (
                at_end and after
            ):  # a sampler takes the end of what it walks for a picture, but this one goes up again
                x = step.x + max(after[0][0] ** 2 - leg[-1] ** 2, 0.0) ** 0.5 * noise()
                break
            yield (
                step._replace(index=index, total=total),
                [] if at_end else [leg[step.index :], *after],
            )
            index += 1
        memory = None


class KnownRegion:
    """A denoiser that knows part of the picture: there, the network sees the truth at the right noise, and is not asked.

    At every level the state's known part is replaced by source + sigma n with fresh n (Lugmayr et al. 2022, RePaint, eq. 8),
    and the prediction's known part by the source, so that any sampler ends in it exactly. `mask` (..., H, W) in [0, 1]: 1
    where the picture is drawn, 0 where it is known, between them blended. `noise()` draws like x, from a stream of its own.
    """

    def __init__(self, denoise: Denoise, source: Array, mask: Array, noise: Callable[[], Array]) -> None:
        self.denoise, self.source, self.mask, self.noise = denoise, source, mask, noise

    def __call__(self, x: Array, sigma: float) -> Array:
        known = self.source + sigma * self.noise()
        denoised = self.denoise(self.mask * x + (1 - self.mask) * known, sigma)
        return self.mask * denoised + (1 - self.mask) * self.source
