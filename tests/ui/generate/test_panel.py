"""The panel of the Generate page over a request: sections, rows, resets, explanations, and what a model changes."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt

from diffusion_studio.models import cards
from diffusion_studio.settings.generation import GenerationSettings
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


def test_sections_open_and_close(panel):
    assert panel.form.open_sections == ["result", "quality"]
    assert not panel.form.fields["sampler"].isVisibleTo(panel) and panel.form.fields["steps"].isVisibleTo(
        panel
    )
    panel.form.heads["advanced"].click()
    panel.form.heads["quality"].click()
    assert panel.form.fields["sampler"].isVisibleTo(panel) and not panel.form.fields["steps"].isVisibleTo(
        panel
    )
    assert panel.form.open_sections == ["result", "advanced"]


def test_each_setting_can_be_reset_to_what_the_model_recommends(panel, request_):
    request_.show(cards.find("faces").defaults())
    reset = panel.form.resets["steps"]
    assert not reset.isVisibleTo(panel)
    panel.form.fields["steps"].show_value(99)
    assert reset.isVisibleTo(panel) and reset.accessibleName() == "Reset Steps"
    reset.click()
    assert request_.settings.steps == 12 and not reset.isVisibleTo(panel)
    assert "seed" not in panel.form.resets


def test_the_lists_of_samplers_and_schedules_explain_themselves(panel, request_):
    from diffusion_studio.diffusion.names import SAMPLERS, SPACINGS

    for name, known in (("sampler", SAMPLERS), ("spacing", SPACINGS)):
        choice = panel.form.fields[name]
        assert [choice.itemData(place) for place in range(choice.count())] == list(known)
        assert all(choice.explanation(place) for place in range(choice.count()))
    request_.choose_model("plain")
    sampler = panel.form.fields["sampler"]
    assert sampler.recommended == "ddim"
    words = sampler.itemData(sampler.findData("ddim"), Qt.ItemDataRole.AccessibleTextRole)
    assert words.startswith("DDIM. Recommended.")


def test_the_seed_chip_says_random_or_locked(panel, request_, qtbot):
    chip = panel.form.seed
    assert chip.lock.text() == "Random" and chip.value() is None
    chip.number.lineEdit().selectAll()
    qtbot.keyClicks(chip.number, "41720")
    assert request_.settings.seed == 41720 and request_.locked and chip.lock.text() == "Locked"
    chip.lock.click()
    assert not request_.locked and chip.lock.text() == "Random" and request_.settings.seed == 41720
    chip.dice.click()
    assert request_.settings.seed != 41720 and not request_.locked and request_.fresh
