"""`generate --film`, `walk` and `compare` on the command line, with a small real model."""

import json
import shlex
from types import SimpleNamespace

import pytest

from diffusion_studio.cli import main
from diffusion_studio.generation import opening as models
from diffusion_studio.pictures import reading
from diffusion_studio.pictures.listing import newest
from diffusion_studio.storage.places import models_dir
from tests.model_folders import save


@pytest.fixture(autouse=True)
def installed():
    yield save(models_dir() / "tiny", num_class_embeds=3, card={"recommended": {"steps": 3}})
    models._opened.clear()


@pytest.fixture
def run(capsys):
    def carry_out(words, *more):
        status = main.main([*shlex.split(words), *map(str, more)])
        captured = capsys.readouterr()
        return SimpleNamespace(status=status, out=captured.out.splitlines(), err=captured.err.splitlines())

    return carry_out


def test_a_generation_is_filmed(run, tmp_path):
    target = tmp_path / "film.png"
    result = run("generate --model tiny --seed 4 --count 2 --film-view both --film-scale 2 --film", target)
    assert result.status == 0 and result.out[-1] == str(target) and len(result.out) == 3
    record = reading.read(target)
    assert record.settings.seed == 4 and record.facts["film"]["view"] == "both"


@pytest.mark.parametrize("verb", ["generate --model tiny", "walk --model tiny --seeds 1,2"])
def test_a_film_that_cannot_be_written_is_said_before_the_work(run, verb, tmp_path):
    result = run(f"{verb} --film", tmp_path / "film.avi")
    assert result.status == 1 and result.out == [] and "allowed endings" in result.err[-1]


@pytest.mark.parametrize(
    "verb", ["generate --model tiny --seed 1", "walk --model tiny --seeds 1,2 --frames 1"]
)
def test_a_film_replaces_a_file_only_where_that_was_said(run, verb, tmp_path):
    target = tmp_path / "film.png"
    target.write_bytes(b"kept")
    result = run(f"{verb} --film", target)
    assert result.status == 1 and result.out == [] and "--overwrite" in result.err[-1]
    assert str(target) in result.err[-1] and target.read_bytes() == b"kept" and not list(newest())
    assert run(f"{verb} --overwrite --film", target).status == 0
    assert target.read_bytes() != b"kept"


def test_images_in_a_folder_never_replace_others(run, tmp_path):
    for _ in range(2):
        assert run("generate --model tiny --seed 1 --name-pattern x --out", tmp_path / "o").status == 0
        assert run("walk --model tiny --seeds 1,2 --frames 1 --out", tmp_path / "o").status == 0
        assert run("compare --model tiny --x steps=1,2 --cells --out", tmp_path / "o").status == 0
    assert len(list(newest(tmp_path / "o"))) == 2 * (1 + 2 + 3)


def test_a_film_that_makes_no_sense_is_said_before_the_work(run, tmp_path):
    result = run("generate --model tiny --count 2 --film-picture 3 --film", tmp_path / "film.png")
    assert result.status == 1 and result.out == [] and "the batch has 2 images" in result.err[-1]
    result = run("generate --model tiny --film", tmp_path)
    assert result.status == 1 and "is a folder" in result.err[-1]
    for asked in ("--film-seconds 3", "--previews sharp"):
        result = run(f"generate --model tiny {asked}")
        assert result.status == 1 and result.out == [] and "--film FILE" in result.err[-1]


def test_a_walk_is_a_film_and_single_pictures(run, tmp_path):
    target = tmp_path / "walk.webp"
    result = run("walk --model tiny --seeds 1,2 --frames 2 --loop", "--film", target, "--out", tmp_path / "o")
    assert result.status == 0 and len(result.out) == 5 and result.out[-1] == str(target)
    assert reading.read(target).facts["walk"] == {"seeds": [1, 2], "frames": 2, "loop": True}


def test_a_walk_to_nowhere_and_wrong_seeds_are_sentences(run):
    assert "--film FILE, --out FOLDER or both" in run("walk --model tiny --seeds 1,2").err[-1]
    assert run("walk --model tiny --seeds 1,b --film x.png").status == 2
    result = run("walk --model tiny --seeds 1 --film x.png")
    assert result.status == 1 and "2 to 500 seeds" in result.err[-1]


def test_a_comparison_is_a_sheet_and_single_pictures(run, tmp_path):
    result = run(
        "compare --model tiny --x sampler=ddim,dpmpp_2m --y steps=1,2,3 --seed 5 --cells --out", tmp_path
    )
    assert result.status == 0 and len(result.out) == 7 and result.out[-1].endswith("-5-compare.png")
    assert result.err == ["Seed 5"]
    assert [axis["setting"] for axis in reading.read(result.out[-1]).facts["compare"]] == ["sampler", "steps"]


def test_a_comparison_with_a_fault_in_a_cell_is_status_1_and_saves_the_others(run, tmp_path):
    result = run("compare --model tiny --x class='kind 0,nothing' --out", tmp_path)
    assert result.status == 1 and len(result.out) == 1
    assert result.err[-1].startswith("1 of 2 images is missing: tiny has no class “nothing”")


def test_a_comparison_as_json_is_one_event_a_line(run, tmp_path):
    result = run("compare --model tiny --x steps=1,2 --json --out", tmp_path)
    told = [json.loads(line) for line in result.out]
    names = [event["event"] for event in told]
    assert names.count("cell_done") == 2 and names[-1] == "finished" and "sheet_saved" in names
    assert next(event for event in told if event["event"] == "compare_started")["columns"] == 2


def test_a_signal_keeps_what_is_compared_so_far(run, tmp_path, monkeypatch):
    import signal

    from diffusion_studio.events import CellDone
    from diffusion_studio.jobs import compare as jobs

    compare = jobs.compare

    def interrupted(*arguments, **how):
        for event in compare(*arguments, **how):
            yield event
            if isinstance(event, CellDone) and event.column == 1:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("diffusion_studio.jobs.compare.compare", interrupted)
    result = run("compare --model tiny --x seed=1,2,3,4 --out", tmp_path)
    assert result.status == 130 and len(result.out) == 1
    assert reading.read(result.out[0]).facts["compare"][0]["values"] == [1, 2, 3, 4]


@pytest.mark.parametrize("axis", ["color=red", "steps=", "steps=0", "sampler=magic"])
def test_a_wrong_axis_is_a_fault_of_usage(run, axis):
    result = run(f"compare --model tiny --x {axis}")
    assert result.status == 2 and len(result.err) <= 2
