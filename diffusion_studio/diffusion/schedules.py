"""Noise schedules (a property of the trained model) and spacings (which of its noise levels a sampler visits).

Everything here is float64 numpy and plain Python floats: exact enough to compare with anybody, and importable without torch.

Notation: the forward process q(x_t | x_0) = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I) of Ho et al. 2020 (eq. 4), and its
variance-exploding face x = x_0 + sigma n with sigma_t = sqrt((1 - alpha_bar_t) / alpha_bar_t), where x = x_t / sqrt(alpha_bar_t).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diffusion_studio.diffusion.arrays import Pixels
from diffusion_studio.diffusion.scheduler_classes import scheduler_class
from diffusion_studio.diffusion.scheduler_config import value

if TYPE_CHECKING:
    from diffusion_studio.diffusion.process import Process

# In place of 0 where the terminal SNR is zero: sigma 1e10 is still finite in float32.
SMALLEST_ALPHA_BAR = 1e-20
# Twice EDM's 80, so that the linear DDPM schedule (157) stays whole and cosine (20,000) does not.
KARRAS_SIGMA_MAX = 160.0


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """How much noise a model was trained to see at each of its T timesteps.

    `alpha_bar`: float64 (T,), T >= 2, strictly falling, in [0, 1): the share of the clean picture's variance left at t.
    Anything below `SMALLEST_ALPHA_BAR`, such as the 0 of a zero terminal SNR, becomes it. Raises ValueError for anything else.
    `config`: the same schedule in the words of a diffusers scheduler_config.json.
    """

    alpha_bar: np.ndarray
    config: Mapping[str, Any] = field(default_factory=dict)

    whole: ClassVar[bool] = True  # trained on whole timesteps
    predictions: ClassVar[tuple[str, ...]] = ("epsilon", "v_prediction", "sample")
    lowest: ClassVar[float] = 0.0  # the timestep at which a spacing ends that visits both ends

    def __post_init__(self) -> None:
        given = np.asarray(self.alpha_bar, dtype=np.float64)
        if given.ndim != 1 or len(given) < 2 or not np.all((given >= 0) & (given < 1)):
            raise ValueError("alpha_bar must be a row of at least two numbers from 0 to below 1.")
        values = np.maximum(given, SMALLEST_ALPHA_BAR)
        if np.any(np.diff(values) >= 0):
            raise ValueError("alpha_bar must fall from each timestep to the next.")
        object.__setattr__(self, "alpha_bar", values)

    def __len__(self) -> int:
        """T, the number of timesteps the model was trained on."""
        return len(self.alpha_bar)

    @property
    def sigma(self) -> np.ndarray:
        """(T,) noise over signal, sqrt((1 - alpha_bar) / alpha_bar), rising with t."""
        return np.sqrt((1 - self.alpha_bar) / self.alpha_bar)

    @property
    def log_snr(self) -> np.ndarray:
        """(T,) log of the signal-to-noise ratio alpha_bar / (1 - alpha_bar) = -2 log sigma (Kingma et al. 2021, eq. 4)."""
        return np.log(self.alpha_bar) - np.log1p(-self.alpha_bar)

    def sigma_at(self, timestep: float) -> float:
        """The noise level at a timestep in [-1, T - 1]; between steps log sigma is interpolated, below 0 sigma falls to 0 at -1.

        Outside, the nearest end.
        """
        return float(self.sigmas_at(np.asarray(timestep, dtype=np.float64)))

    def sigmas_at(self, timesteps: np.ndarray) -> np.ndarray:
        """`sigma_at` for every element: (...) -> (...)."""
        sigmas, last = self.sigma, len(self) - 1
        between = np.exp(np.interp(timesteps, np.arange(last + 1), np.log(sigmas)))
        nearest = np.clip(np.round(timesteps), 0, last)
        # whole steps bit for bit, with no detour through the logarithm
        levels = np.where(timesteps == nearest, sigmas[nearest.astype(int)], between)
        return np.where(timesteps < 0, sigmas[0] * np.maximum(timesteps + 1, 0), levels)

    def timestep(self, sigma: float) -> float:
        """The timestep in [0, T - 1] whose noise level is `sigma` > 0 (inverse of `sigma_at` there); outside, the nearest end."""
        return float(np.interp(math.log(max(sigma, 1e-300)), np.log(self.sigma), np.arange(len(self))))

    # --- the process, as `processes.Process` has it ---

    @property
    def timesteps(self) -> np.ndarray:
        """(T,) from 0 to T - 1, as the network is given them."""
        return np.arange(len(self), dtype=np.float64)

    @property
    def picture_share(self) -> np.ndarray:
        """(T,) what is left of the picture's variance."""
        return self.alpha_bar

    def scale(self, sigma: float) -> float:
        """From x to x_t: sqrt(alpha_bar)."""
        return float((1 + sigma**2) ** -0.5)

    input_scale = scale

    def spread(self, sigma: float) -> float:
        """From x_t to x: 1 / sqrt(alpha_bar)."""
        return float((1 + sigma**2) ** 0.5)

    def noise_share(self, sigma: float) -> float:
        """The noise's share of the amplitude: sqrt(1 - alpha_bar)."""
        return float(sigma / math.sqrt(1 + sigma * sigma)) if sigma < 1e6 else 1.0

    def left(self, sigma: float) -> float:
        """`picture_share` at any noise level: alpha_bar."""
        return float(1 / (1 + sigma**2))

    def mix(self, clean: Pixels, noise: Pixels, left: float) -> Pixels:
        """x_t where that share of the picture's variance is left, as `add_noise`."""
        return add_noise(clean, noise, left)

    @property
    def start_share(self) -> np.ndarray:
        """(T,) `left` where a start picture begins, by evenly rising strength."""
        return self.alpha_bar

    def sigma_of_strength(self, strength: float) -> float:
        """Where a start picture begins: at that share of the timesteps."""
        return self.sigma_at(strength * (len(self) - 1))

    def shifted(self, shift: float) -> NoiseSchedule:
        """A resolution shift is for flows."""
        return self

    def at_size(self, tokens: int) -> NoiseSchedule:
        """The same for every size."""
        return self

    def spaced(self, positions: np.ndarray) -> np.ndarray:
        """(n,) noise levels at falling timesteps."""
        return self.sigmas_at(positions)

    def own_levels(self, n: int) -> tuple[float, float]:
        """The lowest and highest sigma for spacings that are even in a power or logarithm of it.

        From the schedule's least to its greatest; Euler's and its kin begin and end where their n timesteps do.
        """
        low, high = float(self.sigma[0]), float(self.sigma[-1])
        if _levels_of(self) == "fractional" and n > 1:
            between = SPACINGS[value(self.config, "timestep_spacing", "linspace")](self, n)
            low, high = between[-2], between[0]
        high = min(high, KARRAS_SIGMA_MAX) if low < KARRAS_SIGMA_MAX else high
        low, high = (value(self.config, key) or end for key, end in (("sigma_min", low), ("sigma_max", high)))
        return float(low), float(max(low, high))

    def from_own(self, levels: np.ndarray) -> np.ndarray:
        """(n,) levels as they are: sigma is the schedule's own measure."""
        return levels

    @staticmethod
    def from_betas(betas: np.ndarray, config: Mapping[str, Any] | None = None) -> NoiseSchedule:
        """The schedule of (T,) variances beta_t in (0, 1], alpha_bar_t = prod(1 - beta_s) (Ho et al. 2020, sec. 2)."""
        betas = np.asarray(betas, dtype=np.float64)
        config = config or {"beta_schedule": "linear", "trained_betas": [float(beta) for beta in betas]}
        return NoiseSchedule(np.cumprod(1 - betas), {**config, "num_train_timesteps": len(betas)})

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> NoiseSchedule:
        """The schedule a diffusers scheduler_config.json describes. Raises ValueError for a beta_schedule nobody knows."""
        count = int(value(config, "num_train_timesteps", 1000))
        start, end = float(value(config, "beta_start", 1e-4)), float(value(config, "beta_end", 0.02))
        kind = value(config, "beta_schedule", "linear")
        if config.get("trained_betas") is not None:
            betas = np.asarray(config["trained_betas"], dtype=np.float64)
        elif kind in BETAS:
            betas = BETAS[kind](count, start, end)
        else:
            raise ValueError(f"beta_schedule “{kind}” is not known; known are: {', '.join(BETAS)}.")
        schedule = NoiseSchedule.from_betas(betas, dict(config))
        return rescale_zero_terminal_snr(schedule) if value(config, "rescale_betas_zero_snr") else schedule


def add_noise(clean: Pixels, noise: Pixels, alpha_bar: float | Pixels) -> Pixels:
    """The forward process in one jump: x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) n (Ho et al. 2020, eq. 4).

    `clean`, `noise`: (..., C, H, W), the picture in [-1, 1]; `alpha_bar` in [0, 1], broadcast against them.
    """
    return alpha_bar**0.5 * clean + (1 - alpha_bar) ** 0.5 * noise


def rescale_zero_terminal_snr(schedule: NoiseSchedule) -> NoiseSchedule:
    """Shift and scale sqrt(alpha_bar) so that the last step is pure noise (Lin et al. 2024, algorithm 1)."""
    root = np.sqrt(schedule.alpha_bar)
    rescaled = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return NoiseSchedule(rescaled**2, {**schedule.config, "rescale_betas_zero_snr": True})


# --- training schedules: beta_t for t = 0 .. T-1 ---


def linear_betas(count: int, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """(T,) beta rising evenly from `start` to `end` (Ho et al. 2020, sec. 4)."""
    return np.linspace(start, end, count)


def scaled_linear_betas(count: int, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """(T,) beta, linear in sqrt(beta) (Rombach et al. 2022, as in its code)."""
    return np.linspace(start**0.5, end**0.5, count) ** 2


def cosine_betas(count: int, start: float = 0.0, end: float = 0.0) -> np.ndarray:
    """(T,) beta of alpha_bar(t) = cos²(pi/2 (t/T + s)/(1 + s)), s = 0.008, beta <= 0.999 (Nichol & Dhariwal 2021, eq. 17)."""
    return _betas_of(np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * np.pi / 2) ** 2)


def sigmoid_betas(count: int, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """(T,) beta, itself a sigmoid from `start` to `end` over [-6, 6] (Xu et al. 2022, GeoDiff; diffusers' "sigmoid")."""
    return 1 / (1 + np.exp(-np.linspace(-6, 6, count))) * (end - start) + start


def sigmoid_chen_betas(count: int, start: float = -3.0, end: float = 3.0, tau: float = 1.0) -> np.ndarray:
    """(T,) beta of alpha_bar(t), a sigmoid falling over [start, end] / tau, scaled to go from 1 to 0 (Chen 2023, algorithm 1)."""
    fall = 1 / (1 + np.exp((np.arange(count + 1) / count * (end - start) + start) / tau))
    return _betas_of((fall - fall[-1]) / (fall[0] - fall[-1]))


def _betas_of(alpha_bar: np.ndarray) -> np.ndarray:
    return np.clip(1 - alpha_bar[1:] / alpha_bar[:-1], 0, 0.999)


BETAS: dict[str, Callable[[int, float, float], np.ndarray]] = {  # by their names in scheduler_config.json
    "linear": linear_betas,
    "scaled_linear": scaled_linear_betas,
    "squaredcos_cap_v2": cosine_betas,
    "sigmoid": sigmoid_betas,
}


def _named(beta_schedule: str, *, zero_snr: bool = False) -> Callable[[int], NoiseSchedule]:
    ends = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": beta_schedule}
    return lambda count: NoiseSchedule.from_config(
        {**ends, "num_train_timesteps": count, "rescale_betas_zero_snr": zero_snr}
    )


SCHEDULES: dict[str, Callable[[int], NoiseSchedule]] = {  # T -> schedule
    "linear": _named("linear"),
    "scaled_linear": _named("scaled_linear"),
    "cosine": _named("squaredcos_cap_v2"),
    "sigmoid": _named("sigmoid"),
    "sigmoid_chen": lambda count: NoiseSchedule.from_betas(sigmoid_chen_betas(count)),
    "linear_zero_snr": _named("linear", zero_snr=True),
    "scaled_linear_zero_snr": _named("scaled_linear", zero_snr=True),
    "cosine_zero_snr": _named("squaredcos_cap_v2", zero_snr=True),
}


# --- spacings: (process, n) -> n falling noise levels and 0.0; n from 1, also beyond T ---
#
# A position in [0, T - 1] is a timestep of a schedule, and t = (position + 1) / T of a flow, which then applies its shift.
# Karras, exponential and beta are even in a process's own measure: sigma, or for a flow t, as diffusers has it.


def trailing(schedule: Process, n: int) -> list[float]:
    """t = T - 1, T - 1 - T/n, ...: starts at pure noise (Lin et al. 2024, table 2).

    Of consistency models with T // n between them, or from the steps of the model that was distilled, as diffusers has them.
    """
    count, kind = len(schedule), _levels_of(schedule)
    if kind == "distilled" and n <= (original := int(value(schedule.config, "original_inference_steps", 50))):
        visited = np.arange(original, 0, -1) * max(count // original, 1)
        return _levels(schedule, visited[np.linspace(0, original, n, endpoint=False).astype(int)], shift=-1)
    stride = count // n or count / n if kind == "strided" else count / n
    timesteps = np.arange(count, 0, -stride)[:n]  # arange may add a stray one at the end
    return _levels(schedule, timesteps, shift=-1)


def leading(schedule: Process, n: int) -> list[float]:
    """Multiples of T // n from 0 up: stops short of pure noise, as DDIM's first code did (Lin et al. 2024, table 2).

    The config's `steps_offset` moves all of them up, as far as T - 1 allows. Multiples of T // (n + 1) from the first for the
    schedulers of diffusers that are multistep solvers, which leave 0 out.
    """
    first = int(_levels_of(schedule) == "open")
    stride = len(schedule) // (n + first) or (len(schedule) - 1) / (n + first)
    timesteps = np.arange(first, n + first)[::-1] * stride
    offset = int(value(schedule.config, "steps_offset", 0))
    return _levels(schedule, timesteps + min(max(offset, 0), len(schedule) - 1 - timesteps[0]))


def linspace(schedule: Process, n: int) -> list[float]:
    """Evenly from T - 1 to 0, both visited (Lin et al. 2024, table 2); one step starts at T - 1.

    As the model's scheduler in diffusers has it: multistep solvers leave 0 out, Euler's and its kin do not round.
    """
    last = len(schedule) - 1
    if _levels_of(schedule) == "open":
        return _levels(schedule, np.linspace(0, last, n + 1)[:0:-1])
    if _levels_of(schedule) == "fractional":
        return _sigmas_at(schedule, np.linspace(last, 0, n))
    return _levels(schedule, np.linspace(schedule.lowest, last, n)[::-1] if n > 1 else np.array([last]))


def quadratic(schedule: Process, n: int) -> list[float]:
    """t = (T - 1) (i/n)²: dense where the picture is nearly clean (Song et al. 2021, DDIM, app. D.2)."""
    return _sigmas_at(schedule, (len(schedule) - 1) * (np.arange(n, 0, -1) / n) ** 2)


def karras(schedule: Process, n: int, rho: float = 7.0) -> list[float]:
    """sigma^(1/rho) falls evenly (Karras et al. 2022, EDM, eq. 5) from at most `KARRAS_SIGMA_MAX`."""
    low, high = schedule.own_levels(n)
    return _ending_in_0(schedule.from_own(np.linspace(high ** (1 / rho), low ** (1 / rho), n) ** rho))


def exponential(schedule: Process, n: int) -> list[float]:
    """log sigma falls evenly (Crowson, k-diffusion) from at most `KARRAS_SIGMA_MAX`."""
    low, high = schedule.own_levels(n)
    return _ending_in_0(schedule.from_own(np.exp(np.linspace(np.log(high), np.log(low), n))))


def beta(schedule: Process, n: int, a: float = 0.6, b: float = 0.6) -> list[float]:
    """sigma at quantiles of a Beta(a, b) distribution, dense at both ends (Lee et al. 2024; in sigma, as diffusers has it)."""
    low, high = schedule.own_levels(n)
    levels = low + beta_quantile(1 - np.linspace(0, 1, n), a, b) * (high - low)
    return _ending_in_0(schedule.from_own(levels))


def beta_timesteps(schedule: Process, n: int, a: float = 0.6, b: float = 0.6) -> list[float]:
    """Timesteps at quantiles of a Beta(a, b) distribution (Lee et al. 2024, as other tools have it)."""
    return _sigmas_at(schedule, (len(schedule) - 1) * beta_quantile(1 - np.linspace(0, 1, n), a, b))


SPACINGS: dict[str, Callable[[Process, int], list[float]]] = {
    "trailing": trailing,
    "leading": leading,
    "linspace": linspace,
    "quadratic": quadratic,
    "karras": karras,
    "exponential": exponential,
    "beta": beta,
    "beta_timesteps": beta_timesteps,
}


def _levels(schedule: Process, timesteps: np.ndarray, *, shift: int = 0) -> list[float]:
    """Whole timesteps, rounded before the shift as others do; fractions only where rounding would visit a step twice."""
    rounded = np.round(timesteps) + shift
    distinct = schedule.whole and np.all(np.diff(rounded) < 0) and rounded[-1] >= 0
    return _sigmas_at(schedule, rounded if distinct else timesteps + shift)


def _sigmas_at(schedule: Process, timesteps: np.ndarray) -> list[float]:
    return _ending_in_0(schedule.spaced(timesteps))


def _ending_in_0(levels: np.ndarray) -> list[float]:
    return [*levels.tolist(), 0.0]  # plain floats: numpy's would turn a float32 array they meet into float64


def _levels_of(schedule: Process) -> str:
    """How the model's scheduler in diffusers turns timesteps into noise levels."""
    return scheduler_class(schedule.config).levels


def beta_quantile(p: np.ndarray, a: float, b: float) -> np.ndarray:
    """Inverse of the regularised incomplete beta function I_x(a, b) for p in [0, 1], to 1e-14: (...) -> (...).

    Newton's method for the tail below 1/2 (DLMF 8.17.4 yields the other), in y^a, of which it is almost a straight line.
    """
    complete = math.gamma(a) * math.gamma(b) / math.gamma(a + b)
    mirrored = p > _lower_tail(np.asarray(0.5), a, b, complete)
    tail, c, d = np.where(mirrored, 1 - p, p), np.where(mirrored, b, a), np.where(mirrored, a, b)
    y = np.minimum((tail * c * complete) ** (1 / c), 0.5)
    for _ in range(8):
        power = y**c - (_lower_tail(y, c, d, complete) - tail) * c * complete * (1 - y) ** (1 - d)
        y = np.clip(power, 0, 0.5**c) ** (1 / c)
    return np.where(mirrored, 1 - y, y)


def _lower_tail(y: np.ndarray, a: float | np.ndarray, b: float | np.ndarray, complete: float) -> np.ndarray:
    """I_y(a, b) for y up to 1/2, where its power series (DLMF 8.17.7, 15.2.1) converges fast."""
    term, total = np.ones_like(y), 1 / a
    for n in range(1, 60):
        term = term * (n - b) / n * y
        total = total + term / (a + n)
    return y**a * total / complete
