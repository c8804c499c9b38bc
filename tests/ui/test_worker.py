"""Jobs in a thread: each ends in exactly one way, a cancel hits the job it names, a slow window never falls behind."""

import random
import threading
import time

import numpy as np
import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.events import Preview, Status
from diffusion_studio.ui.worker import Worker


class Record:
    """Everything a worker said, in order."""

    def __init__(self, worker):
        self.events, self.ends = [], []
        worker.reported.connect(lambda job, event: self.events.append((job, event)))
        worker.job_finished.connect(lambda job: self.ends.append((job, "finished")))
        worker.job_cancelled.connect(lambda job: self.ends.append((job, "cancelled")))
        worker.job_failed.connect(lambda job, *words: self.ends.append((job, "failed", *words)))

    def of(self, job):
        return [event for number, event in self.events if number == job]


@pytest.fixture
def worker(qapp):
    worker = Worker("test")
    worker.record = Record(worker)
    yield worker
    worker.stop()


def preview(index, total=10):
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    return Preview(
        index=index, total=total, sigma=1.0, timestep=0.0, denoised=pixels, noisy=pixels, seconds=0.0
    )


def endless(closed=None):
    try:
        while True:
            time.sleep(0.001)
            yield Status(text="working")
    finally:
        if closed is not None:
            closed.append(threading.get_ident())


def failing(error):
    yield Status(text="so far")
    raise error


def test_a_job_finishes_once_with_its_events_in_order(qtbot, worker):
    with qtbot.waitSignal(worker.idle):
        job = worker.submit(Status(text=str(k)) for k in range(50))
    assert [event.text for event in worker.record.of(job)] == [str(k) for k in range(50)]
    assert worker.record.ends == [(job, "finished")]
    assert not worker.busy


def test_a_cancelled_job_is_closed_in_the_workers_own_thread(qtbot, worker):
    closed = []
    job = worker.submit(endless(closed))
    qtbot.waitUntil(lambda: len(worker.record.events) > 3)
    with qtbot.waitSignal(worker.idle):
        worker.cancel(job)
    assert worker.record.ends == [(job, "cancelled")]
    assert len(closed) == 1 and closed[0] != threading.get_ident()


def test_a_fault_the_user_can_mend_is_told_in_its_own_words(qtbot, worker):
    with qtbot.waitSignal(worker.idle):
        job = worker.submit(failing(UserError("The disk is full.", details="errno 28")))
    assert worker.record.ends[0][:3] == (job, "failed", "The disk is full.")
    assert "errno 28" in worker.record.ends[0][3] and "Traceback" in worker.record.ends[0][3]
    assert len(worker.record.ends) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("by nought"), SystemExit(3), MemoryError()])
def test_any_other_exception_is_told_with_its_traceback(qtbot, worker, error):
    with qtbot.waitSignal(worker.idle):
        worker.submit(failing(error))
    ((_, outcome, sentence, details),) = worker.record.ends
    assert outcome == "failed" and sentence.endswith((".", "nought", "3")) and "Traceback" in details


def test_after_a_failure_the_next_job_works(qtbot, worker):
    with qtbot.waitSignal(worker.idle):
        worker.submit(failing(ValueError()))
        second = worker.submit(iter_status(3))
    assert worker.record.ends[1] == (second, "finished") and len(worker.record.of(second)) == 3


def iter_status(count):
    for k in range(count):
        yield Status(text=str(k))


def test_a_job_cancelled_while_it_waits_never_begins(qtbot, worker):
    begun = []

    def marking():
        begun.append(True)
        yield Status(text="")

    first, second = worker.submit(endless()), worker.submit(marking())
    worker.cancel(second)
    with qtbot.waitSignal(worker.idle):
        worker.cancel(first)
    assert worker.record.ends == [(first, "cancelled"), (second, "cancelled")] and not begun


def test_a_late_cancel_hits_nobody(qtbot, worker):
    with qtbot.waitSignal(worker.idle):
        first = worker.submit(iter_status(1))
    with qtbot.waitSignal(worker.idle):
        second = worker.submit(iter_status(20))
        worker.cancel(first)
    assert worker.record.ends[-1] == (second, "finished")


def test_200_random_cancels_end_each_job_once_and_only_the_job_they_name(qtbot, worker):
    def own(number):
        for _ in range(5):
            time.sleep(0.0005)
            yield Status(text=str(number))

    chance, cancelled = random.Random(7), set()
    for number in range(1, 401):
        job = worker.submit(own(number))
        assert job == number
        if number % 2:
            qtbot.wait(chance.choice((0, 0, 1, 2)))
            worker.cancel(job)
            cancelled.add(job)
    qtbot.waitUntil(lambda: not worker.busy, timeout=20_000)
    assert sorted(job for job, *_ in worker.record.ends) == list(range(1, 401))
    assert {job for job, end in worker.record.ends if end == "cancelled"} <= cancelled
    assert all(event.text == str(job) for job, event in worker.record.events)


def test_of_10000_previews_a_blocked_window_gets_the_last_and_only_that(qtbot, worker):
    done = threading.Event()

    def flood():
        for index in range(10_000):
            yield preview(index)
        yield Status(text="after the previews")
        done.set()

    job = worker.submit(flood())
    assert done.wait(20)  # the window's thread does nothing meanwhile
    qtbot.waitUntil(lambda: not worker.busy)
    latest, after = worker.record.of(job)
    assert latest.index == 9_999
    assert after.text == "after the previews"  # in order


def test_a_running_window_gets_previews_as_they_come(qtbot, worker):
    def slow():
        for index in range(20):
            yield preview(index)
            time.sleep(0.005)

    with qtbot.waitSignal(worker.idle):
        job = worker.submit(slow())
    indices = [event.index for event in worker.record.of(job)]
    assert indices == sorted(indices) and indices[-1] == 19 and len(indices) > 2


def test_previews_keep_to_the_clock_but_for_the_first_and_the_last(qtbot, worker, monkeypatch):
    monkeypatch.setattr("diffusion_studio.ui.worker.PREVIEW_EVERY", 3600)

    def job(last):
        before = len(worker.record.events)
        yield preview(0, total=5)
        while len(worker.record.events) == before:  # until the window has taken it
            time.sleep(0.001)
        for index in range(1, last + 1):
            yield preview(index, total=5)

    with qtbot.waitSignal(worker.idle):
        whole = worker.submit(job(5))
    assert [event.index for event in worker.record.of(whole)] == [0, 5]
    with qtbot.waitSignal(worker.idle):
        broken_off = worker.submit(job(3))
    assert [event.index for event in worker.record.of(broken_off)] == [0, 3]


def test_stop_ends_the_thread_and_a_later_job_starts_it_again(qtbot, worker):
    job = worker.submit(endless())
    qtbot.waitUntil(lambda: bool(worker.record.events))
    worker.stop()
    assert worker.isFinished()
    qtbot.waitUntil(lambda: worker.record.ends == [(job, "cancelled")])
    with qtbot.waitSignal(worker.idle):
        worker.submit(iter_status(1))
    assert worker.record.ends[-1][1] == "finished"


def test_a_page_deleted_with_its_thread_still_running_does_no_harm(qtbot, qapp):
    from PySide6.QtCore import QObject

    page, closed = QObject(), []
    worker = Worker("orphan", page)
    record = Record(worker)
    worker.submit(endless(closed))
    qtbot.waitUntil(lambda: bool(record.events))
    page.deleteLater()
    qtbot.waitUntil(worker.isFinished)
    assert len(closed) == 1


def test_a_finished_jobs_pictures_are_let_go(qtbot, worker):
    import gc
    import weakref

    class Big:
        pass

    kept = []

    def job():
        big = Big()
        kept.append(weakref.ref(big))
        yield Status(text="")
        del big

    with qtbot.waitSignal(worker.idle):
        worker.submit(job())
    gc.collect()
    assert kept[0]() is None
