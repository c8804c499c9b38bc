"""`generate`: paths, options, models, settings of other images, JSON, and what the user can mend."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_studio.pictures import reading, start_pictures
from diffusion_studio.pictures import writing as outputs
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from tests.cli.conftest import FACES, PLAIN, picture

pytestmark = pytest.mark.usefixtures("installed")


def test_saved_paths_are_printed_and_nothing_else(run, draw, tmp_path):
    result = run("generate --seed 7 --count 3 --out", tmp_path)
    assert result.status == 0 and result.err == []
    assert [Path(line).name[7:] for line in result.out] == ["7.png", "8.png", "9.png"]
    for k, line in enumerate(result.out):
        assert np.array_equal(reading.read(line).pixels(), picture(7 + k))
    assert draw.closed == 1


def test_without_a_folder_the_outputs_folder_takes_them(run, draw, own_folders):
    result = run("generate --seed 7")
    assert Path(result.out[0]).is_relative_to(own_folders / "outputs")


def test_a_sheet_comes_last(run, draw, tmp_path):
    result = run("generate --seed 7 --count 2 --sheet --out", tmp_path)
    assert len(result.out) == 3 and result.out[-1].endswith("-7-sheet.png")


def test_a_seed_that_was_drawn_is_said(run, draw):
    assert run("generate").err == ["Seed 99"]
    assert run("generate --seed 5").err == []


def test_every_option_arrives(run, draw, tmp_path):
    Image.new("RGB", (9, 9), "red").save(tmp_path / "own.png")
    words = (
        "--model faces --steps 9 --seed 3 --sampler unipc --spacing karras --class hat --guidance 3.5 --count 2 "
        "--eta 0.25 --churn 2 --clipping dynamic --precision float32 --device cpu --until 4 --strength 0.5 --resamples 2 "
        "--prompt cat --negative dog --width 512 --height 64 --clip-skip 2 "
        f"--variation-seed 8 --variation-strength 0.1 --init {tmp_path}/own.png --mask {tmp_path}/own.png --feather 1"
    )
    assert run(f"generate {words}").status == 0
    assert draw.asked == [
        GenerationSettings(
            model="faces",
            prompt="cat",
            negative="dog",
            width=512,
            height=64,
            clip_skip=2,
            steps=9,
            seed=3,
            sampler="unipc",
            spacing="karras",
            class_label="hat",
            guidance=3.5,
            count=2,
            eta=0.25,
            churn=2.0,
            clipping="dynamic",
            precision="float32",
            device="cpu",
            until=4,
            source=start_pictures.keep(tmp_path / "own.png"),
            strength=0.5,
            mask=start_pictures.keep_mask(tmp_path / "own.png", 1),
            resamples=2,
            variation_seed=8,
            variation_strength=0.1,
        )
    ]
    assert {*options(GenerationSettings), "loras", "history", "batch"} == set(
        draw.asked[0].__dataclass_fields__
    )


def test_the_models_recommendation_outdoes_the_general_defaults_and_is_outdone_by_flags(run, draw):
    run("generate --guidance 4")
    run("generate --model plain")
    first, second = draw.asked
    assert (first.model, first.steps, first.sampler, first.guidance) == ("faces", 12, "ddim", 4.0)
    assert second == replace(PLAIN.defaults(), model="plain")


def test_like_takes_every_setting_from_a_picture_and_flags_win(run, draw, tmp_path):
    made = GenerationSettings(
        model="plain",
        steps=33,
        seed=5,
        sampler="heun",
        spacing="beta",
        churn=3.0,
        class_label="hat",
        guidance=1.5,
        batch="-,0",
    )
    path = outputs.save(picture(1), made, facts={}, folder=tmp_path)
    run("generate --like", path)
    run("generate --steps 33 --like", path)
    run("generate --steps 4 --model faces --like", path)
    assert draw.asked == [made, made, replace(made, steps=4, model="faces", batch="")]


def test_like_a_picture_led_away_from_early_weights_with_a_model_that_keeps_none(run, draw, tmp_path):
    made = GenerationSettings(model="faces", steps=3, seed=5, autoguidance=1.5)
    path = outputs.save(picture(1), made, facts={}, folder=tmp_path)
    result = run("generate --model plain --like", path)
    assert result.status == 0 and draw.asked[0].autoguidance == 1
    said = [line for line in result.err if "does not use what the image says of" in line]
    assert said == ["Plain model does not use what the image says of: Autoguidance."]


def test_like_a_picture_of_another_program_takes_what_it_says(run, draw, tmp_path):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "cat\nSteps: 28, Sampler: Euler a, CFG scale: 900, Seed: 5, Model: sdxl")
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    unknown = run("generate --like", tmp_path / "x.png")
    assert unknown.status == 1 and "“sdxl” that drew" in unknown.err[-1]
    result = run("generate --model faces --like", tmp_path / "x.png")
    assert result.status == 0 and any("Guidance must be between 0 and 20" in line for line in result.err)
    assert any("does not use what the image says of: Prompt." in line for line in result.err)
    wanted = replace(FACES.defaults(), steps=28, seed=5, sampler="euler_ancestral")
    assert draw.asked == [wanted]


def test_json_is_one_event_a_line(run, draw, tmp_path):
    result = run("generate --seed 7 --count 2 --sheet --json --out", tmp_path)
    found = [
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        for line in result.out
    ]
    names = [event["event"] for event in found]
    assert names == ["status", "started", *["preview"] * 13, "saved", "saved", "sheet_saved", "finished"]
    assert found[2]["denoised"] == {"shape": [2, 8, 8, 3]} and found[2]["sigma"] is None
    assert found[1]["settings"]["seed"] == 7 and Path(found[-2]["path"]).is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [("", "The image was"), ("--count 3 --sheet", "3 of 3 images (seed 1, seed 2, seed 3) were")],
)
def test_pictures_that_were_not_saved_are_one_sentence_and_status_1(run, draw, words, sentence):
    draw.full = True
    result = run(f"generate --seed 1 {words}")
    assert (result.status, result.out) == (1, [])
    assert result.err == [f"{sentence} not saved: There is no room."]


def test_a_sheet_that_was_not_saved_is_status_1_and_the_pictures_are_kept(run, draw, tmp_path):
    draw.full_for_sheet = True
    result = run("generate --seed 1 --count 2 --sheet --out", tmp_path)
    assert (result.status, len(result.out)) == (1, 2)
    assert result.err == ["The sheet was not saved: there is no room."]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("generate --model nope", "“nope” is not installed; installed are: faces, plain"),
        ("generate --like gone.png", "gone.png cannot be read: No such file"),
        ("generate --out {file}", "is not a folder"),
        ("generate --out {file}/below", "is not a folder"),
        ("info gone.png", "neither a file nor an installed model"),
        ("info ''", "neither a file nor an installed model"),
        ("info {file}", "not an image"),
        ("train x --name y --steps 3 --minutes 4", "not both"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence_and_status_1(run, draw, tmp_path, words, sentence):
    (tmp_path / "file").write_text("no picture")
    result = run(words.format(file=tmp_path / "file"))
    assert (result.status, result.out, len(result.err)) == (1, [], 1)
    assert sentence in result.err[0] and result.err[0].endswith(".")
    assert draw.asked == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_found_out_before_the_work(run, draw, tmp_path):
    tmp_path.chmod(0o500)
    result = run("generate --out", tmp_path / "x")
    assert result.status == 1 and "read-only" in result.err[0] and draw.asked == []
