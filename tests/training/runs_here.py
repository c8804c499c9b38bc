"""What tests of runs share: events of a kind, a run that is stopped, the digest of a checkpoint."""

import json

from diffusion_studio.training.loop import train
from diffusion_studio.training.records import checkpoints, runs
from diffusion_studio.training_events import (
    CheckpointSaved,
)


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def stop_at(step, settings, resume=None):
    """Train until the checkpoint of `step`, then close the generator; returns the events."""
    job, events = train(settings, resume=resume), []
    for event in job:
        events.append(event)
        if isinstance(event, CheckpointSaved) and event.step >= step:
            break
    job.close()
    return events


def newest(name):
    return checkpoints.newest_verified(runs.find(name).path)[0] / "state.safetensors"


def digest(run, step):
    manifest = json.loads((run.path / "checkpoints" / f"{step:08d}" / "manifest.json").read_text())
    return manifest["state.safetensors"]["sha256"]
