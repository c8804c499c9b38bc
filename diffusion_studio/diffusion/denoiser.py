"""A trained network and its schedule as one function D(x, sigma): the predicted clean picture, whatever the network answers.

The only face a sampler sees of a network (Karras et al. 2022, EDM, sec. 5, for models trained on alpha_bar and timesteps).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from diffusion_studio.diffusion.consistency import ConsistencyProcess
from diffusion_studio.diffusion.flows import clean_from_flow
from diffusion_studio.diffusion.names import CLIPPINGS
from diffusion_studio.diffusion.process import Process

Network = Callable[[Tensor, Tensor, Tensor | None], Tensor]  # (x_t, timestep (N,), labels) -> prediction


class Denoiser:
    """denoise(x, sigma) -> x̂_0, both (N, C, H, W), the picture in [-1, 1] and x = x_0 + sigma n.

    prediction: "epsilon" (the noise), "v_prediction" (sqrt(alpha_bar) n - sqrt(1 - alpha_bar) x_0), "sample" (x_0) or, for
    a flow, "flow_prediction" (n - x_0).
    labels: (N,) rows of the class table; with `guidance` other than 1, `null_class` is the row that means no class, and the
    two predictions come from one batch of 2N (Ho & Salimans 2022, eq. 6, where guidance is w + 1). 0: as if there were no class.
    clipping: "range" keeps x̂_0 in [-clip_range, clip_range], as models of pixels need at every step; "dynamic" as
    `threshold_dynamically` with `threshold`, its quantile and the largest threshold; "none".
    rows: which rows of how many these states take in the network's batch, for the last bits of its answer depend on that; the
    others are filled with a copy. None, or as many as there are: the batch as it is.
    rounding: what the network is given for a timestep between two whole ones, such as `round`; None: just that.
    A network may answer with twice the channels: the second half says the variance, by `variance` as "learned_range", between the
    posterior's and beta in logarithms (Nichol & Dhariwal 2021, eq. 15), or "learned", that of x_t itself, as diffusers takes it.
    early, autoguidance: a worse network of the same kind, from early in the training, and how far beyond it the answer is led, 1
    not at all (Karras et al. 2024, "Guiding a diffusion model with a bad version of itself", eq. 4): w times the answer, w - 1
    times the early one less.
    x must be float32 or float64: float16 overflows at the highest sigmas. sigma > 0; the timestep given to the network is
    the schedule's, a fraction between two steps where sigma is. Raises ValueError for unknown words and missing null class.
    """

    def __init__(
        self,
        network: Network,
        schedule: Process,
        *,
        prediction: str = "epsilon",
        clipping: str = "range",
        clip_range: float = 1.0,
        threshold: tuple[float, float] = (0.995, math.inf),
        labels: Tensor | None = None,
        guidance: float = 1.0,
        null_class: int | None = None,
        rows: tuple[Sequence[int], int] | None = None,
        rounding: Callable[[float], float] | None = None,
        variance: str = "",
        early: Network | None = None,
        autoguidance: float = 1.0,
    ) -> None:
        if prediction not in (*TO_CLEAN, *schedule.predictions):
            raise ValueError(f"prediction “{prediction}” is not known; known are: {', '.join(TO_CLEAN)}.")
        if prediction not in schedule.predictions:
            allowed = ", ".join(schedule.predictions)
            raise ValueError(f"prediction “{prediction}” does not fit this process; it allows: {allowed}.")
        if clipping not in CLIPPINGS:
            raise ValueError(f"clipping “{clipping}” is not known; known are: {', '.join(CLIPPINGS)}.")
        if guidance != 1 and labels is not None and null_class is None:
            raise ValueError("Guidance needs a model trained with dropped labels (a null class).")
        self.network, self.schedule = network, schedule
        self.to_clean = schedule.clean if isinstance(schedule, ConsistencyProcess) else TO_CLEAN[prediction]
        self.clipping, self.clip_range, self.threshold = clipping, clip_range, threshold
        self.early, self.autoguidance = early, autoguidance
        self.labels, self.guidance, self.null_class = labels, guidance, null_class
        self.rows, self.rounding = rows, rounding
        self.learned_spread = (
            self._spread if variance else None
        )  # the deviation of DDPM's fresh noise, by the latest answer
        self.kind_of_variance = variance
        self.variance: Tensor | None = None  # what the network said of it with its latest answer
        self._source: Tensor | None = None  # for each row of the network's batch, the state that is in it

    def timestep(self, sigma: float) -> float:
        """What the network is given for a noise level."""
        timestep = self.schedule.timestep(sigma)
        return timestep if self.rounding is None else float(self.rounding(timestep))

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        answer = self.predict(x * self.schedule.input_scale(sigma), self.timestep(sigma))
        if answer.shape[1] == 2 * x.shape[1]:
            answer, self.variance = answer.chunk(2, dim=1)
        denoised = self.to_clean(x, sigma, answer)
        if self.clipping == "range":
            return denoised.clamp(-self.clip_range, self.clip_range)
        return threshold_dynamically(denoised, *self.threshold) if self.clipping == "dynamic" else denoised

    def predict(self, x_t: Tensor, timestep: float) -> Tensor:
        """The network's own answer for x_t (N, C, H, W), guided where asked: (N, C, H, W), or 2C channels with a variance."""
        places, count = self.rows or ((), 0)
        if len(x_t) != len(places) or len(x_t) == count:
            return self._guided(x_t, timestep, self.labels)
        if self._source is None:
            self._source = torch.zeros(count, dtype=torch.long)
            self._source[list(places)] = torch.arange(len(x_t))
            self._source = self._source.to(x_t.device)
        source = self._source
        labels = None if self.labels is None else self.labels[source]
        return self._guided(x_t[source], timestep, labels)[list(places)]

    def _guided(self, x_t: Tensor, timestep: float, labels: Tensor | None) -> Tensor:
        t = torch.full((len(x_t),), timestep, dtype=torch.float32, device=x_t.device)
        if labels is not None and self.guidance == 0 and self.null_class is not None:
            labels = torch.full_like(labels, self.null_class)
        if labels is None or self.guidance in (0, 1) or self.null_class is None:
            answer = self.network(x_t, t, labels).to(x_t.dtype)
            return answer + self._away(answer, x_t, t, labels)
        empty = torch.full_like(labels, self.null_class)
        both = self.network(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([labels, empty]))
        conditional, unconditional = both.to(x_t.dtype).chunk(2)
        guided = unconditional + self.guidance * (conditional - unconditional)
        guided = guided + self._away(conditional, x_t, t, labels)
        said = conditional[:, x_t.shape[1] :]  # of the variance, which guidance does not concern
        return torch.cat([guided[:, : x_t.shape[1]], said], dim=1) if said.shape[1] else guided

    def _away(self, answer: Tensor, x_t: Tensor, t: Tensor, labels: Tensor | None) -> Tensor | float:
        """What autoguidance adds to an answer; nothing to what it says of the variance."""
        if self.early is None or self.autoguidance == 1:
            return 0.0
        away = (self.autoguidance - 1) * (answer - self.early(x_t, t, labels).to(x_t.dtype))
        away[:, x_t.shape[1] :] = 0
        return away

    def _spread(self, sigma: float, following: float) -> Tensor:
        if self.variance is None:
            raise ValueError("The network does not say its variance.")
        if self.kind_of_variance == "learned":
            return self.variance.clamp(min=0).sqrt() * (1 + following**2) ** 0.5
        between = sigma**2 - following**2
        low = max((following / sigma) ** 2 * between, 1e-20)
        high = (1 + following**2) / (1 + sigma**2) * between
        share = (self.variance + 1) / 2
        return (share * (0.5 * math.log(high)) + (1 - share) * (0.5 * math.log(low))).exp()


def clean_from_epsilon(x: Tensor, sigma: float, epsilon: Tensor) -> Tensor:
    """x_0 = x - sigma n, (N, C, H, W) (Ho et al. 2020, eq. 15 in sigma space)."""
    return x - sigma * epsilon


def clean_from_v(x: Tensor, sigma: float, v: Tensor) -> Tensor:
    """x_0 = sqrt(alpha_bar) x_t - sqrt(1 - alpha_bar) v, (N, C, H, W) (Salimans & Ho 2022, app. D)."""
    return x / (1 + sigma**2) - sigma * (1 + sigma**2) ** -0.5 * v


def clean_from_sample(x: Tensor, sigma: float, sample: Tensor) -> Tensor:
    """x_0 is what the network predicts, (N, C, H, W)."""
    return sample


TO_CLEAN: dict[str, Callable[[Tensor, float, Tensor], Tensor]] = {
    "epsilon": clean_from_epsilon,
    "v_prediction": clean_from_v,
    "sample": clean_from_sample,
    "flow_prediction": clean_from_flow,
}


def threshold_dynamically(denoised: Tensor, quantile: float = 0.995, largest: float = math.inf) -> Tensor:
    """Clip each picture of (N, C, H, W) at its own quantile s of |x̂_0|, from 1 to `largest`, and divide by s.

    That is dynamic thresholding (Saharia et al. 2022, sec. 2.3).
    """
    # quantile knows no half precision
    precise = denoised if denoised.dtype == torch.float64 else denoised.float()
    magnitude = precise.abs().flatten(1).quantile(quantile, dim=1).clamp(1, largest)
    s = magnitude.to(denoised.dtype)[:, None, None, None]
    return denoised.clamp(-s, s) / s
