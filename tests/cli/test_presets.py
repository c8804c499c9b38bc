"""`presets` and `--preset`: settings saved in the window, used on the command line."""

import json

import pytest

from diffusion_studio.cli import main
from diffusion_studio.cli.generate import settings_for
from diffusion_studio.errors import UserError
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.presets import Presets
from diffusion_studio.storage.places import models_dir
from tests.model_folders import save

SOFT = GenerationSettings(model="tiny", steps=60, guidance=2.5, sampler="ddim", eta=0.5, class_label="cats")


@pytest.fixture(autouse=True)
def run(capsys, monkeypatch):
    from diffusion_studio.models import cards

    monkeypatch.setattr(cards, "STARTER", "tiny")
    save(models_dir() / "tiny")
    Presets().save("Soft Portraits", SOFT)

    def run(words):
        status = main.main(words.split())
        streams = capsys.readouterr()
        return status, streams.out.splitlines(), streams.err.splitlines()

    return run


def test_they_are_listed_with_what_they_set(run):
    status, lines, _ = run("presets")
    assert status == 0 and lines[0].startswith("Soft Portraits  ") and "--steps 60" in lines[0]
    assert json.loads(run("presets --json")[1][0])["settings"]["eta"] == 0.5


def test_a_preset_lies_between_the_model_and_what_is_given():
    settings = settings_for({"steps": 7}, None, preset="soft portraits")
    assert (settings.steps, settings.sampler, settings.eta) == (7, "ddim", 0.5)


def test_a_class_the_model_does_not_have_is_left_out_and_said(capsys):
    assert settings_for({}, None, preset="Soft Portraits").class_label == ""
    assert "cats" in capsys.readouterr().err


def test_autoguidance_the_model_cannot_have_is_left_out_and_said(capsys):
    Presets().save("Led", GenerationSettings(model="tiny", steps=5, autoguidance=2.0))
    assert settings_for({}, None, preset="Led").autoguidance == 1
    assert "the preset’s autoguidance is left out" in capsys.readouterr().err
    assert (
        settings_for({"autoguidance": 2.0}, None, preset="Led").autoguidance == 2
    )  # asked for: refused with a sentence


def test_an_unknown_name_is_refused_with_the_nearest_one(run):
    with pytest.raises(UserError, match="Soft Portraits"):
        settings_for({}, None, preset="Soft Portrait")
    status, _, said = run("generate --preset nothing")
    assert status == 1 and "presets" in said[0]
