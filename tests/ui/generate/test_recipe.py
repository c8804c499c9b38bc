"""What a model recommends with its own sampler goes where another is chosen by hand, in the panel and in a comparison."""

from dataclasses import replace

import pytest

from diffusion_studio.models import cards
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.compare.view import _by_hand
from diffusion_studio.ui.generate.panel.panel import GenerationPanel
from diffusion_studio.ui.generate.request import GenerationRequest


@pytest.fixture
def request_(models):
    return GenerationRequest()


@pytest.fixture
def panel(qtbot, request_):
    panel = GenerationPanel(request_)
    qtbot.addWidget(panel)
    panel.show_cards(cards.installed())
    request_.show(cards.find("plain").defaults())
    return panel


def choose(panel, sampler):
    field = panel.form.fields["sampler"]
    field.setCurrentIndex(field.findData(sampler))


def test_eta_goes_with_the_sampler_it_was_recommended_for(panel, request_):
    assert (request_.value().sampler, request_.value().eta, request_.value().steps) == ("ddim", 0.5, 30)
    choose(panel, "heun")
    assert (
        request_.value().eta == 0.0 and request_.value().steps == 30
    )  # the steps are seen, and nobody asked for others
    choose(panel, "ddim")
    assert request_.value().eta == 0.0


def test_an_eta_of_the_users_own_stays(panel, request_):
    panel.form.fields["eta"].show_value(0.25)
    choose(panel, "heun")
    choose(panel, "ddim")
    assert request_.value().eta == 0.25


def test_settings_that_are_shown_are_shown_as_they_are(panel, request_):
    wanted = GenerationSettings(model="plain", sampler="heun", eta=0.5)
    request_.show(wanted)
    assert (request_.value().sampler, request_.value().eta) == ("heun", 0.5)


def test_samplers_that_are_compared_are_chosen_by_hand(models):
    own = cards.find("plain").defaults()
    assert own.eta == 0.5 and _by_hand(own).eta == 0.0 and _by_hand(own).steps == own.steps
    assert _by_hand(replace(own, eta=0.25)).eta == 0.25
    assert _by_hand(replace(own, model="gone")).eta == 0.5
