"""Two lanes: a short job never waits for a long one, which shows how far it is and can be cancelled."""

import threading
from types import SimpleNamespace

import pytest

from diffusion_studio.ui.base.background import Background


@pytest.fixture
def background(qapp, qtbot):
    background = Background()
    yield background
    for worker in background.workers:
        worker.cancel_all()
        worker.stop()
    background.deleteLater()


def export(gate, closed):
    try:
        for done in range(5):
            yield SimpleNamespace(done=done + 1, total=5)
            gate.wait(5)
    finally:
        closed.append(True)


def test_a_short_job_does_not_wait_for_a_long_one(background, qtbot):
    gate, closed, seen = threading.Event(), [], []
    long = background.run(export(gate, closed), seen.append, title="Export of 5 images")
    qtbot.waitUntil(lambda: background.long_jobs[0].fraction == 0.2)
    heard = []
    short = background.run((n for n in (1, 2)), heard.append)
    qtbot.waitUntil(lambda: heard == [1, 2])
    assert background.busy and not closed and short != long
    gate.set()
    qtbot.waitUntil(lambda: not background.busy)
    assert [event.done for event in seen] == [1, 2, 3, 4, 5] and closed and not background.long_jobs


def test_a_long_job_is_cancelled_by_its_number(background, qtbot):
    gate, closed = threading.Event(), []
    job = background.run(export(gate, closed), lambda _: None, title="Export")
    qtbot.waitUntil(lambda: background.long_jobs[0].fraction == 0.2)
    with qtbot.waitSignal(background.job_ended) as ended:
        background.cancel(job)
        gate.set()
    assert ended.args == [job] and closed == [True] and not background.long_jobs


def test_one_failing_job_says_so_and_the_next_one_runs(background, qtbot):
    def broken():
        yield 1
        raise OSError("no room")

    with qtbot.waitSignal(background.job_failed) as failed:
        job = background.run(broken(), lambda _: None, title="Export")
    assert failed.args[0] == job and "no room" in failed.args[1]
    heard = []
    background.run((n for n in (7,)), heard.append, title="Next")
    qtbot.waitUntil(lambda: heard == [7])
