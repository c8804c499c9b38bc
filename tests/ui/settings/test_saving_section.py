"""How pictures are saved, on the Settings page: kept at once, with an example of the name, and heeded by what saves."""

import numpy as np
import pytest

from diffusion_studio.pictures import reading
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.saving import SavingSettings
from diffusion_studio.storage.places import outputs_dir, usual_outputs_dir
from diffusion_studio.ui.settings.page import SAVING

PICTURE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def section(window):
    window.context.go_to("settings")
    window.page.show_category(SAVING)
    return window.page.saving


def kept(qtbot, **values):
    qtbot.waitUntil(lambda: outputs.kept_saving() == SavingSettings(**values))


def test_what_is_chosen_is_kept_and_heeded(section, qtbot):
    section.form.fields["format"].show_value("webp")
    section.form.fields["quality"].show_value(40)
    section.form.fields["metadata"].show_value(False)
    kept(qtbot, format="webp", quality=40, metadata=False)
    path = outputs.save(PICTURE, GenerationSettings(seed=3), facts={})
    assert path.suffix == ".webp" and reading.read(path).settings is None


def test_the_quality_is_asked_for_where_there_is_one(section):
    for format, asked in (
        ("png", False),
        ("jpeg", True),
        ("webp", True),
        ("webp-lossless", False),
        ("tiff", False),
    ):
        section.form.fields["format"].show_value(format)
        assert section.form.fields["quality"].isEnabled() == asked


def test_a_name_is_shown_as_it_is_typed(section, qtbot):
    pattern = section.form.fields["pattern"]
    pattern.setText("{model} {seed} of {steps}")
    assert section.example.text().endswith("/pixel-avatars-32 7 of 20.png")
    kept(qtbot, pattern="{model} {seed} of {steps}")
    pattern.setText("{colour}")
    assert "colour" in section.example.text()
    pattern.setText("a/b")
    assert "/" in section.example.text() and "example" not in section.example.text()
    assert section.saving.pattern == "{model} {seed} of {steps}"


def test_pictures_can_be_kept_elsewhere_and_back(section, window, qtbot, choose_file, tmp_path):
    choose_file(tmp_path / "mine")
    with qtbot.waitSignal(window.context.outputs_moved):
        section.choose.click()
    assert outputs_dir() == tmp_path / "mine" and section.usual.isVisible()
    path = outputs.save(PICTURE, GenerationSettings(seed=3), facts={})
    strip = window.contents.pages[0].strip
    strip.refresh()
    qtbot.waitUntil(lambda: strip.model.paths == [path])
    with qtbot.waitSignal(window.context.outputs_moved):
        section.usual.click()
    assert outputs_dir() == usual_outputs_dir() and section.usual.isHidden()


def test_it_is_remembered(make_window, qtbot):
    first = make_window()
    first.contents.visit(len(first.contents.entries) - 1)
    first.page.saving.form.fields["format"].show_value("jpeg")
    kept(qtbot, format="jpeg")
    second = make_window()
    second.contents.visit(len(second.contents.entries) - 1)
    assert second.page.saving.form.fields["format"].value() == "jpeg"
