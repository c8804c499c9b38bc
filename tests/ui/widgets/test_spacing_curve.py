"""The drawn noise schedule: what it shows is what the sampler will visit."""

import pytest

from diffusion_studio.diffusion.schedules import SPACINGS, NoiseSchedule
from diffusion_studio.ui.widgets.spacing_curve import NoiseCurve

COSINE = {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 1000}


@pytest.fixture
def curve(qtbot):
    curve = NoiseCurve()
    qtbot.addWidget(curve)
    curve.resize(280, 92)
    curve.wake()
    curve.show_model(COSINE)
    return curve


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 20, 1000])
def test_it_shows_the_levels_of_every_spacing(curve, spacing, steps):
    curve.show_steps(spacing, steps)
    assert list(curve.sigmas) == SPACINGS[spacing](NoiseSchedule.from_config(COSINE), steps)
    points = curve._points()
    heights = [point.y() for point in points]
    assert heights == sorted(heights) and len(points) == steps + 1  # noise falls from step to step
    curve.grab()
    for x in (-5, 0, 140, 280, 900):
        assert curve.words_at(x)


def test_words_name_the_step_under_the_pointer(curve):
    curve.show_steps("trailing", 10)
    assert curve.words_at(0).startswith("Step 1 of 10: 100% noise")
    assert "no noise" in curve.words_at(280)
    assert curve.summary() == curve.accessibleDescription()


def test_progress_is_marked(curve):
    curve.show_steps("trailing", 10)
    before = curve.grab().toImage()
    curve.show_progress(3)
    assert curve.grab().toImage() != before
    curve.show_progress(None)
    assert curve.grab().toImage() == before


@pytest.mark.parametrize(
    "config", [{"beta_schedule": "nobody knows"}, {"num_train_timesteps": "x"}, {"trained_betas": []}]
)
def test_a_schedule_nobody_knows_leaves_it_empty(curve, config):
    curve.show_steps("karras", 10)
    curve.show_model(config)
    assert not curve.sigmas and "No noise levels" in curve.summary()
    curve.grab()
