"""run.json, the log and the claim of a run: damage harms one thing at most, and one process at a time trains."""

import json
import os
import subprocess
import sys
import threading

import pytest

from diffusion_studio.cli import main
from diffusion_studio.errors import UserError
from diffusion_studio.training.records import checkpoints, claims, log, runs
from diffusion_studio.training.records.run import FACTS

SETTINGS, ORIGIN = {"name": "Mine", "size": 16}, {"digest": "abc"}


@pytest.fixture
def run():
    run = runs.create("mine", SETTINGS, ORIGIN)
    run.note(state="stopped", step=7, seconds=3.0)
    return run


def spoil(run, **values):
    path = run.path / FACTS
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def checkpoint(run, step):
    return run.save_checkpoint(step, b"tensors", {"step": step, "seconds": float(step)})


@pytest.mark.parametrize(
    "values",
    [
        {"step": "abc"},
        {"step": -1},
        {"step": 1.5},
        {"step": True},
        {"settings": [1]},
        {"origin": 7},
        {"state": {}},
        {"seconds": "x"},
        {"seconds": float("nan")},
        {"process": "x", "state": "running"},
        {"published": 3},
        {"exact": []},
        {"id": None},
    ],
)
def test_one_damaged_record_is_one_damaged_row(run, values, capsys):
    other = runs.create("other", SETTINGS, ORIGIN)
    other.note(state="finished", step=3)
    spoil(run, **values)
    assert main.main(["runs"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2 and "finished, step 3" in said.out
    assert ("process" in values) or str(run.path / FACTS) in said.err
    pytest.importorskip("PySide6")
    from diffusion_studio.ui.train.records import list_rows

    rows = {row.name: row for row in next(list_rows())}
    assert rows["other"].state == "finished" and rows["mine"].words


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0" * 50])
def test_a_record_that_cannot_be_understood_is_a_damaged_row_and_stays(run, text, capsys):
    (run.path / FACTS).write_text(text)
    assert run.state == "damaged" and run.step == 0 and "run.json" in run.damage
    assert main.main(["runs"]) == 0 and "mine  damaged" in capsys.readouterr().out
    assert (run.path / FACTS).read_text() == text
    with pytest.raises(UserError, match=r"run\.json is damaged.*left as it is"):
        run.note(step=9)
    assert (run.path / FACTS).read_text() == text


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_record_is_made_again_from_a_checkpoint(run, text):
    checkpoint(run, 5)
    (run.path / FACTS).write_text(text)
    checkpoint(run, 6)  # damaged when it was written: it takes what the one before says
    run.note(state="running")
    facts = run.facts
    assert (facts["settings"], facts["origin"], facts["step"], facts["state"]) == (
        SETTINGS,
        ORIGIN,
        6,
        "running",
    )
    (aside,) = run.path.glob("run.json.broken-*")
    assert aside.read_text() == text


@pytest.mark.parametrize("text", ["", "{", None])
def test_what_trains_remembers_what_it_trains(run, text):
    known = run.remembered()
    path = run.path / FACTS
    path.unlink() if text is None else path.write_text(text)
    known.note(step=9)
    assert (run.facts["settings"], run.facts["origin"], run.step) == (SETTINGS, ORIGIN, 9)
    assert len(list(run.path.glob("run.json.broken-*"))) == (text is not None)


def test_a_record_that_cannot_be_read_is_not_written_over(run, monkeypatch):
    path, real = run.path / FACTS, os.open
    before = path.read_bytes()

    def fail(name, *arguments, **options):
        if os.fspath(name) == str(path):
            raise OSError(5, "Input/output error", str(path))
        return real(name, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fail)
        assert run.state == "damaged"
        with pytest.raises(UserError, match="cannot be read"):
            run.remembered().note(step=9)
    assert path.read_bytes() == before


def test_a_damaged_value_that_is_written_over_is_kept_aside(run):
    spoil(run, step="abc")
    run.note(seconds=4.0)
    assert not list(run.path.glob("*.broken-*"))
    run.note(step=9)
    (aside,) = run.path.glob("run.json.broken-*")
    assert json.loads(aside.read_text())["step"] == "abc" and run.step == 9


def test_a_run_that_was_deleted_is_not_begun_again_by_a_note(run):
    runs.delete(run)
    with pytest.raises(UserError, match="no longer there"):
        run.note(step=9)
    assert not run.path.exists()


def test_two_runs_of_one_name_are_not_begun_at_once(run, monkeypatch):
    real, asked = runs.check_free, []
    monkeypatch.setattr(runs, "check_free", lambda name: real(name) if asked else asked.append(name))
    with pytest.raises(UserError, match="already a"):
        runs.create("mine", {}, {})
    assert run.facts["settings"] == SETTINGS


def test_folders_with_odd_names_are_no_checkpoints(run):
    checkpoint(run, 5)
    for name in ("²", "٣", "x", "5"):
        (run.path / "checkpoints" / name).mkdir(exist_ok=True)
    assert [path.name for path in checkpoints.newest_first(run.path)] == ["5", "00000005"]


# The log --------------------------------------------------------------------------------------------------------------


def test_a_torn_last_line_is_left_out_and_ended_before_the_next(run):
    log.append(run.path, {"step": 1, "loss": 0.5})
    with (run.path / log.LOG).open("a") as file:
        file.write('{"step": 2, "lo')
    assert [entry["step"] for entry in log.read(run.path)] == [1]
    log.append(run.path, {"step": 3, "loss": 0.25})
    log.append(run.path, {"step": 4, "loss": 0.25})
    assert [entry["step"] for entry in log.read(run.path)] == [1, 3, 4]
    log.cut(run.path, 3)
    assert [entry["step"] for entry in log.read(run.path)] == [1, 3]
    assert b'{"step": 2, "lo\n' in (run.path / log.LOG).read_bytes()


def test_lines_that_are_no_reports_harm_nothing(run):
    lines = [
        "",
        "[]",
        "5",
        '{"step": "x"}',
        '{"step": true}',
        "[" * 100_000,
        '{"step": 2, "loss": "much"}',
        "\ufffd",
    ]
    (run.path / log.LOG).write_text("\n".join(lines))
    assert log.read(run.path) == [{"step": 2}] and log.last_losses(run.path) == {}


# The claim ------------------------------------------------------------------------------------------------------------


def test_of_many_threads_one_has_the_run(run):
    held, told, ready = [], [], threading.Barrier(8)

    def ask():
        ready.wait()
        try:
            held.append(claims.take(run))
        except UserError as error:
            told.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1 and len(told) == 7
    assert all("this process, since 20" in sentence for sentence in told)
    with pytest.raises(UserError, match="Stop it before it is deleted"):
        runs.delete(run)
    held[0].close()
    run.note(state="stopped")
    runs.delete(run)


CLAIM = """
import sys, time
from diffusion_studio.errors import UserError
from diffusion_studio.training.records import claims, runs
print("ready", flush=True); sys.stdin.readline()
try: claim = claims.take(runs.find("mine")); print("mine", flush=True)
except UserError as error: print(error, flush=True)
sys.stdin.readline()
"""


def race(tries):
    """(how often exactly one went on, how often the other was told who) of two processes that resume one run at once."""
    won = told = 0
    for _ in range(tries):
        pair = [
            subprocess.Popen(
                [sys.executable, "-c", CLAIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        for child in pair:
            child.stdout.readline()
        for child in pair:
            child.stdin.write("go\n")
            child.stdin.flush()
        lines = [child.stdout.readline().strip() for child in pair]
        won += lines.count("mine") == 1
        winner = pair[lines.index("mine")]
        told += sum(f"another process ({winner.pid}), since 20" in line for line in lines)
        for child in pair:
            child.kill()  # a claim that nobody gave back is free for the next try
            child.communicate()
    return won, told


def test_of_two_processes_one_goes_on_and_the_other_is_told_who(run):
    assert race(2) == (2, 2)


@pytest.mark.slow
def test_twenty_times_two_processes_one_goes_on_and_the_other_is_told_who(run):
    assert race(20) == (20, 20)
