"""Prompts, sizes and LoRAs on the command line: what arrives, and a sentence for what cannot be."""

import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from diffusion_studio import events
from diffusion_studio.cli import main
from diffusion_studio.models.card import ModelCard
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.loras import Lora
from diffusion_studio.storage.places import loras_dir
from tests.lora_files import write_lora

TEXT = ModelCard(
    name="sd",
    title="SD",
    path=Path("/models/sd"),
    size=512,
    prompted=True,
    sizes=((512, 512),),
    digest="ab" * 32,
)
PLAIN = ModelCard(name="plain", title="Plain", path=Path("/models/plain"), size=16)


@pytest.fixture
def run(monkeypatch, capsys):
    """Carries out a command line with two models and a job that only notes what it was asked for."""
    asked = []

    def generate(settings, **_):
        asked.append(settings)
        yield events.Finished(seconds=0.1, steps_per_second=1.0)

    monkeypatch.setattr("diffusion_studio.models.cards.installed", lambda: [TEXT, PLAIN])
    monkeypatch.setattr("diffusion_studio.jobs.generate.generate", generate)

    def carry_out(words, *more):
        status = main.main([*shlex.split(words), *map(str, more)])
        said = capsys.readouterr()
        return SimpleNamespace(status=status, err=said.err, asked=asked[-1] if asked else None)

    return carry_out


def test_words_and_loras_arrive_with_their_hash(run, tmp_path):
    style = write_lora(loras_dir() / "style.safetensors")
    other = write_lora(tmp_path / "x:y" / "other.safetensors", width=2048)
    result = run(
        f"generate --model sd --prompt 'a <b>cat</b>' --negative dog --guidance 7 --lora style:0.8 --lora {other}"
    )
    assert result.status == 0, result.err
    assert (result.asked.prompt, result.asked.negative) == ("a <b>cat</b>", "dog")
    named = [(lora.name, len(lora.digest), lora.weight) for lora in result.asked.loras]
    assert named == [("style", 64, 0.8), ("other", 64, 1.0)] and style.is_file()
    assert str(tmp_path) not in str(result.asked)


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ("--lora nothing", 1, "LoRA “nothing” is not in"),
        ("--lora style:99", 2, "between -10 and 10, not 99"),
        ("--lora ''", 2, "names no LoRA"),
        ("--lora /no/such.safetensors", 1, "/no/such.safetensors is not there"),
        ("--lora style --lora style:0.5", 1, "LoRA style is given twice"),
        ("--width 513", 2, "the nearest are 512 and 520"),
        ("--height 32", 2, "between 64 and 4096"),
        ("--clip-skip 13", 2, "between 1 and 12"),
        ("--prompt 'a\x07b'", 2, "control characters"),
    ],
)
def test_what_cannot_be_is_a_sentence(run, words, status, sentence):
    write_lora(loras_dir() / "style.safetensors")
    result = run(f"generate --model sd {words}")
    assert result.status == status and sentence in result.err


def test_what_has_no_effect_is_said(run):
    write_lora(loras_dir() / "style.safetensors")
    result = run("generate --model plain --prompt cat --width 512")
    assert "Prompt has no effect with Plain" in result.err and "Width has no effect" in result.err
    assert "guidance above 1" in run("generate --model sd --prompt cat --negative dog --guidance 1").err
    assert "not closed" in run("generate --model sd --prompt '(cat'").err


def test_an_image_of_another_program_is_followed_to_its_model_by_hash(run, tmp_path):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(
        "parameters",
        "a cat <lora:ink:0.5>\nNegative prompt: dog\nSteps: 28, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, "
        f"Size: 512x768, Model hash: {TEXT.digest[:10]}, Model: renamed, Clip skip: 2",
    )
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    asked = run("generate --like", tmp_path / "x.png").asked
    wanted = GenerationSettings(
        model="sd",
        prompt="a cat",
        negative="dog",
        steps=28,
        sampler="dpmpp_2m",
        spacing="karras",
        guidance=7.0,
        seed=5,
        width=512,
        height=768,
        clip_skip=2,
        loras=(Lora("ink", weight=0.5),),
    )
    assert asked == wanted
    assert run("generate --lora none --like", tmp_path / "x.png").asked == replace(wanted, loras=())
    result = run("generate --model plain --like", tmp_path / "x.png")
    assert "Plain does not use what the image says of: Prompt" in result.err and result.asked.prompt == ""


def test_info_says_the_words_and_the_loras_also_of_the_past_of_a_branch(run, tmp_path, capsys):
    import numpy as np

    from diffusion_studio.pictures import writing
    from diffusion_studio.settings.branches import branch

    parent = GenerationSettings(model="sd", seed=1, prompt="a cat", loras=(Lora("ink", weight=0.5),))
    path = writing.save(np.zeros((8, 8, 3), np.uint8), branch(parent, 3, prompt="a dog", loras=()), facts={})
    assert run("info", path).status == 0
    path = writing.save(np.zeros((8, 8, 3), np.uint8), parent, facts={})
    main.main(["info", str(path)])
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["Prompt", "a cat"] in rows and ["LoRA", "ink 0.5"] in rows and ["Width", "0"] not in rows
