"""How noise levels are weighted: formulas, learned uncertainty that finds the error of each level, and resume bit for bit."""

import math
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_studio.diffusion.processes import PROCESSES
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.training.loop import train
from diffusion_studio.training.records import runs
from diffusion_studio.training.step.weighting import (
    LevelWeights,
    Uncertainty,
    share_of_epsilon,
    sigmoid_weights,
)
from diffusion_studio.training_events import CheckpointSaved
from tests.training.runs_here import digest

CPU = torch.device("cpu")


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_what_the_error_of_each_prediction_means_for_epsilon(prediction):
    """An answer that is off by the same everywhere: epsilon is off by the root of the share."""
    from diffusion_studio.diffusion.denoiser import TO_CLEAN

    process = PROCESSES["cosine"](1000)
    shares = share_of_epsilon(process, prediction)
    for t in (50, 400, 900):
        sigma = float(process.sigma[t])
        x = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        clean = [TO_CLEAN[prediction](x, sigma, torch.full_like(x, answer)) for answer in (0.0, 1.0)]
        epsilon = float((clean[0] - clean[1]) / sigma)
        assert epsilon**2 == pytest.approx(shares[t], rel=1e-6)


def test_what_the_error_of_a_velocity_means_for_epsilon():
    process = PROCESSES["flow"](1000)
    t = process.timesteps / 1000
    assert np.allclose(share_of_epsilon(process, "flow_prediction")[:-1], (1 - t[:-1]) ** 2)


@pytest.mark.parametrize(
    ("schedule", "prediction"),
    [
        ("cosine", "v_prediction"),
        ("linear", "epsilon"),
        ("cosine_zero_snr", "v_prediction"),
        ("linear", "sample"),
        ("flow", "flow_prediction"),
    ],
)
def test_sigmoid_weights(schedule, prediction):
    process = PROCESSES[schedule](1000)
    weights = sigmoid_weights(process, prediction, bias=1.0).double().numpy()
    assert np.isfinite(weights).all() and (weights >= 0).all() and weights.mean() == pytest.approx(1)
    log_snr = -2 * np.log(process.sigma)
    middle = slice(100, 900)
    density = -np.gradient(log_snr) * share_of_epsilon(process, prediction)
    shape = (weights / density)[middle] * (1 + np.exp(log_snr[middle] - 1.0))
    assert np.allclose(shape, shape[0], rtol=1e-3)


def test_uncertainty_starts_even_and_finds_the_mean_error_of_each_level():
    process = PROCESSES["cosine"](1000)
    uncertainty = Uncertainty(process, 0, CPU)
    assert torch.equal(uncertainty.weights(), torch.ones(1000))
    draw = torch.Generator().manual_seed(0)
    truth = torch.linspace(math.log(0.02), 0.0, 1000).exp()
    for _ in range(3000):
        rows = torch.randint(1000, (32,), generator=draw)
        error = truth[rows] * (0.5 + torch.rand(32, generator=draw))
        uncertainty.update(uncertainty.gradient(error, rows))
    ratio = (uncertainty.weights() * truth)[20:-20]
    assert ratio.log().abs().mean() < 0.1 and ratio.log().abs().max() < 0.6


def test_the_gradient_is_that_of_the_loss():
    uncertainty = Uncertainty(PROCESSES["cosine"](100), 3, CPU)
    with torch.no_grad():
        uncertainty.factors.normal_(std=0.05, generator=torch.Generator().manual_seed(0))
    error, rows = torch.tensor([0.3, 0.9, 0.01]), torch.tensor([3, 70, 99])
    u = uncertainty.features[rows] @ uncertainty.factors
    (wanted,) = torch.autograd.grad((error / u.exp() + u).mean(), uncertainty.factors)
    assert torch.allclose(uncertainty.gradient(error, rows), wanted, atol=1e-6)


@pytest.mark.parametrize("weighting", ["min_snr", "none", "sigmoid", "uncertainty"])
@pytest.mark.parametrize("schedule", ["cosine", "flow"])
def test_each_is_what_the_settings_ask_for(weighting, schedule):
    settings = TrainingSettings(weighting=weighting, schedule=schedule, seed=1)
    process = PROCESSES[schedule](1000)
    weights = LevelWeights(settings, process, CPU)
    even = weighting in ("none", "uncertainty") or (weighting, schedule) == ("min_snr", "flow")
    assert torch.equal(weights.at(0.0), torch.ones(1000)) is even
    assert (weights.uncertainty is not None) is (weighting == "uncertainty")


@pytest.mark.parametrize("schedule", ["cosine", "flow"])
@pytest.mark.parametrize("weighting", ["uncertainty", "sigmoid"])
def test_stop_and_resume_are_bit_for_bit(settings, weighting, schedule):
    settings = replace(
        settings, weighting=weighting, schedule=schedule, steps=6, autosave_steps=3, precision="bfloat16"
    )
    if schedule == "flow":
        settings = replace(settings, prediction="flow_prediction")
    list(train(replace(settings, name="Straight")))
    with closing(train(settings)) as job:
        next(event for event in job if isinstance(event, CheckpointSaved))
    list(train(TrainingSettings(), resume="tiny"))
    assert runs.find("tiny").facts["settings"]["weighting"] == weighting
    assert digest(runs.find("tiny"), 6) == digest(runs.find("straight"), 6)


@pytest.mark.parametrize(
    ("changes", "unused"),
    [
        ({}, set()),
        ({"weighting": "sigmoid"}, {"min_snr", "polish"}),
        ({"schedule": "flow"}, {"min_snr", "polish"}),
        ({"schedule": "flow", "weighting": "uncertainty"}, {"min_snr", "polish"}),
        ({"min_snr": 0.0, "classes": False}, {"polish", "label_dropout"}),
        ({"start_from": "x"}, {"model_size", "space", "schedule", "prediction", "timesteps"}),
    ],
)
def test_options_without_effect_are_known(changes, unused):
    assert TrainingSettings(**changes).unused == unused
