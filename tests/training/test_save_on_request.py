"""A checkpoint can be asked for in answer to any event: what a pause does before it holds still."""

from contextlib import closing
from dataclasses import replace

import pytest

from diffusion_studio.events import SAVE, Status
from diffusion_studio.jobs import train as jobs
from diffusion_studio.training import loop
from diffusion_studio.training.records import checkpoints, runs
from diffusion_studio.training.step import validation
from diffusion_studio.training_events import CheckpointSaved, Loss, Published, Samples


@pytest.mark.parametrize("asked", [True, False])
def test_a_training_saves_when_it_is_asked(settings, monkeypatch, asked):
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)
    settings = replace(settings, steps=12, autosave=3600.0, autosave_steps=0, sample_every=0.0)
    with closing(jobs.train(settings)) as job:
        while not isinstance(next(job), Loss):
            pass
        told = [job.send(SAVE if asked else None), next(job)]
        saved = [event for event in told if isinstance(event, CheckpointSaved)]
        assert bool(saved) is asked
        if asked:
            assert checkpoints.verified(saved[0].path)


@pytest.mark.parametrize("words", ["Measuring the loss", "Generating samples"])
def test_a_long_look_is_left_for_it_and_comes_again(settings, monkeypatch, words):
    """Somebody who pauses in the midst of a validation does not wait for its end."""
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)
    monkeypatch.setattr(loop, "SAMPLE_COUNT", 2)
    monkeypatch.setattr(validation, "PIECE", 64)  # one picture of 8x8 at a time
    settings = replace(settings, steps=2, autosave=3600.0, sample_every=1e-9, validation=0.5)
    plain = {event.step: event for event in jobs.train(settings) if isinstance(event, CheckpointSaved)}
    assert not plain
    uninterrupted = checkpoints.newest_verified(runs.find("tiny").path)[0]
    told = []
    with closing(jobs.train(replace(settings, name="Asked"))) as job:
        event = next(job)
        while not (isinstance(event, Status) and event.text.startswith(words)):
            event = next(job)
        event = job.send(SAVE)
        assert isinstance(event, CheckpointSaved) and event.step == 1
        told = list(job)
    looks = [event.step for event in told if isinstance(event, Loss) and event.validation is not None]
    assert looks and set(looks) == {2} and isinstance(told[-1], Published)
    assert [event.step for event in told if isinstance(event, Samples)][-1] == 2
    asked = checkpoints.newest_verified(runs.find("asked").path)[0]
    name = checkpoints.TENSORS  # the same to the last bit: the averages were put away before the save
    assert (asked / name).read_bytes() == (uninterrupted / name).read_bytes()


def test_a_checkpoint_asked_for_in_the_last_look_is_made_and_the_run_ends(settings, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)
    settings = replace(settings, steps=1, autosave=3600.0, validation=0.5)
    told = []
    with closing(jobs.train(settings)) as job:
        event = next(job)
        while not isinstance(event, Published):
            told.append(event)
            asked = isinstance(event, Status) and event.text.startswith("Measuring") and not saved(told)
            event = job.send(SAVE if asked else None)
    assert saved(told) and [event.step for event in told if isinstance(event, Loss)][-1] == 1


def saved(events):
    return [event for event in events if isinstance(event, CheckpointSaved)]
