"""The queue of requests: its order, what becomes of each, and that it survives a restart and other processes."""

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from diffusion_studio.errors import UserError
from diffusion_studio.events import Finished, NotSaved, RequestEnded, RequestStarted, Status
from diffusion_studio.jobs.queue import MOST, GenerationQueue, queue_file, run_queue
from diffusion_studio.settings.branches import branch
from diffusion_studio.settings.generation import GenerationSettings


@pytest.fixture
def queue():
    return GenerationQueue()


@pytest.fixture
def generated(monkeypatch):
    """Settings that were generated; some fail."""
    done = []

    def generate(settings, **how):
        yield Status(text="…")
        if settings.steps == 13:
            raise UserError("No 13.")
        if settings.steps == 14:
            raise ZeroDivisionError("a fault of ours")
        if settings.steps == 15:
            picture = np.zeros((1, 1, 3), np.uint8)
            yield NotSaved(index=0, settings=settings, picture=picture, reason="The disk is full.")
        done.append(settings)
        yield Finished(seconds=1.0, steps_per_second=1.0)

    monkeypatch.setattr("diffusion_studio.jobs.generate.generate", generate)
    return done


def asked(**values):
    return GenerationSettings(model="tiny", **values)


def ids(queue):
    return [request.id for request in queue.requests()]


def test_requests_come_in_their_order_with_all_their_settings(queue):
    settings = [asked(steps=7, seed=3), branch(asked(seed=1), 4, sampler="heun"), asked(seed=2, count=4)]
    added = [queue.add(one) for one in settings]
    again = GenerationQueue().requests()
    assert [request.settings for request in again] == settings
    assert [request.id for request in again] == [request.id for request in added]
    assert {request.state for request in again} == {"waiting"}


def test_a_random_seed_is_chosen_when_the_request_is_added(queue):
    request = queue.add(asked(seed=None, variation_strength=0.5))
    assert request.settings.seed is not None and request.settings.variation_seed is not None
    assert queue.requests()[0].settings == request.settings


@pytest.mark.parametrize(
    ("moved", "place", "order"), [(2, 0, "cab"), (0, 1, "bac"), (0, 99, "bca"), (1, -5, "bac")]
)
def test_requests_can_be_reordered(queue, moved, place, order):
    names = dict(zip([queue.add(asked(seed=k)).id for k in range(3)], "abc", strict=True))
    queue.move(list(names)[moved], place)
    assert "".join(names[id] for id in ids(queue)) == order


def test_what_was_removed_comes_back_between_what_it_was_between(queue):
    first, second, third = (queue.add(asked(seed=k)) for k in range(3))
    queue.fail(second.id, "No.")
    gone = queue.remove(second.id)
    later = queue.add(asked(seed=9))
    queue.put_back(gone)
    assert ids(queue) == [first.id, second.id, third.id, later.id]
    assert queue.requests()[1].reason == "No."
    queue.put_back(gone)
    assert len(ids(queue)) == 4, "it is there already"
    running = queue.take()
    gone = queue.clear()
    assert ids(queue) == [running.id]
    queue.remove(running.id)
    queue.put_back(gone)
    assert ids(queue) == [second.id, third.id, later.id], "what ran meanwhile stays done"


def test_what_is_not_there_is_passed_over(queue):
    first = queue.add(asked(seed=1))
    queue.move("nobody", 0)
    queue.remove("nobody")
    queue.fail("nobody", "…")
    assert ids(queue) == [first.id]


def test_a_queue_has_an_end(queue, monkeypatch):
    monkeypatch.setattr("diffusion_studio.jobs.queue.MOST", 2)
    queue.add(asked()), queue.add(asked())
    with pytest.raises(UserError, match="2 requests at most"):
        queue.add(asked())
    assert len(ids(queue)) == 2 and MOST > 2


def test_all_that_waits_is_generated_and_forgotten(queue, generated):
    settings = [queue.add(asked(seed=k)).settings for k in range(3)]
    events = list(run_queue(queue))
    assert generated == settings and queue.requests() == []
    assert [event.waiting for event in events if isinstance(event, RequestStarted)] == [2, 1, 0]
    assert [event.reason for event in events if isinstance(event, RequestEnded)] == ["", "", ""]


def test_what_is_added_meanwhile_comes_too(queue, generated):
    queue.add(asked(seed=1))
    for event in run_queue(queue):
        if isinstance(event, RequestStarted) and event.settings.seed == 1:
            queue.add(asked(seed=2))
    assert [settings.seed for settings in generated] == [1, 2]


def test_a_request_that_fails_stops_no_other_and_can_be_retried(queue, generated):
    failing = [queue.add(asked(steps=13)), queue.add(asked(steps=15))]
    queue.add(asked(seed=5))
    list(run_queue(queue))
    assert [request.reason for request in queue.requests()] == ["No 13.", "The disk is full."]
    assert {request.state for request in queue.requests()} == {"failed"} and generated[-1].seed == 5
    assert queue.take() is None
    queue.retry(failing[0].id)
    assert queue.take().id == failing[0].id


def test_a_fault_of_ours_is_raised_once_and_does_not_come_again(queue, generated):
    queue.add(asked(steps=14))
    with pytest.raises(ZeroDivisionError):
        list(run_queue(queue))
    assert queue.requests()[0].state == "failed" and "a fault of ours" in queue.requests()[0].reason


def test_closing_gives_the_running_request_back_at_its_place(queue, generated):
    first, second = queue.add(asked(seed=1)), queue.add(asked(seed=2))
    with closing(run_queue(queue)) as job:
        next(job), next(job)
        assert [request.state for request in queue.requests()] == ["running", "waiting"]
        queue.clear()
        assert ids(queue) == [first.id]
    assert queue.requests()[0].state == "waiting" and second.id not in ids(queue)


def test_a_running_request_that_is_removed_is_cancelled(queue, generated):
    request = queue.add(asked(seed=1))
    with closing(run_queue(queue)) as job:
        next(job)
        queue.remove(request.id)
    assert queue.requests() == [] and generated == []


def test_what_ran_when_the_process_was_killed_waits_again(queue, own_folders):
    first, _ = queue.add(asked(seed=1)), queue.add(asked(seed=2))
    code = (
        "import os\nfrom diffusion_studio.jobs.queue import GenerationQueue\n"
        "request = GenerationQueue().take(); print(request.id, flush=True); input()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True)
    try:
        assert child.stdout.readline().strip() == first.id
        assert [request.state for request in queue.requests()] == ["running", "waiting"]
        assert queue.take().settings.seed == 2  # not the same one twice
    finally:
        child.kill()
        child.communicate()
    assert queue.requests()[0].state == "waiting"
    assert queue.take().id == first.id


def test_requests_of_two_processes_are_all_there(queue):
    code = (
        "from diffusion_studio.jobs.queue import GenerationQueue\n"
        "from diffusion_studio.settings.generation import GenerationSettings\n"
        "for k in range(20): GenerationQueue().add(GenerationSettings(model='tiny', seed=k))\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    assert sorted(request.settings.seed for request in queue.requests()) == sorted([*range(20)] * 2)


def test_settings_that_cannot_be_carried_out_are_not_silently_changed(queue):
    queue.add(asked(seed=1))
    value = json.loads(queue_file().read_text())
    value["requests"][0]["settings"]["steps"] = -3
    value["requests"].append({"id": "x"})
    queue_file().write_text(json.dumps(value))
    assert [request.state for request in queue.requests()] == ["failed", "failed"]
    assert "Steps" in queue.requests()[0].reason and queue.take() is None


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"requests": 5}', '{"requests": [7]}', '{"requests": [{"id": "a"}, {"id": "a"}]}']
)
def test_a_damaged_file_is_set_aside(queue, text):
    queue_file().parent.mkdir(parents=True, exist_ok=True)
    queue_file().write_text(text)
    assert queue.requests() == []
    queue.add(asked(seed=1))
    assert len(ids(queue)) == 1
    assert [path.read_text() for path in queue_file().parent.glob("queue.json.broken-*")] == [text]


def test_answers_reach_the_generation(queue, monkeypatch):
    heard = []

    def generate(settings, **how):
        heard.append((yield Status(text="a")))
        heard.append((yield Status(text="b")))

    monkeypatch.setattr("diffusion_studio.jobs.generate.generate", generate)
    queue.add(replace(asked(), seed=1))
    job = run_queue(queue)
    assert isinstance(next(job), RequestStarted) and isinstance(next(job), Status)
    job.send("keep")
    assert isinstance(next(job), RequestEnded) and heard == ["keep", None]
