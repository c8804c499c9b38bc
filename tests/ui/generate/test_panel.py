"""The panel of the Generate page over a request: sections, rows, resets, explanations, and what a model changes."""

from dataclasses import replace

import pytest

from diffusion_studio.models import cards
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.panel import GenerationPanel
from diffusion_studio.ui.generate.request import GenerationRequest


@pytest.fixture
def request_(models):
    return GenerationRequest()


@pytest.fixture
def panel(qtbot, request_):
    panel = GenerationPanel(request_)
    qtbot.addWidget(panel)
    panel.show_cards(cards.installed())
    return panel


def test_another_model_brings_its_recommendations_but_not_another_count(panel, request_):
    request_.show(GenerationSettings(model="faces", count=4, steps=99))
    panel.chooser.setCurrentIndex(panel.chooser.findData("plain"))
    value = request_.value()
    assert (value.model, value.steps, value.sampler, value.eta) == ("plain", 30, "ddim", 0.5)
    assert value.count == 4


def test_given_settings_are_shown_as_they_are(panel, request_):
    settings = GenerationSettings(model="faces", steps=3, class_label="glasses", guidance=7.5, seed=5)
    request_.show(settings)
    assert request_.value() == settings


def test_settings_of_a_model_that_is_not_installed_keep_the_chosen_one(panel, request_):
    request_.show(GenerationSettings(model="plain"))
    request_.show(GenerationSettings(model="../../etc/passwd", steps=3))
    assert request_.value() == GenerationSettings(model="plain", steps=3)


def test_classes_are_the_models_with_any_first(panel, request_):
    request_.show(GenerationSettings(model="faces"))
    texts = [panel.form.classes.itemText(k) for k in range(panel.form.classes.count())]
    assert texts == ["Any", "Beard", "Glasses", "Long hair"]
    assert panel.form.classes.isVisibleTo(panel) and panel.form.fields["guidance"].isVisibleTo(panel)
    request_.show(GenerationSettings(model="plain"))
    assert not panel.form.classes.isVisibleTo(panel) and not panel.form.fields["guidance"].isVisibleTo(panel)
    assert request_.value().class_label == ""


def test_what_only_one_sampler_heeds_is_grey_with_the_others(panel, request_):
    request_.show(replace(request_.value(), sampler="ddim"))
    assert panel.form.fields["eta"].isEnabled() and not panel.form.fields["churn"].isEnabled()
    request_.show(replace(request_.value(), sampler="heun"))
    assert not panel.form.fields["eta"].isEnabled() and panel.form.fields["churn"].isEnabled()


def test_the_curve_follows_steps_and_spacing(panel, request_):
    panel.curve.wake()
    request_.show(GenerationSettings(model="faces", steps=10, spacing="karras"))
    assert len(panel.curve.sigmas) == 11 and panel.curve.sigmas[-1] == 0
    karras = list(panel.curve.sigmas)
    panel.form.fields["spacing"].show_value("exponential")
    assert list(panel.curve.sigmas) != karras
    panel.form.fields["steps"].show_value(25)
    assert len(panel.curve.sigmas) == 26
    assert "25 steps" in panel.curve.accessibleDescription()
