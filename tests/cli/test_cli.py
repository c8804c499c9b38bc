"""The command line: what it asks of the jobs, what it prints where, and how it ends. The jobs stand in, without torch."""

import pytest

from diffusion_studio import __version__, doctor
from diffusion_studio.cli import main, output
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import options
from diffusion_studio.settings.training import TrainingSettings
from diffusion_studio.storage import places

pytestmark = pytest.mark.usefixtures("installed")

# Usage ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("genrate", "did you mean “generate”?"),
        ("xyz", "there are: generate"),
        ("--count 4", "must come after a command"),
        ("generate --stepz 5", "did you mean “--steps”?"),
        ("generate --step 5", "“--step” is not an option"),
        ("generate --coulomb red", "“--coulomb” is not an option\n"),  # like --count only in its dashes
        ("generate steps=5", "“steps=5” is not expected here; did you mean “--steps”?"),
        ("generate --steps 0", "between 1 and 1000, not 0"),
        ("generate --steps many", "not a whole number"),
        ("generate --guidance much", "not a number"),
        ("generate --guidance nan", "between 0 and 20"),
        ("generate --seed 4294967296", "between 0 and 4294967295, not 4294967296"),
        (f"generate --steps {'9' * 400}", "between 1 and 1000"),
        ("generate --seed -1", "between 0 and"),
        ("generate --sampler nope", "dpmpp_2m"),
        ("generate --steps", "expected one argument"),
        ("generate extra", "“extra” is not expected here"),
        ("info", "required: IMAGE|MODEL"),
        ("train", "a --name are needed"),
        ("train folder", "a --name are needed"),
        pytest.param(
            "train --resume x --batch 3", "keeps its --batch", marks=pytest.mark.slow
        ),  # loads torch
        pytest.param("train --resume x --size 16", "keeps its --size", marks=pytest.mark.slow),
        pytest.param("train folder --name x --changed-data", "needs --resume", marks=pytest.mark.slow),
    ],
)
def test_wrong_usage_is_status_2(run, draw, words, sentence):
    result = run(words)
    assert (result.status, result.out) == (2, [])
    assert sentence in f"{result.err[-1]}\n" and len(result.err) <= 2
    assert draw.asked == []


def test_help_and_version(run):
    assert run("--version").out == [f"diffusion-studio {__version__}"]
    result = run("--help")
    assert result.status == 0 and all(any(verb in line for line in result.out) for verb in main.VERBS)


@pytest.mark.parametrize("verb", main.VERBS)
def test_each_verb_has_help(run, verb):
    result = run(f"{verb} --help")
    assert (
        result.status == 0 and result.out[0].startswith(f"usage: diffusion-studio {verb}") and not result.err
    )


@pytest.mark.parametrize(("verb", "kind"), [("generate", GenerationSettings), ("train", TrainingSettings)])
def test_help_names_every_option_with_range_choices_and_default(run, verb, kind):
    text = " ".join(" ".join(run(f"{verb} --help").out).split())
    for name, facts in options(kind).items():
        if name == "folder":
            continue
        flag = (facts.flag or name).replace("_", "-")
        assert f"--{flag} " in text or f"--{flag}," in text
        for choice in facts.choices or ():
            assert choice in text
    assert "1 to 1000 (default: 20)" in text or verb == "train"
    assert "0 to 4294967295 (default: random)" in text


# On a terminal --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["generate --seed 1", "train pictures --name Mine"])
def test_a_terminal_shows_progress_and_standard_output_stays_clean(run, draw, learn, monkeypatch, words):
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    for module in ("progress",):
        monkeypatch.setattr(f"diffusion_studio.cli.{module}.on_terminal", lambda: True)
    result = run(words)
    assert result.status == 0 and len(result.out) == 1
    assert "100%" in "".join(result.err) and "%" not in result.out[0]


@pytest.mark.parametrize("verb", ["generate", "walk --seeds 1,2", "compare --x steps=1,2"])
@pytest.mark.parametrize(("name", "words"), [("x" * 300, "300 bytes"), ("a\0b", "NUL")])
def test_a_folder_that_cannot_be_is_said_before_anything_is_drawn(run, draw, monkeypatch, verb, name, words):
    for job in ("generate", "morph", "compare"):
        monkeypatch.setattr(
            f"diffusion_studio.jobs.{job}.{job}", lambda *_, **__: pytest.fail("something was drawn")
        )
    result = run(f"{verb} --out", name)
    assert (result.status, result.out) == (1, []) and len(result.err) == 1
    assert words in result.err[0]


@pytest.mark.parametrize("verb", ["generate", "walk --seeds 1,2"])
def test_a_film_that_cannot_be_is_said_before_anything_is_drawn(run, draw, monkeypatch, verb):
    for job in ("generate", "morph"):
        monkeypatch.setattr(
            f"diffusion_studio.jobs.{job}.{job}", lambda *_, **__: pytest.fail("something was drawn")
        )
    result = run(f"{verb} --film", "f" * 300 + ".png")
    assert result.status == 1 and "304 bytes" in result.err[0] and len(result.err) == 1


@pytest.mark.parametrize(
    "words", ["info {}", "gallery list --out {}", "gallery", "models", "models list", "models verify"]
)
def test_a_forbidden_folder_is_said_to_be_forbidden(run, monkeypatch, tmp_path, words):
    from diffusion_studio.storage import paths

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    for place in (tmp_path / "shut", places.models_dir(), places.outputs_dir()):
        place.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(paths.os, "scandir", forbidden)
    verb, *rest = words.split()
    result = run(verb, *(str(tmp_path / "shut") if word == "{}" else word for word in rest))
    assert result.status == 1 and len(result.err) == 1
    assert result.err[0].endswith("cannot be opened: you do not have permission to.")


def test_a_file_the_system_does_not_open_is_a_sentence_whichever_verb_meets_it(run, monkeypatch):

    def shut():
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(doctor, "text", shut)
    result = run("doctor")
    assert (result.status, result.err) == (1, ["/some/file cannot be opened: you do not have permission to."])
