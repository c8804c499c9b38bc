"""settings.json: only what differs, each bad value falling back by itself, and never a start that fails because of it."""

import json

import pytest

from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.storage.places import config_dir
from diffusion_studio.ui.base.preferences import Preferences
from diffusion_studio.ui.base.settings_file import SettingsFile


def write(text):
    config_dir().mkdir(parents=True, exist_ok=True)
    (config_dir() / "settings.json").write_text(text, encoding="utf-8")


def test_only_what_differs_from_the_defaults_is_written():
    settings_file = SettingsFile()
    settings_file.store("generation", GenerationSettings(steps=7, sampler="ddim"))
    settings_file.store("window", Preferences())
    settings_file.save()
    written = json.loads((config_dir() / "settings.json").read_text(encoding="utf-8"))
    assert written == {"generation": {"steps": 7, "sampler": "ddim"}}
    assert SettingsFile().load("generation", GenerationSettings) == GenerationSettings(
        steps=7, sampler="ddim"
    )


def test_nothing_is_written_when_nothing_has_changed():
    settings_file = SettingsFile()
    settings_file.store("window", Preferences())
    settings_file.save()
    assert not (config_dir() / "settings.json").exists()


def test_each_bad_value_falls_back_by_itself():
    values = {"steps": -5, "sampler": "magic", "count": 3, "eta": "much", "unknown": 1, "guidance": 2}
    write(json.dumps({"generation": values, "window": {"theme": "dark", "scaling": 9}}))
    settings_file = SettingsFile()
    assert settings_file.load("generation", GenerationSettings) == GenerationSettings(count=3, guidance=2.0)
    assert settings_file.load("window", Preferences) == Preferences(theme="dark")
    assert len(settings_file.refused) == 5


@pytest.mark.parametrize(
    "text", ["", "not json", "[1, 2]", "null", '{"generation": 5, "window": null}', "\ufeff{}", "{" * 5000]
)
def test_a_file_that_makes_no_sense_does_not_keep_the_window_shut(text):
    write(text)
    settings_file = SettingsFile()
    assert settings_file.load("generation", GenerationSettings) == GenerationSettings()
    settings_file.store("generation", GenerationSettings(steps=3))
    settings_file.save()
    assert SettingsFile().load("generation", GenerationSettings).steps == 3


def test_sections_of_others_are_kept():
    write(json.dumps({"training": {"batch": 8}}))
    settings_file = SettingsFile()
    settings_file.store("generation", GenerationSettings(steps=3))
    settings_file.save()
    assert SettingsFile().section("training") == {"batch": 8}
