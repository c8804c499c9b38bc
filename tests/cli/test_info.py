"""`info`, `models` and `doctor`."""

import json
import re

import pytest
from PIL import Image

from diffusion_studio import doctor
from diffusion_studio.models import cards
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings
from tests.cli.conftest import picture

pytestmark = pytest.mark.usefixtures("installed")


def test_info_tells_what_made_a_picture(run, tmp_path):
    made = GenerationSettings(model="faces", steps=33, seed=5, sampler="heun", class_label="hat\x1b[2J")
    path = outputs.save(picture(1), made, facts={"model_hash": "0123456789"}, folder=tmp_path)
    result = run("info", path)
    text = " ".join(" ".join(result.out).split())
    assert result.status == 0
    for words in ("PNG, 8×8", "Model faces", "Steps 33", "Seed 5", "Sampler Heun", "Model hash 0123456789"):
        assert words in text
    assert "\x1b" not in text
    found = json.loads(run("info --json", path).out[0])
    assert found["settings"]["seed"] == 5 and found["width"] == 8 and found["refused"] == []


def test_info_of_a_picture_that_says_nothing(run, tmp_path):
    outputs.export(picture(1), tmp_path / "x.png", with_metadata=False)
    result = run("info", tmp_path / "x.png")
    assert result.status == 0 and result.err == ["No generation settings found."]
    assert json.loads(run("info --json", tmp_path / "x.png").out[0])["settings"] is None


def test_info_of_a_picture_of_another_program_says_what_it_says(run, tmp_path):
    from PIL.PngImagePlugin import PngInfo

    said = {
        "positive_prompt": "a cat",
        "seed": 2**40,
        "steps": 30,
        "scheduler": "unipc_k_x",
        "app_version": "5.4.0",
    }
    info = PngInfo()
    info.add_text("invokeai_metadata", json.dumps(said))
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    result = run("info", tmp_path / "x.png")
    rows = [line.split(maxsplit=1) for line in result.out]
    assert ["Seed", str(2**40)] in rows and ["Steps", "30"] in rows and ["Prompt", "a cat"] in rows
    assert any("InvokeAI 5.4.0" in line for line in result.out) and not result.err
    assert any("“unipc_k_x” does not exist here" in line for line in result.out)
    found = json.loads(run("info --json", tmp_path / "x.png").out[0])
    assert found["made_with"] == "InvokeAI" and found["settings"] == {"prompt": "a cat", "steps": 30}
    assert found["foreign"]["seed"] == 2**40 and json.loads(found["raw"]) == said


def test_info_says_what_a_file_of_weights_is(run, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02}q.")
    result = run("info", tmp_path / "model.ckpt")
    assert result.status == 1 and "pickle" in result.err[0]


@pytest.mark.parametrize("name", ["faces", "Faces", "FACES"])
def test_info_tells_what_a_model_is(run, name):
    text = " ".join(" ".join(run(f"info {name}").out).split())
    for words in ("8×8 pixels", "Classes hat, beard", "Parameters 4.0 million", "steps 12", "CC0 1.0"):
        assert words in text
    assert json.loads(run(f"info --json {name}").out[0])["classes"] == ["hat", "beard"]


def test_models_are_listed_with_the_default_marked(run, own_folders):
    broken = own_folders / "models" / "broken"
    (broken / "unet").mkdir(parents=True)
    (broken / "unet" / "config.json").write_text("{")
    result = run("models")
    assert result.status == 0
    assert re.fullmatch(r"faces \(default\) +Faces +8×8 +2 classes +4\.0 million", result.out[0])
    assert re.fullmatch(r"plain +Plain model +16×16 +no classes", result.out[1])
    assert len(result.err) == 1 and "broken" in result.err[0]
    found = [json.loads(line) for line in run("models --json").out]
    assert [(model["name"], model["default"]) for model in found] == [("faces", True), ("plain", False)]


def test_no_model_is_a_sentence(run, monkeypatch):
    monkeypatch.setattr(cards, "installed", list)
    result = run("models")
    assert result.status == 1 and "No model is installed" in result.err[0]


def test_doctor_prints_the_report(run, monkeypatch):
    monkeypatch.setattr(doctor, "text", lambda: "Python  3")
    assert run("doctor").out == ["Python  3"]
