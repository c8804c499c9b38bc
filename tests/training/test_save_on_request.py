"""A checkpoint can be asked for in answer to any event: what a pause does before it holds still."""

from contextlib import closing
from dataclasses import replace

import pytest

from diffusion_studio import jobs
from diffusion_studio.events import SAVE, CheckpointSaved, Loss
from diffusion_studio.training import runs, sitting


@pytest.mark.parametrize("asked", [True, False])
def test_a_training_saves_when_it_is_asked(settings, monkeypatch, asked):
    monkeypatch.setattr(sitting, "REPORT_EVERY", 0.0)
    settings = replace(settings, steps=12, autosave=3600.0, autosave_steps=0, sample_every=0.0)
    with closing(jobs.train(settings)) as job:
        while not isinstance(next(job), Loss):
            pass
        told = [job.send(SAVE if asked else None), next(job)]
        saved = [event for event in told if isinstance(event, CheckpointSaved)]
        assert bool(saved) is asked
        if asked:
            assert runs.verified(saved[0].path)
