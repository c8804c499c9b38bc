"""Jobs in a thread: each ends in exactly one way, a cancel hits the job it names, a slow window never falls behind."""

import random
import threading
import time

import numpy as np
import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.events import SAVE, Preview, Status
from diffusion_studio.training_events import CheckpointSaved
from diffusion_studio.ui.base.worker import Worker
from tests.shown import shown_views


class Record:
    """Everything a worker said, in order."""

    def __init__(self, worker):
        self.events, self.ends = [], []
        worker.reported.connect(lambda job, event: self.events.append((job, event)))
        worker.job_finished.connect(lambda job: self.ends.append((job, "finished")))
        worker.job_cancelled.connect(lambda job: self.ends.append((job, "cancelled")))
        worker.job_failed.connect(lambda job, *words: self.ends.append((job, "failed", *words)))
        self.held = []
        worker.job_held.connect(self.held.append)

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
        index=index, total=total, sigma=1.0, timestep=0.0, views=shown_views(pixels, pixels), seconds=0.0
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
    monkeypatch.setattr("diffusion_studio.ui.base.worker.PREVIEW_EVERY", 3600)

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


# --- held jobs ---


def previews(heard=None, total=1000):
    try:
        for index in range(total + 1):
            answer = yield preview(index, total)
            if answer is not None and heard is not None:
                heard.append((index, answer))
            time.sleep(0.001)
    finally:
        if heard is not None:
            heard.append("closed")


def last_index(worker):
    return worker.record.events[-1][1].index


def test_a_held_job_stands_still_with_its_last_preview_shown(qtbot, worker, monkeypatch):
    monkeypatch.setattr(
        "diffusion_studio.ui.base.worker.PREVIEW_EVERY", 3600
    )  # but for the hold, only the first came
    told = []

    def job():
        for index in range(1001):
            told.append(index)
            yield preview(index, 1000)
            time.sleep(0.001)

    number = worker.submit(job())
    qtbot.waitUntil(lambda: len(told) > 5)
    worker.hold(number)
    qtbot.waitUntil(lambda: worker.record.held == [number])
    index = told[-1]
    qtbot.waitUntil(lambda: last_index(worker) == index)
    qtbot.wait(30)
    assert told[-1] == index and not worker.record.ends and worker.busy
    with qtbot.waitSignal(worker.idle, timeout=20_000):
        worker.release(number)
    assert worker.record.ends == [(number, "finished")] and last_index(worker) == 1000


def test_a_step_is_one_preview_and_several_are_several(qtbot, worker):
    job = worker.submit(previews())
    qtbot.waitUntil(lambda: bool(worker.record.events))
    worker.hold(job)
    qtbot.waitUntil(lambda: len(worker.record.held) == 1)
    index = last_index(worker)
    for count in (1, 2):
        worker.step(job)
        qtbot.waitUntil(lambda count=count: len(worker.record.held) == 1 + count)
        assert last_index(worker) == index + count
    worker.step(job)
    worker.step(job)
    worker.step(job)
    qtbot.waitUntil(lambda: last_index(worker) == index + 5)
    qtbot.wait(20)
    assert last_index(worker) == index + 5
    worker.cancel(job)
    qtbot.waitUntil(lambda: not worker.busy)


@pytest.mark.parametrize("end", ["cancel", "cancel_all", "stop"])
def test_a_held_job_ends_at_once_however_it_is_ended(qtbot, worker, end):
    heard = []
    job = worker.submit(previews(heard))
    qtbot.waitUntil(lambda: bool(worker.record.events))
    worker.hold(job)
    qtbot.waitUntil(lambda: worker.record.held == [job])
    worker.cancel(job) if end == "cancel" else getattr(worker, end)()
    qtbot.waitUntil(lambda: worker.record.ends == [(job, "cancelled")])
    assert heard == ["closed"]


def test_a_job_held_before_it_begins_begins_when_released(qtbot, worker):
    first, second = worker.submit(endless()), worker.submit(iter_status(3))
    worker.hold(second)
    worker.cancel(first)
    qtbot.waitUntil(lambda: worker.record.held == [second])
    assert not worker.record.of(second)
    with qtbot.waitSignal(worker.idle):
        worker.release(second)
    assert len(worker.record.of(second)) == 3


def test_an_answer_reaches_the_job_once_at_its_present_event(qtbot, worker):
    heard = []
    job = worker.submit(previews(heard))
    worker.hold(job)
    qtbot.waitUntil(lambda: worker.record.held == [job])
    worker.step(job)
    qtbot.waitUntil(lambda: len(worker.record.held) == 2)
    index = last_index(worker)
    worker.answer(job, "keep")
    worker.release(job)
    qtbot.waitUntil(lambda: bool(heard))
    qtbot.wait(10)
    assert heard == [(index, "keep")]
    worker.cancel(job)
    qtbot.waitUntil(lambda: not worker.busy)


def test_a_hold_can_ask_for_something_first(qtbot, worker, tmp_path):
    asked = []

    def training():
        for step in range(10_000):
            answer = yield Status(text=str(step))
            if answer == SAVE:
                asked.append(step)
                yield CheckpointSaved(step=step, path=tmp_path)

    job = worker.submit(training())
    qtbot.waitUntil(lambda: bool(worker.record.events))
    worker.hold(job, ask=SAVE, until=(CheckpointSaved,))
    qtbot.waitUntil(lambda: worker.record.held == [job])
    assert len(asked) == 1 and isinstance(worker.record.events[-1][1], CheckpointSaved)
    worker.release(job)
    count = len(worker.record.events)
    qtbot.waitUntil(lambda: len(worker.record.events) > count + 10)
    assert len(asked) == 1
    worker.cancel(job)
    qtbot.waitUntil(lambda: not worker.busy)


def test_a_hold_holds_even_where_what_it_asks_for_never_comes(qtbot, worker):
    job = worker.submit(endless())
    worker.hold(job, ask=SAVE, until=(CheckpointSaved,))
    qtbot.waitUntil(lambda: worker.record.held == [job])
    assert len(worker.record.events) <= 9  # what it had told already, and eight chances
    worker.cancel(job)
    qtbot.waitUntil(lambda: not worker.busy)


def test_previews_come_before_what_is_told_after_them(qtbot, worker, monkeypatch):
    monkeypatch.setattr("diffusion_studio.ui.base.worker.PREVIEW_EVERY", 3600)

    def job():
        for index in range(4):
            yield preview(index, 10)
        yield Status(text="kept")

    with qtbot.waitSignal(worker.idle):
        number = worker.submit(job())
    indices = [getattr(event, "index", event) for event in worker.record.of(number)]
    assert indices[-2] == 3 and indices[-1].text == "kept"


def test_200_random_holds_steps_and_cancels_end_each_job_once(qtbot, worker):
    chance = random.Random(5)
    for _ in range(200):
        job = worker.submit(previews(total=4))
        for _ in range(chance.randrange(4)):
            chance.choice((worker.hold, worker.step, worker.release))(job)
            qtbot.wait(chance.choice((0, 0, 1)))
        chance.choice((worker.release, worker.cancel))(job)
    qtbot.waitUntil(lambda: not worker.busy, timeout=20_000)
    assert sorted(job for job, *_ in worker.record.ends) == list(range(1, 201))
