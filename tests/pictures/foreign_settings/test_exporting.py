"""What an export keeps of the metadata of another program."""

import json

import pytest

from diffusion_studio.pictures import reading, writing
from diffusion_studio.pictures.metadata import parameters_line
from diffusion_studio.settings.generation import GenerationSettings
from tests.pictures.foreign_settings.conftest import MAIN, NOVEL, comfy, facts


@pytest.mark.parametrize("target", ["y.png", "y.jpg", "y.webp"])
def test_exporting_keeps_what_another_program_wrote(png, tmp_path, target):
    for texts in (
        {"prompt": json.dumps(comfy())},
        NOVEL,
        {"parameters": "a\nSteps: 9, Sampler: Heun, Seed: 3"},
    ):
        before = png(**texts)
        writing.export(before.path, tmp_path / target)
        after = reading.read(tmp_path / target)
        assert facts(after, *MAIN) == facts(before, *MAIN)
        assert not after.ours


def test_pixels_of_another_program_are_never_said_to_be_ours(png, tmp_path):
    before = png(prompt=json.dumps(comfy()))
    target = tmp_path / "y.png"
    writing.export(before.pixels(), target, settings=before.settings, facts=before.facts)
    after = reading.read(target)
    assert not after.ours and "diffusion_studio" not in after.texts.items
    assert facts(after, "program", "prompt", "negative", "width") == ("ComfyUI", "a cat", "dog", 512)


def test_a_line_of_ours_alone_is_ours_and_is_kept_by_an_export(png, tmp_path):
    line = parameters_line(GenerationSettings(seed=4, class_label="cat"), {})
    before = png(parameters=line)
    assert before.others is None and before.given["class_label"] == "cat"
    writing.export(before.path, tmp_path / "y.webp")
    assert reading.read(tmp_path / "y.webp").parameters == line


def test_a_graph_too_large_for_jpeg_leaves_its_settings(png, tmp_path):
    graph = comfy(x={"class_type": "Note", "inputs": {"note": "x" * 100_000}})
    before = png(prompt=json.dumps(graph))
    writing.export(before.path, tmp_path / "y.jpg")
    after = reading.read(tmp_path / "y.jpg")
    assert facts(after, "prompt", "seed", "steps", "width") == ("a cat", 1566802087, 20, 512)
