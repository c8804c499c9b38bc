"""The denoiser: one clean picture whatever the network predicts, guidance in one batch, and what keeps it in range."""

import math
import warnings

import pytest
import torch

from diffusion_studio.diffusion.denoiser import Denoiser, threshold_dynamically
from diffusion_studio.diffusion.schedules import SCHEDULES, add_noise

SCHEDULE = SCHEDULES["cosine"](1000)
SPREAD = 0.5


@pytest.fixture(scope="module")
def diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("diffusers")


def pictures(count=2, scale=1.0, seed=0, dtype=torch.float64):
    return torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=dtype) * scale


def ideal(prediction):
    """The network that knows data N(0, SPREAD²): its answers follow from one another by definition."""

    def network(x_t, timestep, labels):
        a = torch.tensor([SCHEDULE.alpha_bar[round(float(t))] for t in timestep], dtype=x_t.dtype).view(
            -1, 1, 1, 1
        )
        clean = a.sqrt() * SPREAD**2 / (a * SPREAD**2 + 1 - a) * x_t
        epsilon = (x_t - a.sqrt() * clean) / (1 - a).sqrt()
        return {
            "sample": clean,
            "epsilon": epsilon,
            "v_prediction": a.sqrt() * epsilon - (1 - a).sqrt() * clean,
        }[prediction]

    return network


@pytest.mark.parametrize("timestep", [0, 1, 250, 700, 990])
@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_every_prediction_gives_the_same_clean_picture(prediction, timestep):
    sigma = SCHEDULE.sigma_at(timestep)
    x = pictures(scale=math.hypot(SPREAD, sigma))
    denoised = Denoiser(ideal(prediction), SCHEDULE, prediction=prediction, clipping="none")(x, sigma)
    torch.testing.assert_close(denoised, x * SPREAD**2 / (SPREAD**2 + sigma**2), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_a_network_that_knows_the_noise_gives_back_the_picture(diffusers, prediction):
    """The three targets a network is trained on, v as diffusers defines it, all lead back to x_0."""
    t = torch.tensor([400, 400])
    clean, noise = pictures(scale=0.3, dtype=torch.float32), pictures(seed=1, dtype=torch.float32)
    scheduler = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    target = {"sample": clean, "epsilon": noise, "v_prediction": scheduler.get_velocity(clean, noise, t)}[
        prediction
    ]
    x_t = add_noise(clean, noise, float(SCHEDULE.alpha_bar[400]))
    sigma = SCHEDULE.sigma_at(400)
    denoise = Denoiser(lambda x, t, labels: target, SCHEDULE, prediction=prediction, clipping="none")
    torch.testing.assert_close(denoise(x_t * math.sqrt(1 + sigma**2), sigma), clean, rtol=0, atol=1e-5)


def test_the_network_sees_a_state_of_unit_variance_and_its_own_timestep():
    seen = []

    def network(x_t, timestep, labels):
        seen.append((x_t, timestep, labels))
        return x_t

    denoise, x = Denoiser(network, SCHEDULE), pictures(dtype=torch.float32)
    for t in (0, 17, 512.25, 999):
        sigma = SCHEDULE.sigma_at(t)
        denoise(x * math.sqrt(1 + sigma**2), sigma)
        x_t, timestep, labels = seen.pop()
        torch.testing.assert_close(x_t, x)
        assert timestep.shape == (2,) and timestep.dtype == torch.float32
        assert timestep.tolist() == pytest.approx([t, t], rel=1e-6) and labels is None


def test_whole_timesteps_reach_the_network_whole():
    """Also after the detour t -> sigma -> t: a learned time embedding looks up a row."""
    seen = []

    def network(x_t, timestep, labels):
        seen.append(float(timestep[0]))
        return x_t

    for name in ("linear", "cosine", "scaled_linear_zero_snr"):
        schedule = SCHEDULES[name](1000)
        denoise = Denoiser(network, schedule)
        for t in range(0, 1000, 7):
            denoise(torch.zeros(1, 1, 1, 1), schedule.sigma_at(t))
        assert seen == list(range(0, 1000, 7))
        seen.clear()


@pytest.mark.parametrize("guidance", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_the_answer_of_a_short_format_is_taken_back_to_the_pictures(prediction, guidance):
    denoise = Denoiser(
        lambda x, t, labels: x.to(torch.bfloat16),
        SCHEDULE,
        prediction=prediction,
        labels=torch.tensor([0, 1]),
        guidance=guidance,
        null_class=2,
    )
    for dtype in (torch.float32, torch.float64):
        assert denoise(pictures(dtype=dtype), 0.5).dtype == dtype


# --- guidance ---


class Counting:
    """A network whose answer is its label, and that notes every call."""

    def __init__(self):
        self.calls = []

    def __call__(self, x_t, timestep, labels):
        self.calls.append((len(x_t), timestep.tolist(), labels.tolist()))
        return labels.to(x_t.dtype).view(-1, 1, 1, 1).expand_as(x_t) * x_t


def guided(guidance, labels=(1, 2), null_class=5, x=None):
    network = Counting()
    denoise = Denoiser(
        network,
        SCHEDULE,
        prediction="sample",
        clipping="none",
        labels=torch.tensor(labels),
        guidance=guidance,
        null_class=null_class,
    )
    x = pictures() if x is None else x
    sigma = SCHEDULE.sigma_at(300)
    return network, denoise(x * math.sqrt(1 + sigma**2), sigma), x


@pytest.mark.parametrize("guidance", [0.5, 1.5, 3.0, 20.0, -1.0])
def test_guidance_extrapolates_from_no_class_to_the_class_in_one_call(guidance):
    """Ho & Salimans 2022, eq. 6: unconditional + guidance (conditional - unconditional), from one batch of 2N."""
    network, denoised, x = guided(guidance)
    assert len(network.calls) == 1
    size, timesteps, labels = network.calls[0]
    assert size == 4 and labels == [1, 2, 5, 5] and timesteps == pytest.approx([300.0] * 4)
    factor = 5 + guidance * (torch.tensor([1.0, 2.0]).double() - 5)
    torch.testing.assert_close(denoised, factor.view(-1, 1, 1, 1) * x, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("guidance", "labels"), [(1.0, [1, 2]), (0.0, [5, 5])])
def test_guidance_of_1_and_0_needs_no_second_half(guidance, labels):
    network, denoised, x = guided(guidance)
    assert [call[0] for call in network.calls] == [2] and network.calls[0][2] == labels
    torch.testing.assert_close(denoised, torch.tensor(labels).view(-1, 1, 1, 1) * x, rtol=1e-6, atol=1e-6)


def test_guidance_comes_before_clipping():
    """The two answers are combined as they are; what is kept in range is their sum."""
    network = Counting()
    denoise = Denoiser(
        network,
        SCHEDULE,
        prediction="sample",
        labels=torch.tensor([1]),
        guidance=2.0,
        null_class=0,
        clip_range=1.0,
    )
    x = torch.full((1, 1, 1, 2), 0.45, dtype=torch.float64)
    x[..., 1] = 0.8
    assert denoise(x, 1e-9).flatten().tolist() == pytest.approx([0.9, 1.0])


def test_a_network_without_classes_is_asked_once_whatever_the_guidance():
    seen = []

    def network(x_t, timestep, labels):
        seen.append(labels)
        return x_t

    Denoiser(network, SCHEDULE, guidance=4.0)(pictures(), 1.0)
    assert seen == [None]


# --- clipping ---


def answering(values, **options):
    """A denoiser whose network predicts these values as the clean picture."""
    return Denoiser(lambda x, t, labels: values, SCHEDULE, prediction="sample", **options)(
        torch.zeros_like(values), 1.0
    )


def test_range_keeps_every_value_in_the_range_of_colours():
    values = torch.tensor([-3.0, -1.0, 0.2, 1.0, 7.0]).view(1, 1, 1, 5)
    assert answering(values).flatten().tolist() == pytest.approx([-1.0, -1.0, 0.2, 1.0, 1.0])
    assert answering(values, clip_range=2.0).flatten().tolist() == pytest.approx([-2.0, -1.0, 0.2, 1.0, 2.0])
    assert answering(values, clipping="none").flatten().tolist() == pytest.approx(values.flatten().tolist())


def test_dynamic_threshold_pulls_a_picture_in_by_its_own_quantile():
    """Saharia et al. 2022, sec. 2.3: with s the 99.5% quantile of |x̂0|, clip to s and divide by s, for each picture alone."""
    tame = torch.linspace(-0.9, 0.9, 1000)
    wild = torch.linspace(-4.0, 4.0, 1000)
    result = answering(torch.stack([tame, wild]).view(2, 1, 10, 100), clipping="dynamic").flatten(1)
    torch.testing.assert_close(result[0], tame)
    s = wild.abs().quantile(0.995)
    torch.testing.assert_close(result[1], (wild / s).clamp(-1, 1))
    assert result[1].abs().max() == 1.0 and (result[1].abs() == 1.0).sum() == 6


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.float16, 2e-3)]
)
def test_dynamic_threshold_is_diffusers(diffusers, dtype, tolerance):
    """DDIMScheduler(thresholding=True), whose sample_max_value must be lifted from 1, where it is plain clipping."""
    scheduler = diffusers.DDIMScheduler(
        thresholding=True, dynamic_thresholding_ratio=0.995, sample_max_value=1e6
    )
    values = torch.cat([pictures(2, scale=0.2), pictures(2, scale=3.0, seed=1)]).to(dtype)
    ours, theirs = threshold_dynamically(values), scheduler._threshold_sample(values)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


# --- what is refused ---


def test_unknown_words_are_named_with_what_is_allowed():
    with pytest.raises(ValueError, match="prediction “velocity”.*epsilon, v_prediction, sample"):
        Denoiser(ideal("sample"), SCHEDULE, prediction="velocity")
    with pytest.raises(ValueError, match="clipping “static”.*range, dynamic, none"):
        Denoiser(ideal("sample"), SCHEDULE, clipping="static")


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_guidance_without_a_null_class_is_refused(guidance):
    with pytest.raises(ValueError, match="null class"):
        Denoiser(ideal("sample"), SCHEDULE, labels=torch.tensor([0]), guidance=guidance)
    Denoiser(ideal("sample"), SCHEDULE, labels=torch.tensor([0]), guidance=1.0)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_states_take_their_rows_in_a_larger_batch(guidance):
    """Others stand beside them, and the answers that come back are those of their own rows."""
    asked = []

    def network(x_t, timestep, labels):
        asked.append((len(x_t), labels.tolist()))
        return x_t + labels.view(-1, 1, 1, 1)

    def denoiser(**rows):
        how = {"prediction": "sample", "clipping": "none", "guidance": guidance, "null_class": 9}
        return Denoiser(network, SCHEDULE, labels=torch.tensor([4, 7]), **how, **rows)

    x = pictures(2)
    plain, placed = denoiser()(x, 1.0), denoiser(rows=([3, 1], 5))(x, 1.0)
    assert torch.equal(plain, placed)
    halves = 1 if guidance == 1 else 2
    assert asked[0][0] == 2 * halves and asked[1][0] == 5 * halves
    assert [asked[1][1][row] for row in (3, 1)] == [4, 7]
