"""How the command line ends: signals, faults, closed pipes, and streams that are not there."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from diffusion_studio import events
from diffusion_studio.cli import main
from tests.cli.conftest import SIGNALS

pytestmark = pytest.mark.usefixtures("installed")


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_while_drawing_ends_it_with_130(run, draw, tmp_path, name):
    def press(event):
        if isinstance(event, events.Preview) and event.index == 3:
            signal.raise_signal(getattr(signal, name))

    draw.at = press
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    result = run("generate --seed 1 --out", tmp_path)
    assert (result.status, result.out, result.err) == (130, [], [])
    assert draw.closed == 1 and not list(tmp_path.rglob("*.png"))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_a_signal_within_an_exec_is_status_130_too(tmp_path):
    """There `python -m` remembers a KeyboardInterrupt, and ends itself by SIGINT although it was handled."""
    (tmp_path / "probe.py").write_text(
        "import sys; from diffusion_studio import doctor; from diffusion_studio.cli import main as cli\n"
        "doctor.text = lambda: exec('import signal; signal.raise_signal(signal.SIGINT)')\n"
        "sys.exit(cli.main(['doctor']))"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    child = subprocess.run(
        [sys.executable, "-m", "probe"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (child.returncode, child.stderr) == (130, "")


def test_a_signal_while_saving_keeps_all_that_was_drawn(run, draw, tmp_path):
    def press(event):
        if isinstance(event, events.Saved):
            signal.raise_signal(signal.SIGINT)

    draw.at = press
    result = run("generate --seed 1 --count 3 --out", tmp_path)
    assert result.status == 130 and len(result.out) == 3
    assert len(list(tmp_path.rglob("*.png"))) == 3


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX")
def test_ignored_signals_stay_ignored(run, draw):
    draw.at = lambda event: signal.raise_signal(signal.SIGHUP)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("generate --seed 1").status == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_it_works_in_another_thread(run, draw):
    found = []
    thread = threading.Thread(target=lambda: found.append(main.main(["generate", "--seed", "1"])))
    thread.start()
    thread.join()
    assert found == [0]


def test_the_unexpected_is_a_sentence_and_a_log(run, draw, own_folders):
    def fail(event):
        raise RuntimeError("a\x1b[31m thing\nbroke")

    draw.at = fail
    result = run("generate --seed 1")
    assert (result.status, result.out, len(result.err)) == (1, [], 1)
    assert "\x1b" not in result.err[0]
    log = Path(re.search(r"Details are in (.+)$", result.err[0])[1])
    assert log.is_relative_to(own_folders / "logs") and "Traceback" in log.read_text()
    assert draw.closed == 1


def test_the_unexpected_where_no_log_can_be_written_is_a_sentence_still(run, draw, own_folders):
    own_folders.mkdir(exist_ok=True)
    (own_folders / "logs").write_text("")
    draw.at = lambda event: 1 / 0
    result = run("generate --seed 1")
    assert result.status == 1 and "ZeroDivisionError" in result.err[0] and len(result.err) == 1


def test_too_little_memory_is_said_as_such(run, draw):
    def fail(event):
        raise MemoryError

    draw.at = fail
    result = run("generate --seed 1")
    assert result.status == 1 and result.err[0].startswith("There is not enough memory")


class Stream:
    """A standard output that takes so many lines."""

    def __init__(self, lines, error):
        self.left, self.error = lines, error

    def write(self, text):
        if self.left <= 0:
            raise self.error
        self.left -= 1

    def flush(self):
        pass

    def fileno(self):
        raise io.UnsupportedOperation


@pytest.mark.parametrize(
    ("error", "status", "sentences"),
    [(BrokenPipeError(), 0, 0), (OSError(28, "No space left on device"), 1, 1)],
)
def test_pictures_are_saved_when_nobody_reads_any_more(
    draw, tmp_path, monkeypatch, capsys, error, status, sentences
):
    monkeypatch.setattr(sys, "stdout", Stream(1, error))
    assert main.main(["generate", "--seed", "1", "--count", "4", "--out", str(tmp_path)]) == status
    assert len(list(tmp_path.rglob("*.png"))) == 4
    assert len(capsys.readouterr().err.splitlines()) == sentences


def test_no_standard_output_at_all_is_no_fault(draw, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main.main(["generate", "--seed", "1", "--out", str(tmp_path)]) == 0


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_a_closed_pipe_is_quiet():
    child = subprocess.Popen(
        [sys.executable, "-m", "diffusion_studio", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.close()
    assert child.stderr.read() == b"" and child.wait(60) == 0
    child.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_of_any_bytes_are_printed(run, draw, tmp_path):
    result = run("generate --seed 1 --out", tmp_path / os.fsdecode(b"\xff"))
    assert result.status == 0 and "\\udcff" in result.out[0]
