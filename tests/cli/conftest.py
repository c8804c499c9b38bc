"""The command line over jobs that generate and train without torch."""

import shlex
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from diffusion_studio import events, training_events
from diffusion_studio.cli import main
from diffusion_studio.models import cards
from diffusion_studio.models.card import ModelCard
from diffusion_studio.pictures import writing as outputs
from tests.shown import shown_views

SIGNALS = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


FACES = ModelCard(
    name="faces",
    title="Faces",
    path=Path("/models/faces"),
    size=8,
    classes=("hat", "beard"),
    class_count=3,
    null_class=2,
    parameters=4_000_000,
    recommended={"steps": 12, "sampler": "ddim", "guidance": 2.0},
    licence="CC0 1.0",
)


PLAIN = ModelCard(name="plain", title="Plain model", path=Path("/models/plain"), size=16)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(cards, "installed", lambda: [FACES, PLAIN])
    monkeypatch.setattr(cards, "STARTER", "faces")


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.fixture
def draw(monkeypatch):
    """Stands in for `jobs.generate`; `at` is called with every event before it is yielded."""
    control = SimpleNamespace(asked=[], closed=0, full=False, full_for_sheet=False, at=lambda event: None)

    def generate(settings, *, folder=None, sheet=False):
        control.asked.append(settings)
        try:
            for event in _events(settings, folder, sheet):
                control.at(event)
                yield event
        finally:
            control.closed += 1

    def _events(settings, folder, sheet):
        settings = replace(settings, seed=99 if settings.seed is None else settings.seed)
        yield events.Status(text="Loading…")
        yield events.Started(
            settings=settings, model_title="Faces", device="cpu", precision="float32", total=settings.steps
        )
        pictures = np.stack([picture(settings.seed + k) for k in range(settings.count)])
        for index in range(settings.steps + 1):
            yield events.Preview(
                index=index,
                total=settings.steps,
                sigma=float("inf"),
                timestep=1.0,
                views=shown_views(pictures, pictures),
                seconds=0.1,
            )
        for index, pixels in enumerate(pictures):
            own = replace(settings, seed=settings.seed + index, count=1)
            if control.full:
                yield events.NotSaved(index=index, settings=own, picture=pixels, reason="There is no room.")
            else:
                path = outputs.save(pixels, own, facts={"model_title": "Faces"}, folder=folder)
                yield events.Saved(path=path, index=index, settings=own, picture=pixels)
        if sheet:
            if control.full or control.full_for_sheet:
                yield events.Warned(text="The sheet was not saved: there is no room.")
            else:
                yield events.SheetSaved(path=outputs.save_sheet(pictures, settings, facts={}, folder=folder))
        yield events.Finished(seconds=0.5, steps_per_second=24.0)

    monkeypatch.setattr("diffusion_studio.jobs.generate.generate", generate)
    return control


@pytest.fixture
def run(capsys):
    """Carries out a command line; gives its status, its output lines and its error lines."""

    def carry_out(words, *more):
        status = main.main([*shlex.split(words), *map(str, more)])
        captured = capsys.readouterr()
        return SimpleNamespace(status=status, out=captured.out.splitlines(), err=captured.err.splitlines())

    return carry_out


@pytest.fixture
def learn(monkeypatch, tmp_path):
    """Stands in for `jobs.train`; `at` is called with every event before it is yielded."""
    control = SimpleNamespace(asked=[], closed=0, at=lambda event: None)

    def train(settings, *, resume=None, given=None, changed_data=False):
        control.asked.append((settings, resume))
        control.given = given
        try:
            for event in _events():
                control.at(event)
                yield event
        finally:
            control.closed += 1

    def _events():
        yield events.Status(text="Reading…")
        for sheet in (None, tmp_path / "runs" / "mine" / "autoencoder.png"):
            yield training_events.AutoencoderAdapted(
                step=100,
                psnr_before=24.1,
                psnr=27.84,
                images=picture(0)[None],
                before=picture(1)[None],
                now=picture(2)[None],
                sheet=sheet,
            )
        yield training_events.TrainingStarted(
            run=tmp_path / "runs" / "mine",
            title="Mine",
            device="cpu",
            precision="float32",
            parameters=2_000_000,
            pictures=200,
            first_step=0,
            total=4,
        )
        yield events.Warned(text="Only a few pictures.")
        for step in (1, 2, 3, 4):
            yield training_events.Loss(
                step=step,
                loss=float("nan") if step == 1 else 0.5,
                validation=0.25 if step == 4 else None,
                learning_rate=1e-4,
                pictures_per_second=100.0,
                fraction=step / 4,
                time_left=4.0 - step,
            )
        yield training_events.Samples(step=4, ema=picture(0)[None], raw=picture(1)[None], warming_up=True)
        yield training_events.CheckpointSaved(step=4, path=tmp_path / "checkpoint")
        yield training_events.Published(name="mine", path=tmp_path / "models" / "mine")

    monkeypatch.setattr("diffusion_studio.jobs.train.train", train)
    return control
