"""`queue` and `generate --queue`: the same file as the window's queue, from the command line."""

import json

import pytest

from diffusion_studio.cli import main
from diffusion_studio.generation import opening
from diffusion_studio.jobs.queue import GenerationQueue
from diffusion_studio.storage.places import models_dir
from tests.model_folders import save

TINY = "generate --model tiny --steps 2 --device cpu --precision float32 --queue"


@pytest.fixture
def run(capsys):
    save(models_dir() / "tiny")

    def run(words):
        status = main.main(words.split())
        streams = capsys.readouterr()
        return status, streams.out.splitlines(), streams.err.splitlines()

    yield run
    opening.close_models()


def test_requests_are_added_listed_reordered_and_removed(run):
    ids = [run(f"{TINY} --seed {seed}")[1][0] for seed in (1, 2, 3)]
    assert [request.id for request in GenerationQueue().requests()] == ids
    assert run(f"queue move {ids[2][:6]} 1")[0] == 0
    status, lines, _ = run("queue")
    assert status == 0 and [line.split()[1] for line in lines] == [ids[2][:8], ids[0][:8], ids[1][:8]]
    assert "tiny, 1 image, 2 steps, seed 3" in lines[0] and "waiting" in lines[0]
    assert run(f"queue remove {ids[0]}")[0] == 0
    assert [json.loads(line)["settings"]["seed"] for line in run("queue list --json")[1]] == [3, 2]
    assert run("queue clear")[0] == 0
    assert run("queue") == (0, [], ["No request waits. “generate --queue” adds one."])


def test_what_waits_is_generated_in_its_order(run, tmp_path):
    for seed in (5, 4):
        run(f"{TINY} --seed {seed}")
    status, paths, err = run(f"queue run --out {tmp_path / 'out'}")
    assert status == 0 and len(paths) == 2 and GenerationQueue().requests() == []
    assert ["-5" in paths[0], "-4" in paths[1]] == [True, True], paths
    assert err[0].endswith("1 more waits") and err[1].endswith("0 more wait")


def test_a_request_that_fails_is_kept_and_can_be_retried(run, tmp_path):
    id = run(TINY)[1][0]
    (models_dir() / "tiny").rename(tmp_path / "gone")
    status, _, err = run("queue run")
    assert status == 1 and "not installed" in err[-1]
    assert "failed" in run("queue")[1][0]
    assert run(f"queue retry {id}")[0] == 0 and run(f"queue retry {id}")[0] == 1
    (tmp_path / "gone").rename(models_dir() / "tiny")
    assert run(f"queue run --out {tmp_path}")[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("queue remove nobody", "There is no request “nobody”"),
        ("queue move x 0", "PLACE must be 1 or more"),
        (f"{TINY} --film x.png", "--queue cannot be combined with --film"),
        (f"{TINY} --format webp", "--queue cannot be combined with --format"),
    ],
)
def test_what_cannot_be_is_said(run, words, sentence):
    status, out, err = run(words)
    assert (status, out) == (1, []) and sentence in err[0]


def test_walk_still_names_the_morph(run, tmp_path):
    words = f"--model tiny --steps 1 --seeds 1,2 --frames 1 --device cpu --out {tmp_path}"
    assert [len(run(f"{verb} {words}")[1]) for verb in ("walk", "morph")] == [2, 2]
