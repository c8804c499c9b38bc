"""Flows in the training's choices and in what is drawn of a process: curves, noised pictures, words."""

import numpy as np
import pytest

from diffusion_studio.diffusion.flows import Flow
from diffusion_studio.diffusion.processes import PROCESSES
from diffusion_studio.diffusion.schedules import SPACINGS
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.ui.generate.start.start_picture import Levels, StartPicture
from diffusion_studio.ui.train.noise import NoiseView
from diffusion_studio.ui.train.recipe import RecipeView
from diffusion_studio.ui.widgets.spacing_curve import NoiseCurve, short

FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}


@pytest.fixture
def panel(qtbot):
    panel = RecipeView()
    qtbot.addWidget(panel)
    return panel


def test_a_flow_and_its_velocity_are_chosen_together(panel):
    fields = panel.form.fields
    fields["schedule"].show_value("flow")
    assert panel.value().prediction == "flow_prediction"
    assert not fields["min_snr"].isEnabled() and not fields["polish"].isEnabled()
    fields["schedule"].show_value("linear")
    assert (panel.value().schedule, panel.value().prediction) == ("linear", "v_prediction")
    assert fields["min_snr"].isEnabled()
    fields["prediction"].show_value("flow_prediction")
    assert panel.value().schedule == "flow"
    fields["prediction"].show_value("epsilon")
    assert (panel.value().schedule, panel.value().prediction) == ("cosine", "epsilon")


def test_the_form_gives_back_a_flow_it_is_shown(panel):
    settings = TrainingSettings(schedule="flow", timestep_sampling="logit_normal", steps=100)
    panel.show_value(settings)
    assert panel.value() == settings
    panel.show_value(TrainingSettings(schedule="linear", prediction="epsilon", steps=100))
    assert panel.value() == TrainingSettings(schedule="linear", prediction="epsilon", steps=100)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_picture_is_noised_as_every_process_does(qtbot, name):
    view = NoiseView()
    qtbot.addWidget(view)
    view.show_picture(np.full((8, 8, 3), 200, np.uint8))
    view.show_schedule(name, 100)
    view.slider.setValue(1000)
    assert view.words.text().endswith("(step 100 of 100)" if name == "flow" else "(step 99 of 99)")
    view.slider.setValue(500)
    place = view.timestep
    left = float(PROCESSES[name](100).picture_share[place])
    assert view.words.text().startswith(f"{1 - left:.0%} noise")
    view.grab()


def test_a_flow_noises_along_a_straight_line(qtbot):
    view = NoiseView()
    qtbot.addWidget(view)
    view.show_picture(np.full((8, 8, 3), 200, np.uint8))
    view.show_schedule("flow", 1000)
    t = 0.3
    mixed = (1 - t) * view._clean + t * view._noise
    wanted = (mixed / 2 + 0.5).clip(0, 1) * 255
    assert np.abs(view.noised(299) - wanted).max() <= 0.51


def test_the_curve_of_steps_is_t_for_a_flow(qtbot):
    curve = NoiseCurve()
    qtbot.addWidget(curve)
    curve.resize(280, 92)
    curve.wake()
    curve.show_model(FLOW, tokens=64)
    curve.show_steps("trailing", 10)
    assert list(curve.sigmas) == SPACINGS["trailing"](Flow(), 10)
    assert curve.words_at(0).startswith("Step 1 of 10: 100% noise (σ ∞, timestep 1000)")
    assert "50% noise (σ 1, timestep 500)" in curve.words_at(140)
    assert "from noise level ∞" in curve.summary()
    curve.show_steps("trailing", 10, 3.0)
    assert "75% noise (σ 3, timestep 750)" in curve.words_at(140)
    curve.grab()


def test_pure_noise_is_infinitely_loud():
    assert short(1e10) == "∞" and short(250.0) == "250"


def test_strength_is_t_for_a_start_picture():
    levels = Levels.of(FLOW)
    assert levels.words(0.4) == "40% noise (step 400 of 1000)"
    assert levels.left(0) == 1 and levels.left(1) == 0
    shifted = Levels.of(FLOW, shift=3.0)
    assert shifted.words(0.4) == "67% noise (step 667 of 1000)"
    assert shifted.shares[399] == pytest.approx(1 / 3, rel=1e-6)
    start = StartPicture("", np.full((8, 8, 3), 100, np.uint8), "")
    start.fit(8, 3)
    start.noise = np.random.default_rng(0).standard_normal((8, 8, 3))
    wanted = 0.6 * (100 / 127.5 - 1) + 0.4 * start.noise
    assert np.abs(start.seen(levels, 0.4) - (wanted / 2 + 0.5).clip(0, 1) * 255).max() <= 0.51
