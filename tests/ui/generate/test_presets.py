"""The presets of the panel: saved, chosen, undone, deleted, and begun with when a model is chosen."""

import pytest

from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.generate.panel import preset_menu


@pytest.fixture
def page(window, draw):
    return window.page


def entries(page):
    page.presets.list.aboutToShow.emit()
    return {entry.text(): entry for entry in page.presets.list.actions() if not entry.isSeparator()}


def test_save_choose_and_undo(page, window, monkeypatch):
    page.request.show(GenerationSettings(model="faces", steps=44, guidance=3.5, seed=7))
    monkeypatch.setattr(preset_menu, "ask_name", lambda *given, **values: "Strong")
    entries(page)["Save as preset…"].trigger()
    assert page.presets.text() == "Preset: Strong" and page.presets.accessibleName() == "Preset: Strong"
    page.request.change(steps=10)
    assert page.presets.text() == "Presets"
    entries(page)["Strong"].trigger()
    assert page.request.settings.steps == 44 and page.request.settings.seed == 7 and page.request.locked
    window.context.undo.undo()
    assert page.request.settings.steps == 10
    entries(page)["Model recommendation"].trigger()
    assert (page.request.settings.steps, page.request.settings.guidance) == (12, 2.0)


def test_one_that_is_replaced_comes_back_with_undo(page, window):
    page.request.change(steps=44)
    page.presets.save("Strong")
    page.request.change(steps=9)
    page.presets.save(" Strong ")
    assert page.presets.presets.values("Strong")["steps"] == 9
    window.context.undo.undo()
    assert page.presets.presets.values("Strong")["steps"] == 44


def test_a_model_begins_with_its_default_preset(page):
    page.request.choose_model("plain")
    page.request.change(steps=17)
    page.presets.save("Quick")
    entries(page)["Start Plain with “Quick”"].trigger()
    page.request.choose_model("faces")
    assert page.request.settings.steps == 12
    page.request.choose_model("plain")
    assert page.request.settings.steps == 17 and entries(page)["Start Plain with “Quick”"].isChecked()


def test_deletion_is_undone_with_the_default(page, window):
    page.presets.save("Gone")
    model = page.request.settings.model
    page.presets.set_default("Gone")
    entries(page)["Delete “Gone”"].trigger()
    assert "Gone" not in page.presets.presets.all()
    window.context.undo.undo()
    assert page.presets.presets.default(model) == "Gone"
