"""What a finished training recommends to generate with."""

from __future__ import annotations

import pytest

from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.publish import recommended


@pytest.mark.parametrize(
    ("base", "steps", "spacing"),
    [("", 900, "karras"), ("", 9000, "quadratic"), ("drawings-64", 9000, "karras")],
)
def test_what_has_not_learned_for_long_visits_more_levels_of_strong_noise(base, steps, spacing):
    how = recommended(TrainingSettings(start_from=base), steps, flow=False)
    assert how == {"sampler": "dpmpp_2m_sde", "steps": 20, "spacing": spacing}


def test_a_flow_is_solved_as_a_flow():
    assert recommended(TrainingSettings(), 900, flow=True)["sampler"] == "heun"
