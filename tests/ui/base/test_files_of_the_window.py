"""settings.json and window.ini: two windows keep each other's changes, and damage is set aside."""

import json

import pytest
from PySide6.QtCore import QByteArray

from diffusion_studio.errors import UserError
from diffusion_studio.storage import notices
from diffusion_studio.storage.places import config_dir
from diffusion_studio.ui.base.settings_file import SettingsFile
from diffusion_studio.ui.window import window as window_module


def write(name, content):
    config_dir().mkdir(parents=True, exist_ok=True)
    (config_dir() / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return config_dir() / name


def asides(name):
    return [path.read_bytes() for path in config_dir().glob(f"{name}.broken-*")]


def put(memory, section, **values):
    memory._sections[section] = {**memory.section(section), **values}


def test_two_windows_keep_each_others_changes():
    path = write("settings.json", {"window": {"theme": "dark"}, "training": {"batch": 8}})
    first, second = SettingsFile(), SettingsFile()
    put(first, "window", quality=50)
    put(second, "window", theme="light")
    put(second, "generation", steps=3)
    first.save()
    second.save()
    assert json.loads(path.read_text()) == {
        "window": {"theme": "light", "quality": 50},
        "training": {"batch": 8},
        "generation": {"steps": 3},
    }


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_damaged_settings_are_set_aside_and_said(content):
    write("settings.json", content)
    heard = []
    memory = SettingsFile()
    notices.listen(heard.append)()
    put(memory, "generation", steps=3)
    memory.save()
    assert asides("settings.json") == [content] and len(heard) == 1


def test_a_damaged_section_is_kept_aside_when_it_is_written():
    write("settings.json", {"generation": [1], "window": {"theme": "dark"}})
    memory = SettingsFile()
    put(memory, "window", quality=50)
    memory.save()
    assert not asides("settings.json")
    put(memory, "generation", steps=3)
    memory.save()
    assert [json.loads(text)["generation"] for text in asides("settings.json")] == [[1]]


def test_settings_of_a_later_version_are_not_written():
    path = write("settings.json", {"version": 9, "window": {"theme": "dark"}})
    memory = SettingsFile()
    put(memory, "window", quality=50)
    with pytest.raises(UserError, match="later version"):
        memory.save()
    assert json.loads(path.read_text())["version"] == 9


@pytest.mark.parametrize("content", [b"garbage", b"\x00\xff[", b"[General]\ngeometry=5\n", b"{}"])
def test_a_window_ini_that_is_not_understood_is_set_aside(qapp, content):
    path = write("window.ini", content)
    places = window_module._open_places(path)
    places.setValue("geometry", QByteArray(b"abc"))
    places.sync()
    assert asides("window.ini") == [content]
    assert window_module._open_places(path).value("geometry") == QByteArray(b"abc")
    assert len(asides("window.ini")) == 1


def test_a_window_ini_that_cannot_be_read_is_left(qapp):
    path = config_dir() / "window.ini"
    path.mkdir(parents=True)
    assert window_module._open_places(path) is None and path.is_dir()
