"""Presets: kept in a file that windows and commands share, checked as they are read."""

import json

import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.presets import NAMES, Presets, presets_file


@pytest.fixture
def presets(own_folders):
    return Presets()


def test_what_is_saved_comes_back_without_what_is_about_one_image(presets):
    settings = GenerationSettings(model="m", seed=7, steps=33, sampler="heun", churn=2.0, device="cpu")
    assert presets.save("  Crisp  look ", settings) == "Crisp look"
    values = presets.values("Crisp look")
    assert values == {name: getattr(settings, name) for name in NAMES}
    assert not {"seed", "model", "source", "mask", "device"} & set(values)
    assert list(Presets().all()) == ["Crisp look"]


def test_a_model_begins_with_its_default_until_that_is_removed(presets):
    presets.save("a", GenerationSettings(steps=5))
    presets.set_default("faces", "a")
    assert presets.default("faces") == "a" and presets.default("plain") == ""
    presets.remove("a")
    assert presets.default("faces") == "" and not presets.all()


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
def test_a_name_that_is_not_allowed_is_refused(presets, name):
    with pytest.raises(UserError, match="1 to 60 characters"):
        presets.save(name, GenerationSettings())


def test_values_that_are_not_allowed_are_left_out(presets):
    presets_file().parent.mkdir(parents=True, exist_ok=True)
    damaged = {"version": 1, "presets": {"odd": {"steps": -4, "sampler": "heun", "source": "x"}, "no": 3}}
    presets_file().write_text(json.dumps(damaged))
    assert presets.values("odd")["sampler"] == "heun" and presets.values("odd").get("steps", 20) == 20
    assert "source" not in presets.values("odd") and presets.values("no") == {}
