"""Legs, walks taken up again, known regions and blended noise, on plain arrays and small tensors."""

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.noise import Draw, PictureNoise, slerp
from diffusion_studio.diffusion.resampling import KnownRegion, legs, remaining, walk
from diffusion_studio.diffusion.samplers import SAMPLERS

SIGMAS = [10.0, 6.0, 3.0, 1.5, 0.7, 0.3, 0.1, 0.0]


def gaussian(x, sigma):
    """The best prediction for data of variance 1 around 0."""
    return x / (1 + sigma**2)


def noise_of(seed):
    random = np.random.default_rng(seed)
    return lambda: random.standard_normal((2, 1, 4, 4))


def test_remaining_levels_begin_where_the_walk_stands():
    assert remaining(SIGMAS, 3.0) == [3.0, 1.5, 0.7, 0.3, 0.1, 0.0]
    assert remaining(SIGMAS, 2.0) == [2.0, 1.5, 0.7, 0.3, 0.1, 0.0]
    assert remaining(SIGMAS, 0.01) == [0.01, 0.0]


def test_without_resampling_there_is_one_leg():
    assert legs(SIGMAS) == [SIGMAS]


def test_every_stretch_is_walked_so_many_times():
    assert legs([3.0, 2.0, 1.0, 0.0], 2, stretches=3) == [
        [3.0, 2.0],
        [3.0, 2.0, 1.0],
        [2.0, 1.0, 0.0],
        [1.0, 0.0],
    ]
    assert legs([3.0, 2.0, 1.0, 0.0], 2, stretches=1) == [[3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.0]]
    for times in (1, 2, 5):
        found = legs(SIGMAS, times)
        assert sum(len(leg) - 1 for leg in found) == times * (len(SIGMAS) - 1)
        assert found[-1][-1] == 0 and all(list(leg) == sorted(set(leg), reverse=True) for leg in found)


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_a_walk_of_several_legs_goes_on_from_any_step(sampler):
    plan = legs(SIGMAS, 3, stretches=3)

    def run(x, levels, noise, **how):
        return list(walk(sampler, gaussian, x, levels, noise, **how))

    x = 10 * noise_of(1)()
    whole = run(x, plan, noise_of(2))
    assert [step.index for step, _ in whole] == list(range(whole[0][0].total + 1))
    assert whole[-1][0].sigma == 0 and whole[-1][1] == []
    random = np.random.default_rng(2)
    draws, states = 0, []  # how many draws were made when each step was yielded

    def counted():
        nonlocal draws
        draws += 1
        return random.standard_normal((2, 1, 4, 4))

    for step, ahead in walk(sampler, gaussian, x, plan, counted):
        states.append((step, ahead, draws))
    for step, ahead, drawn in states[:-1:4]:
        noise = noise_of(2)
        for _ in range(drawn):
            noise()
        again = run(step.x, ahead, noise, first=step.index, memory=step.memory)
        assert np.array_equal(again[-1][0].x, whole[-1][0].x)
        assert again[-1][0].index == whole[-1][0].index == again[0][0].total


def test_between_legs_the_noise_goes_up_to_where_the_next_begins():
    """Were the state not noised up, a walk that expects more noise than there is would end far too small."""
    random = np.random.default_rng(0)
    fine = [*np.geomspace(10, 0.02, 80).tolist(), 0.0]
    x = 10 * random.standard_normal((4000, 1, 1, 1))
    steps = list(
        walk(
            SAMPLERS["ddpm"],
            gaussian,
            x,
            legs(fine, 4, stretches=3),
            lambda: random.standard_normal(x.shape),
        )
    )
    for step, _ in steps:
        assert np.std(step.x) == pytest.approx((1 + step.sigma**2) ** 0.5, rel=0.08)


def test_a_known_region_is_shown_to_the_network_at_the_right_noise():
    source, mask = np.full((2, 1, 4, 4), 0.5), np.zeros((4, 4))
    mask[:, 2:] = 1
    seen = []

    def look(x, sigma):
        seen.append(x)
        return x * 0

    known = KnownRegion(look, source, mask, noise_of(3))
    state = np.full((2, 1, 4, 4), 7.0)
    answer = known(state, 2.0)
    assert np.array_equal(seen[0][..., 2:], state[..., 2:])
    assert np.allclose(seen[0][..., :2], (source + 2.0 * noise_of(3)())[..., :2])
    assert (answer[..., :2] == 0.5).all() and (answer[..., 2:] == 0).all()


def test_blended_noise_is_noise_and_ends_in_both_seeds():
    ends = [PictureNoise([Draw(seed)], (3, 16, 16), "cpu")() for seed in (1, 2)]
    for strength, end in ((0.0, ends[0]), (1.0, ends[1])):
        assert torch.equal(PictureNoise([Draw(1, 2, strength)], (3, 16, 16), "cpu")(), end)
    for strength in (0.2, 0.5, 0.8):
        between = PictureNoise([Draw(1, 2, strength)], (3, 16, 16), "cpu")()
        assert between.std().item() == pytest.approx(1, abs=0.06)
    assert torch.allclose(slerp(ends[0], ends[0], 0.5), ends[0])


def test_noise_goes_back_to_where_it_stood():
    noise = PictureNoise([Draw(1), Draw(2, 3, 0.5)], (4,), "cpu")
    noise()
    state, then = noise.state(), noise()
    noise()
    noise.restore(state)
    assert torch.equal(noise(), then)
