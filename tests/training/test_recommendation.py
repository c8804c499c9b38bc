"""What a finished training recommends to generate with."""

from __future__ import annotations

import pytest

from diffusion_studio.settings.distillation import Distillation
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.recommendation import brief, recommended

VARIANCE_PRESERVING, FLOW = (
    {"_class_name": "DDPMScheduler"},
    {"_class_name": "FlowMatchEulerDiscreteScheduler"},
)


@pytest.mark.parametrize(
    ("base", "steps", "spacing"),
    [("", 900, "karras"), ("", 9000, "quadratic"), ("drawings-64", 9000, "karras")],
)
def test_what_has_not_learned_for_long_visits_more_levels_of_strong_noise(base, steps, spacing):
    how = recommended(TrainingSettings(start_from=base), steps, flow=False)
    assert how == {"sampler": "dpmpp_2m_sde", "steps": 20, "spacing": spacing}


def test_a_flow_is_solved_as_a_flow():
    assert recommended(TrainingSettings(), 900, flow=True)["sampler"] == "heun"


def test_what_comes_with_early_weights_or_classes_is_guided():
    how = recommended(TrainingSettings(), 900, flow=False, classes=["a", "b"], keeps_early=True)
    assert how["guidance"] == how["autoguidance"] == 1.5


def test_samples_of_a_training_ask_the_network_twelve_times_all_along():
    assert brief(TrainingSettings(), VARIANCE_PRESERVING).steps == 12
    assert brief(TrainingSettings(), FLOW).steps == 6  # of Heun, which asks twice


def test_samples_of_a_student_are_as_its_model_generates():
    settings = TrainingSettings(distil=Distillation(teacher="A teacher", steps=2))
    how = brief(settings, VARIANCE_PRESERVING)
    assert (how.sampler, how.spacing, how.steps) == ("consistency", "trailing", 2)
